"""A folder that export wrote: its versions, their cards and checksums."""

from keras_ssc import __version__
from keras_ssc import files

FORMATS = ("savedmodel", "openvino", "onnx", "keras")

# What identifies a folder as a version of an export.
CARD = "model_card.json"

# Of what a card says; a later form has a higher number.
CARD_VERSION = 1


def read_card(folder):
    """Reads the card of a version; None if it is not an export.

    Raises:
        ValueError: If a later version of this project wrote it.
    """
    try:
        card = files.read_json(folder / CARD)
    except (OSError, ValueError):
        return None
    number = card.get("card_version") if isinstance(card, dict) else None
    if type(number) is int and number > CARD_VERSION:
        made_by = str(card.get("keras_ssc"))[:40]
        raise ValueError(
            f"Expected an export of keras_ssc {__version__} or before. "
            f"{folder} was made by a later one, {made_by}: update keras_ssc, "
            "or export the run with this version."
        )
    is_ours = (
        number == CARD_VERSION
        and card.get("format") in list(FORMATS)
        and isinstance(card.get("image_size"), list)
        and len(card["image_size"]) == 2
        and all(type(n) is int and n > 0 for n in card["image_size"])
    )
    return card if is_ours else None


def newest_version(path):
    """Returns an export's version; None if it is not an export.

    Args:
        path: `pathlib.Path` of a version's folder, or of the folder of
            versions.
    """
    if read_card(path) is not None:
        return path
    numbers = [
        int(each.name)
        for each in (path.iterdir() if path.is_dir() else ())
        if each.name.isdigit() and read_card(each) is not None
    ]
    return path / str(max(numbers)) if numbers else None


def check_sums(version):
    """Checks an export's files against its `SHA256SUMS`.

    That finds what was damaged, not what someone has changed who changed the
    checksums too.

    Args:
        version: `pathlib.Path` of a version's folder.

    Raises:
        ValueError: If a file is missing or is another; names it.
    """
    path = version / "SHA256SUMS"
    try:
        lines = path.read_text("utf-8").splitlines()
        expected = {line[66:]: line[:64] for line in lines}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Expected an export with its checksums. {path} cannot be read. "
            "Export the model again."
        ) from error
    found = {
        file.relative_to(version).as_posix(): file
        for file in version.rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    for name in ("saved_model.pb", *expected):
        file = found.get(name)
        is_same = file is not None and files.sha256(file) == expected.get(name)
        if not is_same:
            raise ValueError(
                f"{version}/{name} is missing, or is not what was exported: "
                "its SHA256SUMS says another. Export the model again."
            )
