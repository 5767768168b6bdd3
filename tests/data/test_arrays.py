"""NPY and NPZ."""

import io
import zipfile

import numpy as np
import pytest

from isofield.data import read_points
from isofield.errors import InputError

DRAW = np.random.default_rng(0)
POINTS = DRAW.normal(size=(30, 3))
NORMALS = DRAW.normal(size=(30, 3))
NORMALS /= np.linalg.norm(NORMALS, axis=1, keepdims=True)
BYTES = DRAW.integers(0, 256, (30, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int32])
def test_npy_of_three_columns(tmp_path, kind):
    values = (10 * POINTS).astype(kind)
    np.save(tmp_path / "a.npy", values)
    cloud = read_points(tmp_path / "a.npy")
    assert cloud.points.dtype == np.float64
    np.testing.assert_array_equal(cloud.points, values.astype(np.float64))


def test_npy_of_more_columns(tmp_path):
    np.save(tmp_path / "a.npy", np.hstack([POINTS, NORMALS, BYTES]))
    cloud = read_points(tmp_path / "a.npy")
    np.testing.assert_allclose(cloud.normals, NORMALS)
    np.testing.assert_allclose(cloud.colours, BYTES / 255)


def test_npy_with_named_fields(tmp_path):
    table = np.zeros(30, [("z", "f4"), ("y", "f8"), ("x", "f8")])
    table["x"], table["y"], table["z"] = POINTS.T
    np.save(tmp_path / "a.npy", table)
    np.testing.assert_allclose(read_points(tmp_path / "a.npy").points, POINTS, rtol=1e-6)


def test_onet_pointcloud_comes_back_in_its_own_frame(tmp_path):
    loc, scale = np.array([1.0, -2, 3]), 4.0
    half = ((POINTS - loc) / scale).astype(np.float16)
    np.savez(
        tmp_path / "pointcloud.npz", points=half, normals=NORMALS.astype(np.float16), loc=loc, scale=scale
    )
    cloud = read_points(tmp_path / "pointcloud.npz")
    np.testing.assert_allclose(cloud.points, POINTS, atol=4e-3)
    np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-3)


@pytest.mark.parametrize(
    "keys", [("xyz", "normals", "colors"), ("pos", "normal", "rgb"), ("points", "normals", "colours")]
)
def test_npz_keys(tmp_path, keys):
    np.savez(tmp_path / "a.npz", **dict(zip(keys, (POINTS, NORMALS, BYTES), strict=True)))
    cloud = read_points(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_allclose(cloud.normals, NORMALS)
    np.testing.assert_allclose(cloud.colours, BYTES / 255)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((5, 2)), "shape 5 x 2"),
        (np.zeros(()), "shape a single number"),
        (np.array([["a", "b", "c"]]), "holds no numbers"),
    ],
)
def test_odd_arrays(tmp_path, array, sentence):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=sentence):
        read_points(tmp_path / "a.npy")


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as NPY"):
        read_points(tmp_path / "a.npy")


def billion() -> bytes:
    """The header of an array of a billion points, and none of them."""
    file = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (1_000_000_000, 3)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(48)


def test_arrays_that_promise_more_than_they_hold(tmp_path):
    (tmp_path / "a.npy").write_bytes(billion())
    with pytest.raises(InputError, match="cannot be read as NPY"):
        read_points(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("points.npy", billion())
    with pytest.raises(InputError, match="key 'points' promises more than the file holds"):
        read_points(tmp_path / "a.npz")


def test_npz_without_points_names_its_keys(tmp_path):
    np.savez(tmp_path / "a.npz", weights=POINTS)
    with pytest.raises(InputError, match=r"no key with points .* its keys: weights"):
        read_points(tmp_path / "a.npz")
