"""Views -> the text files of COLMAP; colmap_files.py states the convention."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data.atomic import atomic_write
from isofield.geometry.camera import Camera
from isofield.observation import Views


def write_colmap(folder: Path, views: Views) -> None:
    """cameras.txt, images.txt and points3D.txt: one PINHOLE camera per picture, no 2D points.

    Pictures keep their names; they are not written.

    Raises:
        InputError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(len(views))
    _write(
        folder / "cameras.txt",
        (_camera_line(i + 1, views.cameras[i], views.images[i].shape) for i in numbers),
    )
    _write(folder / "images.txt", (_image_lines(i + 1, views.cameras[i], views.names[i]) for i in numbers))
    points = np.zeros((0, 3)) if views.points is None else views.points
    _write(folder / "points3D.txt", (f"{i + 1} {_numbers(p)} 128 128 128 0" for i, p in enumerate(points)))


def quaternion_of(turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4"]:
    """w, x, y, z of a rotation, w not negative.

    It is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack 2000), which is well
    conditioned for every rotation.
    """
    (a, b, c), (d, e, f), (g, h, i) = turn
    matrix = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    best = np.linalg.eigh(matrix)[1][:, -1]
    return best if best[0] >= 0 else -best


def _camera_line(number: int, camera: Camera, shape: tuple[int, ...]) -> str:
    matrix = camera.pixel_from_camera / camera.pixel_from_camera[2, 2]
    values = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]
    return f"{number} PINHOLE {shape[1]} {shape[0]} {_numbers(values)}"


def _image_lines(number: int, camera: Camera, name: str) -> str:
    """The pose; a second line, of 2D points, stays empty."""
    scale = np.cbrt(np.linalg.det(camera.camera_from_world[:, :3]))
    turn, translation = camera.camera_from_world[:, :3] / scale, camera.camera_from_world[:, 3] / scale
    return f"{number} {_numbers(quaternion_of(turn))} {_numbers(translation)} {number} {name}\n"


def _numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in values)


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
