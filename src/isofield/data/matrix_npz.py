"""`cameras.npz`: cameras of the DTU data as IDR, NeuS and DVR store them.

    FOLDER/cameras.npz        per picture i, 4x4 each
          /image/*.png        in the order of their names
          /mask/*.png         white is the object; optional
          /depth/*.npy            along the camera's axis; optional (EXR is not read)

IDR: world_mat_i has P = K [R | t] in its first three rows, from the world to pixels whose centres are whole
numbers (+0 where ours are +0.5), and scale_mat_i from a unit sphere to the world.

DVR: camera_mat_i stands beside it; pixels = camera_mat world_mat scale_mat p, x and y from -1 at the middle
of the first pixel to 1 at the middle of the last, y down, z forward. scale_mat is from the unit cube to the
world.

We stay in the world; scale_mat is known again from the frame of the scene, and is left alone.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isofield.data.pictures import ENDINGS, DamagedPictureError, picture_size
from isofield.data.projections import decomposed
from isofield.data.shots import Shot, Shots, sound_lens
from isofield.errors import InputError
from isofield.geometry.lens import Lens

NAMES = ("cameras.npz", "cameras_sphere.npz")
HALF = np.array([[1.0, 0, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 1, 0]])
"""From pixels with whole centres to ours."""
IMAGES, MASKS = ("image", "images", "rgb"), ("mask", "masks")


def is_ours(path: Path) -> bool:
    """Whether the archive is named so, or holds matrices and not points."""
    if path.name in NAMES:
        return True
    try:
        return bool(numbers(dict.fromkeys(zip_names(path))))
    except (OSError, zipfile.BadZipFile):
        return False


def zip_names(path: Path) -> list[str]:
    """Names of the arrays in an archive, which is not read."""
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_matrices(path: Path) -> Shots:
    """The pictures beside a cameras.npz.

    Raises:
        InputError: Matrices are missing, singular or of another shape, or there are no pictures.
    """
    arrays = _arrays(path)
    images = listing(path.parent, IMAGES)
    if not images:
        raise InputError(f"{path.parent} has no folder image with pictures beside {path.name}.")
    is_dvr = any(name.startswith("camera_mat_") for name in arrays)
    given = numbers(arrays)
    of_number = _by_order(images, given) if len(images) == len(given) else _by_name(images)
    masks = _beside(images, path.parent, MASKS, ENDINGS)
    depths = _beside(images, path.parent, ("depth",), (".npy",))
    shots: list[Shot] = []
    damaged: dict[str, str] = {}
    for number in given:
        if number in of_number:
            image = of_number[number]
            try:
                size = picture_size(image)
            except DamagedPictureError as error:
                damaged[image.name] = error.fault
                continue
            lens, pose = _camera(path, arrays, number, is_dvr, size)
            shots.append(Shot(image, lens, pose, masks.get(image), depths.get(image)))
    said = []
    if any((path.parent / "depth").glob("*.exr")):
        said = ["the depths are EXR files, which are not read, so they are left alone"]
    missing = [f"picture {number}" for number in given if number not in of_number]
    name = "DVR cameras.npz (camera_mat, world_mat)" if is_dvr else "IDR/NeuS cameras.npz (world_mat)"
    return Shots(f"{name}, axes right, down, forward", shots, None, missing, damaged, said)


def _camera(
    path: Path, arrays: Mapping[str, np.ndarray], number: int, is_dvr: bool, size: tuple[int, int]
) -> tuple[Lens, np.ndarray]:
    """Intrinsics over a picture of the given width and height, and camera from world."""
    where = f"{path}, camera {number}"
    world = _matrix(path, arrays, f"world_mat_{number}")
    to_pixels = _from_square(*size) @ _matrix(path, arrays, f"camera_mat_{number}") if is_dvr else HALF
    intrinsic, pose = decomposed(where, to_pixels @ world)
    (fx, skew, cx), (_, fy, cy), _ = intrinsic
    return sound_lens(where, Lens(*size, fx, fy, cx, cy, skew)), pose


def numbers(arrays: Mapping[str, Any]) -> list[int]:
    """Of the pictures that have a world_mat."""
    names = [name.removeprefix("world_mat_") for name in arrays if name.startswith("world_mat_")]
    return sorted(int(name) for name in names if name.isdigit())


def listing(folder: Path, names: tuple[str, ...], endings: tuple[str, ...] = ENDINGS) -> list[Path]:
    """The files of the first of the folders that is there, by name."""
    place = next((folder / name for name in names if (folder / name).is_dir()), None)
    if place is None:
        return []
    return sorted(p for p in place.iterdir() if p.suffix.lower() in endings)


def _by_order(paths: list[Path], given: list[int]) -> dict[int, Path]:
    """As the original programs match them."""
    return dict(zip(given, paths, strict=True))


def _by_name(paths: list[Path]) -> dict[int, Path]:
    """Where some are missing, by the number that the name is; else by order, as far as it goes."""
    if all(path.stem.isdigit() for path in paths):
        return {int(path.stem): path for path in paths}
    return dict(enumerate(paths))


def _beside(
    images: list[Path], folder: Path, names: tuple[str, ...], endings: tuple[str, ...]
) -> dict[Path, Path]:
    """What belongs to each picture: of the same name, or in the same order if there are as many."""
    found = listing(folder, names, endings)
    by_name = {path.stem: path for path in found}
    if all(image.stem in by_name for image in images):
        return {image: by_name[image.stem] for image in images}
    if len(found) == len(images):
        return dict(zip(images, found, strict=True))
    return {image: by_name[image.stem] for image in images if image.stem in by_name}


def _from_square(width: int, height: int) -> np.ndarray:
    """3x4, from DVR's pixels in [-1, 1], depth third, to ours: the first pixel's middle, -1, is at 0.5."""
    x, y = (width - 1) / 2, (height - 1) / 2
    return np.array([[x, 0, x + 0.5, 0], [0, y, y + 0.5, 0], [0, 0, 1, 0]])


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, KeyError, EOFError) as error:
        raise InputError(f"{path} is no readable npz archive.") from error
    if not numbers(arrays):
        raise InputError(f"{path} has no matrices named world_mat_0, world_mat_1, and so on.")
    return arrays


def _matrix(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """4x4; a 3x4 gets its last row."""
    matrix = arrays.get(name)
    if matrix is None or matrix.shape not in ((4, 4), (3, 4)) or not np.issubdtype(matrix.dtype, np.number):
        raise InputError(f"{path}: {name} must be there as a 4x4 matrix of numbers.")
    matrix = matrix.astype(np.float64)
    return matrix if len(matrix) == 4 else np.concatenate([matrix, [[0.0, 0, 0, 1]]])
