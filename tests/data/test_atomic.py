"""A file is either the complete new one or the untouched old one."""

import os

import pytest

from isofield.data.atomic import atomic_write
from isofield.errors import InputError


def test_new_file_appears_only_at_the_end(tmp_path):
    target = tmp_path / "mesh.ply"
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.suffix == ".ply"
        assert temporary.parent == tmp_path
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["mesh.ply"]


def test_failure_keeps_the_previous_file(tmp_path):
    target = tmp_path / "mesh.ply"
    target.write_bytes(b"old")

    def fail():
        with atomic_write(target) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["mesh.ply"]


def test_missing_folder_is_one_sentence(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot be written: there is no folder .*; create it"),
        atomic_write(tmp_path / "no" / "mesh.ply"),
    ):
        pass


def test_folder_as_target(tmp_path):
    with pytest.raises(InputError, match="it is a folder"), atomic_write(tmp_path):
        pass


def test_read_only_target_survives(tmp_path, monkeypatch):
    target = tmp_path / "mesh.ply"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anything
    with pytest.raises(InputError, match="read-only"), atomic_write(target) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"old"


def test_permissions_are_those_of_any_new_file(tmp_path):
    with atomic_write(tmp_path / "a.ply"):
        pass
    (tmp_path / "b.ply").touch()
    assert (tmp_path / "a.ply").stat().st_mode == (tmp_path / "b.ply").stat().st_mode
