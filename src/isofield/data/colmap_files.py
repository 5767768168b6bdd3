"""The files of a COLMAP model, text or binary -> numbers.

    cameras.txt     CAMERA_ID MODEL WIDTH HEIGHT PARAMETERS
    images.txt      IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of 2D points, which may be empty
    points3D.txt    POINT_ID X Y Z R G B ERROR TRACK

Quaternion and translation take the world to the camera, whose axes are right, down, forward; pixel centres
are at +0.5. The .bin files hold the same, little-endian.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from isofield.errors import InputError
from isofield.geometry.lens import Lens

Found = TypeVar("Found")

MODELS = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
}
"""Parameters of the models that are read, in order."""
NUMBERED = (
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV", "FOV",
    "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE",
)  # fmt: skip
"""Models by their number in binary files."""
LENGTHS = (3, 4, 4, 5, 8, 8, 12, 5, 4, 5, 12)
"""How many parameters each has."""


@dataclass(frozen=True)
class Registered:
    """A picture that COLMAP has placed."""

    name: str
    camera: int
    quaternion: Float[np.ndarray, "4"]
    """w, x, y, z."""
    translation: Float[np.ndarray, "3"]


@dataclass(frozen=True)
class Model:
    """What a folder of COLMAP holds."""

    lenses: dict[int, Lens]
    images: list[Registered]
    points: Float[np.ndarray, "n 3"]


def is_model(folder: Path) -> bool:
    """Whether the files of one are in the folder."""
    return any(
        (folder / f"cameras{end}").is_file() and (folder / f"images{end}").is_file()
        for end in (".bin", ".txt")
    )


def read_model(folder: Path) -> Model:
    """Text goes after binary where both are there, as in COLMAP.

    Raises:
        InputError: A file is damaged, or a camera has a model that is not read.
    """
    is_binary = (folder / "cameras.bin").is_file()
    paths = [
        folder / f"{name}{'.bin' if is_binary else '.txt'}" for name in ("cameras", "images", "points3D")
    ]
    lenses = _sound(paths[0], _binary_cameras if is_binary else _cameras)
    images = _sound(paths[1], _binary_images if is_binary else _images)
    has_points = paths[2].is_file()
    points = _sound(paths[2], _binary_points if is_binary else _points) if has_points else np.zeros((0, 3))
    return Model(lenses, images, points)


def _sound(path: Path, read: Callable[[Path], Found]) -> Found:
    """What the reader finds.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        return read(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except InputError:
        raise
    except (struct.error, ValueError, IndexError) as error:
        raise InputError(f"{path} is damaged, or not of COLMAP: {error}.") from error


def lens_of(path: Path, model: str, width: int, height: int, values: list[float]) -> Lens:
    """By the names of its parameters.

    Raises:
        InputError: The model is not read.
    """
    names = MODELS.get(model)
    if names is None:
        raise InputError(
            f"{path} has a camera of the model {model}, which is not read;"
            " run `colmap image_undistorter` first."
        )
    words = dict(zip(names, values, strict=True))
    focal = words.pop("f", None)
    if focal is not None:
        words |= {"fx": focal, "fy": focal}
    return Lens(width, height, **words)


# Text


def _lines(path: Path) -> Iterator[list[str]]:
    with open(path, encoding="utf-8") as stream:
        yield from (line.split() for line in stream if not line.startswith("#"))


def _cameras(path: Path) -> dict[int, Lens]:
    return {
        int(words[0]): lens_of(path, words[1], int(words[2]), int(words[3]), [float(w) for w in words[4:]])
        for words in _lines(path)
        if words
    }


def _images(path: Path) -> list[Registered]:
    """Every second line; names may have spaces."""
    found, skip = [], False
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("#"):
                continue
            if skip:
                skip = False
                continue
            words = line.rstrip("\r\n").split(" ", 9)
            if len(words) < 10:
                if not line.strip():
                    continue
                raise ValueError(f"a line of an image has {len(words)} words where 10 are due")
            numbers = np.array([float(w) for w in words[1:8]])
            found.append(Registered(words[9], int(words[8]), numbers[:4], numbers[4:]))
            skip = True
    return found


def _points(path: Path) -> np.ndarray:
    rows = [[float(w) for w in words[1:4]] for words in _lines(path) if words]
    return np.array(rows, np.float64).reshape(-1, 3)


# Binary


class _Bytes:
    """A file read from front to back."""

    def __init__(self, path: Path) -> None:
        self._data, self._at = path.read_bytes(), 0

    def take(self, form: str) -> tuple:
        values = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return values

    def skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            raise ValueError("it ends too early")

    def word(self) -> str:
        end = self._data.index(b"\0", self._at)
        text = self._data[self._at : end].decode("utf-8")
        self._at = end + 1
        return text


def _binary_cameras(path: Path) -> dict[int, Lens]:
    data = _Bytes(path)
    found = {}
    for _ in range(data.take("Q")[0]):
        number, model, width, height = data.take("IiQQ")
        if not 0 <= model < len(NUMBERED):
            raise ValueError(f"a camera has the model number {model}")
        values = list(data.take(f"{LENGTHS[model]}d"))
        found[number] = lens_of(path, NUMBERED[model], width, height, values)
    return found


def _binary_images(path: Path) -> list[Registered]:
    data = _Bytes(path)
    found = []
    for _ in range(data.take("Q")[0]):
        numbers = np.array(data.take("I7d")[1:])
        (camera,) = data.take("I")
        found.append(Registered(data.word(), camera, numbers[:4], numbers[4:]))
        data.skip(24 * data.take("Q")[0])
    return found


def _binary_points(path: Path) -> np.ndarray:
    data = _Bytes(path)
    found = []
    for _ in range(data.take("Q")[0]):
        found.append(data.take("Q3d3Bd")[1:4])
        data.skip(8 * data.take("Q")[0])
    return np.array(found, np.float64).reshape(-1, 3)
