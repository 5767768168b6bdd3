"""Views -> a folder of pictures with `transforms.json`, as nerfstudio, instant-ngp and we read it.

OUTPUT/transforms.json
      /images/NAME.png     RGBA where there are masks
      /depths/NAME.png     16 bits, in units of depth_unit_scale_factor
      /points.ply          known places on surfaces
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from isofield.data.atomic import atomic_write
from isofield.data.transforms import NAME, OPENGL
from isofield.geometry.camera import Camera
from isofield.observation import PointCloud, Views

DEEPEST = 65535
"""Of the 16 bits of a depth."""


def write_transforms(folder: Path, views: Views) -> Path:
    """The file that lists them; pictures come first, so that it never lists what is not there.

    Raises:
        InputError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words: dict[str, Any] = {"camera_model": "OPENCV"}
    unit = _depth_unit(views)
    if unit is not None:
        words["depth_unit_scale_factor"] = unit
    if views.points is not None:
        from isofield.data.writing import write_points

        write_points(folder / "points.ply", PointCloud(views.points))
        words["ply_file_path"] = "points.ply"
    words["frames"] = [_frame(folder, views, i, unit) for i in range(len(views))]
    with atomic_write(folder / NAME) as temporary:
        temporary.write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    return folder / NAME


def _frame(folder: Path, views: Views, i: int, unit: float | None) -> dict[str, Any]:
    image, name = views.images[i], file_names(views)[i]
    frame: dict[str, Any] = {"file_path": f"images/{name}", **_intrinsics(views.cameras[i], image.shape)}
    pixels = image if views.masks is None else np.concatenate([image, views.masks[i][..., None]], axis=2)
    _write(folder / "images" / name, np.round(pixels * 255).astype(np.uint8))
    if views.depths is not None and unit is not None:
        frame["depth_file_path"] = f"depths/{name}"
        _write(folder / "depths" / name, np.round(views.depths[i] / unit).astype(np.uint16))
    if views.held_out is not None:
        frame["split"] = "test" if views.held_out[i] else "train"
    return frame | {"transform_matrix": opengl_pose(views.cameras[i]).tolist()}


def file_names(views: Views) -> list[str]:
    """One per picture, with its number where two have the same name, as those of two folders may."""
    stems = [Path(name).stem for name in views.names]
    if len(set(stems)) < len(stems):
        stems = [f"{i:04d}_{stem}" for i, stem in enumerate(stems)]
    return [f"{stem}.png" for stem in stems]


def _intrinsics(camera: Camera, shape: tuple[int, ...]) -> dict[str, float]:
    matrix = camera.pixel_from_camera / camera.pixel_from_camera[2, 2]
    names = {"fl_x": matrix[0, 0], "fl_y": matrix[1, 1], "cx": matrix[0, 2], "cy": matrix[1, 2]}
    return {name: float(value) for name, value in names.items()} | {"w": shape[1], "h": shape[0]}


def opengl_pose(camera: Camera) -> np.ndarray:
    """World from camera, 4x4, axes right, up, backwards."""
    turn = camera.camera_from_world[:, :3]
    turn = turn / np.cbrt(np.linalg.det(turn))
    return np.block([[turn.T @ OPENGL, camera.centre[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])


def _depth_unit(views: Views) -> float | None:
    if views.depths is None:
        return None
    deepest = max(float(depth.max()) for depth in views.depths)
    return deepest / DEEPEST if deepest > 0 else None


def _write(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as temporary:
        Image.fromarray(pixels).save(temporary)
