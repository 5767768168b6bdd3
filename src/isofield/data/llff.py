"""`poses_bounds.npy`: cameras as LLFF (Mildenhall et al. 2019) writes them after COLMAP.

    FOLDER/poses_bounds.npy     (n 17): 3x5 row by row, then the nearest and furthest depth
          /images/              n pictures, in the order of their names; images_4, images_8: smaller copies

The 3x5 is [right of world from camera | centre | height, width, focal], and its first three columns are the
camera's axes down, right, backwards. The principal point is the middle, there is no distortion.
"""

from pathlib import Path

import numpy as np

from isofield.data.pictures import ENDINGS
from isofield.data.shots import Shot, Shots, camera_from_pose, sound_lens
from isofield.errors import InputError
from isofield.geometry.lens import Lens

NAME = "poses_bounds.npy"


def is_ours(path: Path) -> bool:
    """Whether the array is named so, or has the shape of poses and not of points."""
    try:
        return path.name == NAME or np.load(path, mmap_mode="r", allow_pickle=False).shape[1:] == (17,)
    except (OSError, ValueError, EOFError):
        return False


def read_llff(path: Path) -> Shots:
    """The pictures beside a poses_bounds.npy.

    Raises:
        InputError: The array has another shape, or there are more or fewer pictures than poses.
    """
    rows = _rows(path)
    folder, images = _pictures(path.parent)
    if len(images) != len(rows):
        raise InputError(
            f"{path} has {len(rows)} poses but {folder} {len(images)} pictures; LLFF matches them by order,"
            " so one must be missing or too many."
        )
    shots = []
    for image, row in zip(images, rows, strict=True):
        where = f"{path}, pose of {image.name}"
        matrix = row[:15].reshape(3, 5)
        down, right, backwards, centre, size = matrix.T
        pose = np.stack([right, down, -backwards, centre], axis=1)
        height, width, focal = size
        lens = Lens(round(width), round(height), focal, focal, width / 2, height / 2)
        shots.append(Shot(image, sound_lens(where, lens), camera_from_pose(where, pose)))
    return Shots("LLFF poses_bounds.npy, axes down, right, backwards", shots)


def _rows(path: Path) -> np.ndarray:
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no readable array.") from error
    if rows.ndim != 2 or rows.shape[1] != 17 or not np.isfinite(rows[:, :15]).all():
        raise InputError(f"{path} is no array of poses: LLFF has 17 finite numbers per picture.")
    return rows.astype(np.float64)


def _pictures(folder: Path) -> tuple[Path, list[Path]]:
    """The largest copies that are there; a smaller picture has the same camera."""
    for name in ("images", "images_2", "images_4", "images_8"):
        place = folder / name
        if place.is_dir():
            return place, sorted(p for p in place.iterdir() if p.suffix.lower() in ENDINGS)
    raise InputError(f"{folder} has poses_bounds.npy but no folder images beside it.")
