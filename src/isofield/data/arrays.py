"""NPY and NPZ files of points; nothing in them is unpickled."""

import math
import os
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data.columns import cloud_from_columns, cloud_from_numbers, unit_colours, unit_normals
from isofield.errors import InputError
from isofield.observation import PointCloud

POINTS = ("points", "xyz", "pos", "positions", "vertices", "pc", "point_cloud", "pointcloud", "arr_0")
NORMALS = ("normals", "normal")
COLOURS = ("colors", "colours", "color", "colour", "rgb")


def read_npy(path: str | os.PathLike[str]) -> PointCloud:
    """Points of an (n, 3), (n, 6), (n, 9) ... array, its columns told by their values, or of named fields.

    Raises:
        InputError: The file is damaged, or the array has another shape.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise InputError(f"{path} cannot be read as NPY: {_brief(error)}.") from error
    if array.dtype.names:
        return cloud_from_columns({name: array[name].reshape(-1) for name in array.dtype.names}, path)
    return cloud_from_numbers(_table(array, path), path)


def read_npz(path: str | os.PathLike[str]) -> PointCloud:
    """Points, normals and colours by the usual keys.

    An ONet `pointcloud.npz` has `loc` and `scale` too: its points are in the unit box, and come
    back as points * scale + loc, in the frame of the model they were taken from.

    Raises:
        InputError: The file is damaged, or has no key with points.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive, path)
        with np.load(path, allow_pickle=False) as data:
            wanted = {*POINTS, *NORMALS, *COLOURS, "loc", "scale"} & set(data.files)
            arrays = {key: data[key] for key in wanted}
            keys = list(data.files)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} cannot be read as NPZ: {_brief(error)}.") from error
    key = _find(arrays, POINTS)
    if key is None:
        raise InputError(
            f"{path} has no key with points ({', '.join(POINTS[:3])}); its keys: {', '.join(keys)}."
        )
    return _assemble(arrays, key, path)


def _assemble(arrays: dict[str, np.ndarray], key: str, path: object) -> PointCloud:
    rows = _table(arrays[key], f"{path}, key {key!r},")
    cloud = cloud_from_numbers(rows, path) if rows.shape[1] != 3 else PointCloud(rows.astype(np.float64))
    points, normals, colours = cloud.points, cloud.normals, cloud.colours
    normal_key, colour_key = _find(arrays, NORMALS), _find(arrays, COLOURS)
    if normal_key and _matches(arrays[normal_key], points):
        normals = unit_normals(arrays[normal_key].astype(np.float64))
    if colour_key and _matches(arrays[colour_key], points):
        colours = unit_colours(list(arrays[colour_key].T))
    if "loc" in arrays and "scale" in arrays:
        try:
            points = points * arrays["scale"].astype(np.float64) + arrays["loc"].astype(np.float64)
        except ValueError:
            raise InputError(
                f"{path} has keys 'loc' and 'scale' that are no position and no factor."
            ) from None
    return PointCloud(points, normals, colours)


def _check_sizes(archive: zipfile.ZipFile, path: object) -> None:
    """Refuses arrays whose header promises more than the archive holds, before numpy allocates them."""
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        with archive.open(info) as file:
            version = np.lib.format.read_magic(file)
            reader = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                version, np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = reader(file)
        if math.prod(shape) * dtype.itemsize > info.file_size:
            key = info.filename.removesuffix(".npy")
            raise InputError(f"{path} is damaged: its key {key!r} promises more than the file holds.")


def _find(arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in arrays), None)


def _matches(array: np.ndarray, points: np.ndarray) -> bool:
    return array.dtype.kind in "fiu" and array.shape == points.shape


def _table(array: np.ndarray, source: object) -> Float[np.ndarray, "n k"]:
    if array.dtype.kind not in "fiu":
        raise InputError(f"{source} holds no numbers but {array.dtype}.")
    if array.ndim == 3 and array.shape[2] == 3:  # an image of points
        array = array.reshape(-1, 3)
    if array.ndim != 2 or array.shape[1] < 3:
        shape = " x ".join(map(str, array.shape)) or "a single number"
        raise InputError(
            f"{source} has the shape {shape}; points need rows of x, y, z (n x 3, n x 6, n x 9)."
        )
    return array if array.dtype.kind == "f" and array.dtype.itemsize >= 4 else array.astype(np.float64)


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]


def is_table(path: Path) -> bool:
    """Whether the file begins like an NPY file."""
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"
