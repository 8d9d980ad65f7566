"""Counts a model's multiply-adds, by TensorFlow's own profiler."""

import tensorflow as tf

# What nearly all the work of a network is. Additions of biases, activations,
# normalisation and pooling are left out, as in the published figures.
_OPERATIONS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")


def multiply_adds(model):
    """Counts the multiply-adds of one example.

    Args:
        model: A `keras.Model`, whose inputs have a known size.

    Returns:
        Integer, the multiplications with an addition in convolutions and
        matrix products, forward, padding included. A layer that is called
        twice counts twice.

    Raises:
        ValueError: If the size of a convolution or a product is not known.
    """
    graph = _forward_graph(model)
    _check_shapes(graph)
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = (
        builder(builder.float_operation())
        .with_accounted_types(list(_OPERATIONS))
        .with_empty_output()
        .build()
    )
    profile = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    # It counts a multiplication and its addition as two.
    return profile.total_float_ops // 2


def _forward_graph(model):
    """Traces a model for one example; nothing in the graph is optimized."""
    inputs = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype),
        model.input,
    )
    forward = tf.function(lambda values: model(values, training=False))
    return forward.get_concrete_function(inputs).graph


def _check_shapes(graph):
    # The profiler leaves out what it does not know the size of, silently.
    for operation in graph.get_operations():
        if operation.type not in _OPERATIONS:
            continue
        tensors = [*operation.inputs, *operation.outputs]
        if not all(tensor.shape.is_fully_defined() for tensor in tensors):
            raise ValueError(
                "Expected a model whose sizes are known when it is given one "
                f"example. Received one in which {operation.name} has "
                f"{[tuple(tensor.shape) for tensor in tensors]}. Give its "
                "keras.Input a height and a width."
            )
