"""When a pair, a shot or a film is unlike the training films.

Imports no library: a client's machine can do without.
"""

# The familiarity below which it is: one in twenty of the training films' own
# pairs is.
UNLIKE = 0.05


def is_unlike(familiarity):
    """Says whether something is unlike the training films.

    Args:
        familiarity: Float, 0 to 1, see `familiarity.Familiarity`; None where
            it is not known.

    Returns:
        Boolean; False where it is not known.
    """
    return familiarity is not None and familiarity < UNLIKE
