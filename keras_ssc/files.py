"""Files that appear whole or not at all."""

import contextlib
import csv
import hashlib
import io
import json
import os
import pathlib


@contextlib.contextmanager
def named(path):
    """Makes an `OSError` inside name the path; a full disk's does not."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def read_json(path):
    """Reads a JSON file.

    Args:
        path: Its path.

    Returns:
        A plain value of any type.

    Raises:
        ValueError: If it is not JSON; names the file.
        OSError: If it cannot be read.
    """
    path = pathlib.Path(path)
    # Not a pipe, which would be waited for, nor a device without an end.
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: expected a file.")
    try:
        return json.loads(path.read_text("utf-8"))
    # Values in values in values are an error of their own.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: expected JSON, received something else ({error})."
        ) from error


def sha256(path):
    """Returns a file's SHA-256 in hexadecimal, whatever its size.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(path, temporary):
    """Moves what is written to a temporary file into place, if all went well.

    A process killed at any moment leaves the file as it was before, or as it
    should be, and never a half of it.

    Args:
        path: `pathlib.Path`, the file to write; its folder exists.
        temporary: `pathlib.Path` in the same folder, written to inside. One
            name for all tries: what a killed process left is overwritten.

    Raises:
        OSError: If the file cannot be written; what was there before stays.
    """
    try:
        with named(path):
            yield
            _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path):
    # Windows flushes only what may be written.
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def write_bytes(path, data):
    """Writes a file, see `replacing`.

    Args:
        path: Where the file shall be; its folder exists.
        data: Bytes.

    Raises:
        OSError: If the file cannot be written; what was there before stays.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    with (
        replacing(path, temporary),
        open(temporary, "wb", opener=_open) as file,
    ):
        file.write(data)


def _open(path, flags):
    # A folder from elsewhere may have a link there, to any file at all.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def write_text(path, text):
    """Writes a text file in UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_csv(path, columns, rows):
    """Writes a table with its columns' names above, as `write_bytes` does.

    Args:
        path: Where the file shall be; its folder exists.
        columns: Sequence of strings.
        rows: Iterable of sequences as long as `columns`.

    Raises:
        OSError: If the file cannot be written; what was there before stays.
    """
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    write_text(path, text.getvalue())


def write_json(path, value):
    """Writes a JSON file for people and programs, as `write_bytes` does."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
