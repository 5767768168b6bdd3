"""`transforms.json`: cameras as NeRF's Blender scenes, instant-ngp and nerfstudio write them.

    {"camera_angle_x": 0.69,                        whole angle over the width, or
     "fl_x": 555.6, "fl_y": 555.6, "cx": 200, "cy": 200, "w": 400, "h": 400, "k1": 0, "p1": 0, ...
     "frames": [{"file_path": "images/r_0",         with or without its ending; may repeat the keys above
                 "transform_matrix": 4x4,           world from camera, OpenGL axes: right, up, backwards
                 "mask_path", "depth_file_path",    optional, as nerfstudio has them
                 "split": "train"}]}                optional; any other word: held out

The principal point is the middle of the picture, W / 2, where none is given, pixel centres at +0.5.
(The original NeRF program samples half a pixel away from that.)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isofield.data.pictures import ENDINGS, DamagedPictureError, picture_size
from isofield.data.shots import Shot, Shots, camera_from_pose, read_json, sound_lens
from isofield.errors import InputError
from isofield.geometry.lens import Lens

NAME = "transforms.json"
SPLITS = ("train", "val", "test")
MILLIMETRE = 0.001
"""What nerfstudio's depths are in where the file says nothing."""
OPENGL = np.diag([1.0, -1.0, -1.0])
"""Right, up, backwards to right, down, forward, and back."""
MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")


def transforms_of(folder: Path) -> list[Path]:
    """The lists of a folder: `transforms.json`, or one per split."""
    if (folder / NAME).is_file():
        return [folder / NAME]
    return [p for split in SPLITS if (p := folder / f"transforms_{split}.json").is_file()]


def read_transforms(paths: Sequence[Path]) -> Shots:
    """The pictures of one file, or of those of the splits of one scene.

    With both, `test` is held out and `val` is left alone.

    Raises:
        InputError: A file is not as described above.
    """
    split = {path: path.stem.removeprefix("transforms_") for path in paths if path.stem != "transforms"}
    said = []
    if {"val", "test"} <= set(split.values()):
        paths = [path for path in paths if split.get(path) != "val"]
        said = ["transforms_val.json is left alone: held out is what transforms_test.json lists"]
    shots: list[Shot] = []
    missing: list[str] = []
    damaged: dict[str, str] = {}
    points, blender = None, True
    for path in paths:
        words = read_json(path)
        blender &= "fl_x" not in words and "camera_angle_x" in words
        points = _points(path.parent, words) if points is None else points
        for number, frame in enumerate(_frames(path, words)):
            try:
                shot = _shot(path, number, frame, words, split.get(path))
            except DamagedPictureError as error:
                damaged[frame["file_path"]] = error.fault
                continue
            shots += [shot] if isinstance(shot, Shot) else []
            missing += [shot] if isinstance(shot, str) else []
    name = "NeRF-Blender transforms.json" if blender else "instant-ngp/nerfstudio transforms.json"
    return Shots(f"{name}, OpenGL axes", shots, points, missing, damaged, said)


def _frames(path: Path, words: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    frames = words.get("frames")
    if not isinstance(frames, list) or not frames:
        raise InputError(f"{path} has no list of frames, so it names no picture.")
    for number, frame in enumerate(frames):
        if not isinstance(frame, Mapping) or not isinstance(frame.get("file_path"), str):
            raise InputError(f"{path}: frame {number} has no file_path.")
    return frames


def _shot(
    path: Path, number: int, frame: Mapping[str, Any], words: Mapping[str, Any], split: str | None
) -> Shot | str:
    """The picture, or its name if it is missing."""
    listed = frame["file_path"]
    where = f"{path}, frame {number} ({listed})"
    image = _file(path.parent, listed)
    if image is None:
        return listed
    pose = _matrix(where, frame.get("transform_matrix"))
    pose[:3, :3] = pose[:3, :3] @ OPENGL
    both = {**words, **frame}
    depth = frame.get("depth_file_path")
    return Shot(
        image,
        _lens(where, both, image),
        camera_from_pose(where, pose),
        mask=_named(path.parent, frame.get("mask_path")),
        depth=_named(path.parent, depth),
        depth_unit=_number(where, both, "depth_unit_scale_factor", MILLIMETRE),
        held_out=_held_out(listed, frame, words, split),
    )


def _file(folder: Path, listed: str) -> Path | None:
    """The listed picture; one of its endings is tried if it has none."""
    base = folder / listed
    tries = [base, *(base.with_name(base.name + end) for end in (*ENDINGS, ".JPG", ".PNG"))]
    return next((p for p in tries if p.is_file()), None)


def _named(folder: Path, name: Any) -> Path | None:
    return folder / name if isinstance(name, str) and name else None


def _matrix(where: str, rows: Any) -> np.ndarray:
    try:
        matrix = np.array(rows, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: transform_matrix is no matrix of numbers.") from error
    if matrix.shape not in ((4, 4), (3, 4)):
        raise InputError(f"{where}: transform_matrix must be 4x4.")
    return matrix[:3].copy()


def _lens(where: str, words: Mapping[str, Any], image: Path) -> Lens:
    """Of a frame; sizes come from the picture where the file is silent."""
    model = str(words.get("camera_model", "OPENCV"))
    if model not in MODELS or words.get("is_fisheye"):
        raise InputError(f"{where}: cameras of the model {model} are not read; undistort the pictures first.")
    number = lambda name, otherwise: _number(where, words, name, otherwise)  # noqa: E731
    width, height = (round(number(name, n)) for name, n in zip("wh", picture_size(image), strict=True))
    across, down = number("camera_angle_x", 0.0), number("camera_angle_y", 0.0)
    if words.get("fl_x") is None and not across:
        raise InputError(f"{where}: neither camera_angle_x nor fl_x says how wide the camera sees.")
    fx = number("fl_x", 0.5 * width / np.tan(0.5 * across) if across else 0.0)
    fy = number("fl_y", fx if "fl_x" in words or not down else 0.5 * height / np.tan(0.5 * down))
    bent = {name: number(name, 0.0) for name in ("k1", "k2", "k3", "p1", "p2")}
    lens = Lens(width, height, fx, fy, number("cx", width / 2), number("cy", height / 2), **bent)
    return sound_lens(where, lens)


def _number(where: str, words: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = words.get(name)
    if value is None:
        return float(otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}: {name} is no number.")
    if not np.isfinite(value):
        raise InputError(f"{where}: {name} is not finite.")
    return float(value)


def _held_out(
    name: str, frame: Mapping[str, Any], words: Mapping[str, Any], split: str | None
) -> bool | None:
    """By the frame's own word, the file it stands in, or nerfstudio's lists of names."""
    word = frame.get("split", split)
    if isinstance(word, str):
        return word != "train"
    lists = [words.get(f"{kind}_filenames") for kind in ("val", "test")]
    named = [entry for names in lists if isinstance(names, list) for entry in names]
    return name in named if named else None


def _points(folder: Path, words: Mapping[str, Any]) -> np.ndarray | None:
    """Sparse points as nerfstudio has them."""
    from isofield.data.points import read_points

    path = _named(folder, words.get("ply_file_path"))
    return np.asarray(read_points(path).points, np.float64) if path is not None and path.is_file() else None
