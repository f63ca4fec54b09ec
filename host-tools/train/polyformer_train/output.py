"""Writes an output whole or not at all: to a temporary file in the same folder, to the disk, then to its own name.

A file that holds a Polyformer key, a link to nothing, and anything that is no plain file are never replaced.
"""

import json
import os
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path

_LONGEST_HEADER = 1 << 16


@contextmanager
def replacing(path):
    """Gives the path of a temporary file, which gets the name `path` if the block ends without an error."""
    path = Path(path)
    _refuse(path)
    path = path.resolve()
    handle, part = tempfile.mkstemp(prefix=".polyformer-", suffix=".tmp", dir=path.parent)
    part = Path(part)
    try:
        os.close(handle)
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path, text):
    """Writes `text` in UTF-8."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def write_json(path, data):
    """Writes `data` as JSON. NaN and infinity are refused."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _refuse(path):
    if not path.exists():
        if path.is_symlink():
            raise FileExistsError(f"{path}: a link to nothing, where a file is to be written")
        return
    if not path.is_file():
        raise FileExistsError(f"{path}: no plain file, where a file is to be written")
    kind = _kind(path)
    if kind is not None and kind.endswith("-key"):
        raise FileExistsError(f"{path}: a {kind} file is there, which is not replaced")


def _kind(path):
    """The kind of a Polyformer file, as its header says."""
    with open(path, "rb") as file:
        head = file.read(8)
        if len(head) < 8 or struct.unpack("<Q", head)[0] > _LONGEST_HEADER:
            return None
        try:
            fields = json.loads(file.read(struct.unpack("<Q", head)[0]))["__metadata__"]
            return fields["kind"] if "polyformer" in fields else None
        except (ValueError, KeyError, TypeError):
            return None
