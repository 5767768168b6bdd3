"""LAS and LAZ."""

import sys

import numpy as np
import pytest

from isofield.data import read_points
from isofield.errors import InputError

laspy = pytest.importorskip("laspy")


@pytest.fixture
def points():
    return np.round(
        np.random.default_rng(0).uniform(0, 100, (50, 3)) + np.array([400_000, 5_600_000, 200]), 3
    )


def write(path, points, colours=None):
    las = laspy.create(point_format=2 if colours is not None else 0)
    las.header.scales, las.header.offsets = [0.001] * 3, points.min(axis=0).round()
    las.x, las.y, las.z = points.T
    if colours is not None:
        las.red, las.green, las.blue = (colours.T * 65535).round().astype(np.uint16)
    las.write(path)


@pytest.mark.parametrize("extension", ["las", "laz"])
def test_coordinates_and_colours(tmp_path, points, extension):
    colours = np.random.default_rng(1).random(points.shape)
    write(tmp_path / f"a.{extension}", points, colours)
    cloud = read_points(tmp_path / f"a.{extension}")
    np.testing.assert_allclose(cloud.points, points, atol=1e-6)
    np.testing.assert_allclose(cloud.colours, colours, atol=1e-4)


def test_cut_off(tmp_path, points):
    write(tmp_path / "a.las", points)
    data = (tmp_path / "a.las").read_bytes()
    (tmp_path / "a.las").write_bytes(data[:-30])
    with pytest.raises(InputError, match="is cut off: its header promises 50 points"):
        read_points(tmp_path / "a.las")


def test_without_laspy_the_sentence_says_what_to_install(tmp_path, points, monkeypatch):
    write(tmp_path / "a.las", points)
    monkeypatch.setitem(sys.modules, "laspy", None)
    with pytest.raises(InputError, match=r"pip install 'isofield\[las\]'"):
        read_points(tmp_path / "a.las")


def test_a_billion_records_in_the_header(tmp_path, points):
    write(tmp_path / "a.las", points)
    data = bytearray((tmp_path / "a.las").read_bytes())
    data[100:104] = (10**9).to_bytes(4, "little")
    (tmp_path / "a.las").write_bytes(data)
    with pytest.raises(InputError, match="promises 1000000000 records that are not there"):
        read_points(tmp_path / "a.las")
