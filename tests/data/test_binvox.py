"""Voxel files against a plain reading of the format, and voxels against formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isofield.data.binvox import binvox_bytes, filled, read_binvox, write_binvox
from isofield.errors import InputError
from isofield.geometry import Box
from isofield.observation import Voxels


def plainly(data: bytes) -> np.ndarray:
    """One voxel after the other: y runs fastest, then z, then x."""
    head, _, body = data.partition(b"\ndata\n")
    dims = next(line for line in head.decode().splitlines() if line.startswith("dim"))
    x, z, y = map(int, dims.split()[1:])
    flat = [value for value, count in zip(body[::2], body[1::2], strict=True) for _ in range(count)]
    assert len(flat) == x * y * z
    result = np.zeros((x, y, z), bool)
    for number, value in enumerate(flat):
        result[number // (y * z), number % y, number // y % z] = value
    return result


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3), st.floats(0, 1))
def test_files_hold_what_the_format_says(tmp_path_factory, seed, shape, share):
    occupied = np.random.default_rng(seed).random(shape) < share
    data = binvox_bytes(Voxels(occupied, Box.cube()))
    assert (plainly(data) == occupied).all()
    path = tmp_path_factory.mktemp("voxels") / "v.binvox"
    path.write_bytes(data)
    assert (read_binvox(path).occupied == occupied).all()


def test_long_runs_and_the_box_come_back(tmp_path):
    box = Box(np.array([1.0, 2, 3]), np.array([5.0, 6, 7]))
    occupied = np.zeros((32, 32, 32), bool)
    occupied[3:20] = True
    write_binvox(tmp_path / "v.binvox", Voxels(occupied, box))
    found = read_binvox(tmp_path / "v.binvox")
    assert (found.occupied == occupied).all()
    assert (found.box.low.tolist(), found.box.high.tolist()) == ([1, 2, 3], [5, 6, 7])


HEAD = b"#binvox 1\ndim 2 2 2\ntranslate 0 0 0\nscale 1\ndata\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"solid thing", "no binvox file"),
        (HEAD + b"\x01\x07", "data for 7"),
        (HEAD + b"\x01\x08\x00", "is damaged"),
        (HEAD.replace(b"2 2 2", b"2 2"), "damaged binvox header"),
        (HEAD.replace(b"2 2 2", b"9999999 2 2"), "damaged binvox header"),
        (HEAD.replace(b"scale 1", b"scale nan"), "damaged binvox header"),
        (HEAD[:20], "damaged binvox header"),
    ],
)
def test_damaged_files_are_told(tmp_path, data, message):
    (tmp_path / "v.binvox").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_binvox(tmp_path / "v.binvox")
    with pytest.raises(InputError, match="cannot be read"):
        read_binvox(tmp_path / "nothing.binvox")


def test_a_ball_fills_the_voxels_it_touches():
    draw = np.random.default_rng(0)
    points = draw.uniform(-0.55, 0.55, (100_000, 3))
    surface = draw.normal(size=(100_000, 3))
    surface *= 0.4 / np.linalg.norm(surface, axis=1, keepdims=True)
    occupied = filled(surface, points, np.linalg.norm(points, axis=1) < 0.4).occupied
    low = np.arange(32) / 32 - 0.5
    nearest = np.maximum(np.maximum(low, -(low + 1 / 32)), 0)  # distance of each slab from the origin
    touched = sum(n**2 for n in np.meshgrid(nearest, nearest, nearest, indexing="ij")) < 0.4**2
    assert (occupied <= touched).all()
    assert occupied.sum() > 0.99 * touched.sum()


def test_axes_are_x_y_z():
    draw = np.random.default_rng(0)
    points = draw.uniform(-0.5, 0.5, (50_000, 3))
    inside = (points[:, 0] > 0.2) & (points[:, 1] < 0)
    occupied = filled(points[:0], points, inside).occupied
    assert occupied[30, 5, 16]
    assert not occupied[5, 30, 16]
    assert not occupied[30, 30, 16]
