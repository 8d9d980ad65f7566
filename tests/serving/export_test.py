import errno
import hashlib
import json
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

import keras_ssc
from keras_ssc import export
from keras_ssc.data import datasets
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.metrics import calibration
from keras_ssc.serving import export_formats
from keras_ssc.serving import exported
from keras_ssc.serving import exporting
from keras_ssc.serving import tf_serving
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import run_familiarity
from keras_ssc.training import runs
from tests.helpers import make_dummy_data
from tests.helpers import programs
from tests.helpers import tiny_runs

SIGNATURES = ("serving_default", "frames")


@pytest.fixture(scope="module")
def version(small_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("served") / "scene_genre"
    return exporting.export(small_run, out, verbose=False)


@pytest.fixture(scope="module")
def signatures(version):
    return tf.saved_model.load(str(version)).signatures


def test_a_version_holds_what_serving_it_takes(version):
    assert version.name == "1"
    assert sorted(path.name for path in version.iterdir()) == [
        "SHA256SUMS",
        "assets",
        "assets.extra",
        "batching_parameters.txt",
        "fingerprint.pb",
        "labels.txt",
        "model_card.json",
        "model_card.md",
        "sample_request.json",
        "sample_response.json",
        "saved_model.pb",
        "training_config.json",
        "variables",
    ]
    assert (version / "labels.txt").read_text().split() == list(REPORT_GENRES)
    # A server reads the folder of versions at any moment.
    assert [path.name for path in version.parent.iterdir()] == ["1"]


def test_checksums_are_those_of_all_files(version):
    listed = {}
    for line in (version / "SHA256SUMS").read_text().splitlines():
        checksum, name = line.split("  ")
        listed[name] = checksum
    assert listed == {
        str(path.relative_to(version)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in version.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }


def test_scores_are_the_run_s_calibrated(small_run, signatures, validation_dir):
    metrics = evaluation.evaluate(small_run, verbose=False)
    temperature = metrics["calibration"]["temperature"]
    builder = datasets.open_dataset("scene_genre/small", validation_dir)
    prepared = datasets.prepare(
        builder, "test", (18, 32), ("frame", "next_frame")
    )
    frames = {
        name: np.array(prepared.features[name])
        for name in ("frame", "next_frame")
    }
    logits = runs.load_model(small_run).predict(
        {"frame": frames["frame"]}, verbose=0
    )
    expected = calibration.probabilities(logits, temperature)
    answer = signatures["frames"](
        **{name: tf.constant(array) for name, array in frames.items()}
    )
    np.testing.assert_allclose(answer["scores"], expected, atol=1e-5)
    films = [film["scores"] for film in metrics["films"]]
    assert len(films) == 2  # scores by film are means of the same
    for film in metrics["films"]:
        own = expected[prepared.film == film["film"]].mean(axis=0)
        assert own == pytest.approx(list(film["scores"].values()), abs=1e-5)


def test_sample_request_has_the_sample_answer(version, signatures):
    request = json.loads((version / "sample_request.json").read_text())
    assert request["signature_name"] == "serving_default"
    (instance,) = request["instances"]
    answer = signatures["serving_default"](
        **{
            # TensorFlow's decoder takes the alphabet of URLs.
            name: tf.io.decode_base64(
                [value["b64"].replace("+", "-").replace("/", "_")]
            )
            for name, value in instance.items()
        }
    )
    response = json.loads((version / "sample_response.json").read_text())
    (prediction,) = response["predictions"]
    assert prediction["genre"] == answer["genre"][0].numpy().decode()
    assert prediction["genres"] == list(REPORT_GENRES)
    assert prediction["scores"] == pytest.approx(
        answer["scores"][0].numpy().tolist(), abs=1e-6
    )
    assert "motion_magnitude" not in prediction  # fc does not see motion


def test_sample_answer_has_the_motion_of_a_model_that_sees_it(tmp_path):
    answer = {
        "genre": b"horror",
        "scores": np.full(6, 1 / 6),
        "genres": np.array(REPORT_GENRES, object),
        "motion_magnitude": np.float32(0.25),
    }
    tf_serving.write_files(tmp_path, [b"1", b"2"], answer, (18, 32))
    response = json.loads((tmp_path / "sample_response.json").read_text())
    assert response["predictions"][0]["motion_magnitude"] == 0.25


def test_warm_up_runs_every_signature_at_every_batch_size(version, signatures):
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    seen = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {
            # As TF Serving reads it, in C++.
            name: tf.io.parse_tensor(
                proto.SerializeToString(), tf.as_dtype(proto.dtype)
            )
            for name, proto in request.inputs.items()
        }
        signature = request.model_spec.signature_name
        answer = signatures[signature](**inputs)
        seen.append((signature, len(answer["genre"])))
    assert sorted(seen) == sorted(
        (signature, size)
        for signature in SIGNATURES
        for size in tf_serving.BATCH_SIZES
    )
    assert path.stat().st_size < 10e6


def test_batching_pads_to_what_the_warm_up_ran(version):
    text = (version / "batching_parameters.txt").read_text()
    sizes = [
        int(line.split(": ")[1])
        for line in text.splitlines()
        if line.startswith("allowed_batch_sizes")
    ]
    assert sizes == list(tf_serving.BATCH_SIZES)
    assert f"max_batch_size {{ value: {sizes[-1]} }}" in text


def test_card_says_what_the_model_is(version, small_run):
    card = exported.read_card(version)
    metrics = json.loads((small_run / "metrics.json").read_text())
    assert card["metrics"]["pair"] == metrics["pair"]
    assert card["calibration"]["split"] == "validation"
    assert card["data"]["test"]["action"] == {"films": 1, "pairs": 8}
    measured = card["parity"]["computed_in"]["float32"]
    assert measured["largest_difference"] <= measured["bound"] == 1e-5
    assert card["report_accuracy"] == pytest.approx(0.367)
    text = (version / "model_card.md").read_text()
    assert "| action | 1 (8) | 1 (8) | 1 (8) |" in text
    assert "Expected calibration error" in text
    # Whose machine it was trained on is nobody's business.
    config = (version / "training_config.json").read_text()
    assert str(small_run) not in config and '"data_dir": null' in config


def test_familiarity_is_the_run_s_and_the_card_tells_of_it(
    small_run, version, signatures, validation_dir
):
    fitted = run_familiarity.read(small_run)
    builder = datasets.open_dataset("scene_genre/small", validation_dir)
    train = datasets.prepare(builder, "train", (135, 240), ("frame",))
    frame = np.array(train.features["frame"][::8])
    expected = fitted.judge(run_familiarity.encode(frame))
    assert expected.max() > 0.5
    frame = tf.constant(frame)
    answer = signatures["frames"](frame=frame, next_frame=frame)
    np.testing.assert_allclose(answer["familiarity"], expected, atol=1e-3)
    response = json.loads((version / "sample_response.json").read_text())
    assert 0 <= response["predictions"][0]["familiarity"] <= 1
    metrics = json.loads((small_run / "metrics.json").read_text())
    told = exported.read_card(version)["familiarity"]
    assert told == {
        **metrics["familiarity"],
        "num_judged": len(metrics["films"]),
        "threshold": 0.05,
        "num_bytes": 2 * fitted.rows.size,
    }
    text = (version / "model_card.md").read_text()
    assert f"{told['num_rows']} pairs are in the model" in text
    assert f"{told['num_unlike']} of 2 films are unlike the" in text
    assert "differs in motion alone" in text
    assert "unlike each other make all films familiar" in text
    assert "names one, unless a film is unlike" in text


def test_familiarity_is_left_out_where_it_is_asked(small_run, tmp_path):
    said = {}
    for name, more in (("with", ()), ("without", ("--no-familiarity",))):
        code, said[name] = programs.run_here(
            *("keras_ssc.export", small_run, "--out", tmp_path / name, *more)
        )
        assert code == 0
    assert "MiB of it are for noticing films unlike" in said["with"]
    assert "with --no-familiarity, it is about" in said["with"]
    assert "unlike" not in said["without"]
    version = tmp_path / "without" / "1"
    assert exported.read_card(version)["familiarity"] is None
    text = (version / "model_card.md").read_text()
    assert "always names one" in text and "amiliar" not in text
    for signature in tf.saved_model.load(str(version)).signatures.values():
        assert "familiarity" not in signature.structured_outputs


def test_a_run_that_does_not_know_its_films_is_told_how_to(
    small_run, tmp_path, capsys
):
    old = shutil.copytree(small_run, tmp_path / "old")
    (old / run_familiarity.FILE).unlink()
    version = exporting.export(old, tmp_path / "out", verbose=False)
    assert f"python -m keras_ssc.evaluate {old}" in capsys.readouterr().err
    assert exported.read_card(version)["familiarity"] is None


def test_a_model_of_another_familiarity_is_not_exported(
    small_run, tmp_path, monkeypatch
):
    size = run_familiarity.read(small_run).rows.shape[1]
    monkeypatch.setattr(
        run_familiarity, "encode", lambda frame: np.full((len(frame), size), 9)
    )
    with pytest.raises(exporting.ExportError, match="distances to be the"):
        exporting.export(small_run, tmp_path / "out", verbose=False)
    assert not list((tmp_path / "out").iterdir())


def test_command_writes_the_next_version(
    small_run, version, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "scene_genre"
    shutil.copytree(version, out / "9")
    # What a killed export left is no version, and is swept away.
    (out / ".999999999.unfinished").mkdir()
    # A run that was not evaluated is evaluated.
    (small_run / "metrics.json").unlink()
    monkeypatch.setattr(
        sys, "argv", ["export", str(small_run), "--out", str(out)]
    )
    with pytest.raises(SystemExit) as stopped:
        export.command.run(export.main)
    assert stopped.value.code == 0
    assert sorted(path.name for path in out.iterdir()) == ["10", "9"]
    said = capsys.readouterr().out
    assert f"-v {out}:/models/scene_genre " in said
    assert "/models/scene_genre/10/batching_parameters.txt" in said
    assert (small_run / "metrics.json").exists()


@pytest.fixture
def of_later(version, tmp_path):
    """An export that a later version of this project or TensorFlow wrote."""

    def change(card=None, operation=None):
        folder = tmp_path / "1"
        shutil.copytree(version, folder)
        path = folder / "model_card.json"
        values = json.loads(path.read_text())
        path.write_text(json.dumps({**values, **(card or {})}))
        if operation:
            path = folder / "saved_model.pb"
            model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
            library = model.meta_graphs[0].graph_def.library
            for function in library.function:
                for node in function.node_def:
                    if node.op == operation:
                        node.op = f"{operation}V9"
            path.write_bytes(model.SerializeToString())
        exporting.write_sums(folder)
        return folder

    return change


def test_an_export_of_a_later_version_is_a_line(of_later, small_run):
    folder = of_later({"card_version": 2, "keras_ssc": "9.1"})
    for path in (folder, folder.parent):
        with pytest.raises(ValueError, match=r"later one, 9\.1: update keras"):
            keras_ssc.load(path)
    with pytest.raises(ValueError, match="update keras_ssc"):
        exporting.export(small_run, folder.parent, verbose=False)


def test_an_export_of_a_later_tensorflow_is_a_line(of_later):
    folder = of_later({"tensorflow": "9.1.0"}, "Softmax")
    code, printed = programs.run_here(
        *("keras_ssc.predict", folder, make_dummy_data.FOLDER / "films")
    )
    assert code == 2
    line = printed.splitlines()[-1]
    assert "SoftmaxV9" in line and "TensorFlow 9.1.0 wrote it" in line


def foreign_folder(folder, version):
    (folder / "1").mkdir()
    (folder / "1" / "saved_model.pb").write_bytes(b"another's")


def folder_of_files(folder, version):
    (folder / "notes.txt").write_text("mine")


def other_format(folder, version):
    (folder / "1").mkdir()
    card = json.loads((version / "model_card.json").read_text())
    card["format"] = "onnx"
    (folder / "1" / "model_card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (foreign_folder, "is none of its versions"),
        (folder_of_files, "is none of its versions"),
        (other_format, "Expected one format in all versions"),
    ],
)
def test_folder_that_is_not_ours_is_left_alone(
    small_run, version, tmp_path, fill, message
):
    fill(tmp_path, version)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        exporting.export(small_run, tmp_path, verbose=False)
    assert sorted(tmp_path.rglob("*")) == before


def test_file_as_folder_and_unknown_format_are_refused(small_run, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        exporting.export(small_run, tmp_path / "file", verbose=False)
    with pytest.raises(ValueError, match="Unknown format"):
        exporting.export(small_run, tmp_path / "new", "pickle", verbose=False)
    assert not (tmp_path / "new").exists()


def test_run_without_a_model_is_refused(small_run, tmp_path):
    (tmp_path / "run").mkdir()
    config = (small_run / "config.json").read_text()
    (tmp_path / "run" / "config.json").write_text(config)
    with pytest.raises(ValueError, match="Expected a finished run"):
        exporting.export(tmp_path / "run", tmp_path / "out", verbose=False)
    assert not (tmp_path / "out").exists()


def test_model_that_answers_otherwise_is_not_exported(
    small_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(exporting.ExportError, match="They differ by"):
        exporting.export(small_run, tmp_path / "out", verbose=False)
    assert not list((tmp_path / "out").iterdir())


def test_full_disk_leaves_nothing_behind(
    small_run, tmp_path, monkeypatch, capsys
):
    def fail(*arguments, **settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    monkeypatch.setattr(
        sys,
        "argv",
        ["export", str(small_run), "--out", str(tmp_path / "out")],
    )
    with pytest.raises(SystemExit) as stopped:
        export.command.run(export.main)
    assert stopped.value.code == 1
    last_line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "No space left on device" in last_line
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("model_format", ["keras", "onnx", "openvino"])
def test_other_formats_have_their_card(small_run, tmp_path, model_format):
    out = tmp_path / model_format
    version = exporting.export(small_run, out, model_format, verbose=False)
    names = {path.name for path in version.iterdir()}
    assert {"labels.txt", "model_card.md", "SHA256SUMS"} < names
    assert "saved_model.pb" not in names and "assets.extra" not in names
    assert exported.read_card(version)["format"] == model_format
    text = (version / "model_card.md").read_text()
    assert export_formats.LOADING[model_format] in text
    with pytest.raises(ValueError, match="Expected one format"):
        exporting.export(small_run, out, verbose=False)


def test_without_validation_films_the_card_says_so(data_dir, tmp_path):
    run_dir = loop.train(
        tiny_runs.small(data_dir, tmp_path / "run", epochs=1),
        verbose=False,
    )
    version = exporting.export(run_dir, tmp_path / "out", verbose=False)
    card = exported.read_card(version)
    assert card["calibration"]["temperature"] == 1
    assert card["calibration"]["split"] is None
    text = (version / "model_card.md").read_text()
    assert "Not calibrated" in text
    assert "If a genre is left out of the training films" in text
