import json
import os
import struct

import pytest

from polyformer_train import output


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "config.json"
    output.write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        output.write_json(path, {"a": float("nan")})
    with pytest.raises(OSError), output.replacing(path) as part:
        part.write_text("half")
        raise OSError("disk full")
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_a_key_and_what_is_no_plain_file_are_never_replaced(tmp_path):
    head = json.dumps({"__metadata__": {"polyformer": "1", "kind": "secret-key"}}).encode()
    (tmp_path / "key").write_bytes(struct.pack("<Q", len(head)) + head + bytes(32))
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "alias").symlink_to(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    for name in ("key", "alias", "link", "folder", "pipe"):
        with pytest.raises(FileExistsError, match=str(tmp_path / name)):
            output.write_text(tmp_path / name, "text")
    assert (tmp_path / "key").read_bytes() == before


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    output.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
