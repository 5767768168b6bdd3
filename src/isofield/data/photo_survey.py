"""What photos with cameras look like together: exposure, overlap, and cameras that may be misread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isofield.data.view_frame import ENOUGH, ViewFrame, looking
from isofield.data.visual_hull import Outline, hull_box, projected
from isofield.geometry import Box
from isofield.geometry.camera import Camera
from isofield.observation import Views

JUMP = 0.75
"""Difference of exposure, in stops, from the pictures taken nearby that is worth a word."""
NEAR = 6
"""Pictures taken nearby that one is compared with, at most."""
ALIKE = 30.0
"""Degrees between two pictures that show the same sides of things, in the same light."""


@dataclass(frozen=True)
class PhotoSurvey:
    """What was measured."""

    exposure: Float[np.ndarray, " v"]
    """Of each picture over its neighbours, in stops."""
    covered: Float[np.ndarray, " v"] | None
    """Share of each picture that the object covers, by the masks."""
    sees: Int[np.ndarray, " v"]
    """How many of the eight corners of the scene's box fall into each picture."""
    away: Float[np.ndarray, " v"]
    """Distance of each camera from the middle of the box, in its longest edges."""
    doubts: Sequence[str]
    """Ways in which the cameras may have been misread."""

    @property
    def jumps(self) -> list[int]:
        """Pictures whose exposure stands out."""
        return np.flatnonzero(np.abs(self.exposure) > JUMP).tolist()


def survey_photos(views: Views, frame: ViewFrame) -> PhotoSurvey:
    """Everything measured about the photos."""
    corners = frame.world_from_scene.apply(corners_of(frame.box))
    sees = np.array(
        [seen(c, corners, i.shape).sum() for c, i in zip(views.cameras, views.images, strict=True)]
    )
    middle = frame.world_from_scene.apply(np.zeros((1, 3)))[0]
    away = np.array([np.linalg.norm(camera.centre - middle) for camera in views.cameras])
    covered = None if views.masks is None else np.array([float(mask.mean()) for mask in views.masks])
    return PhotoSurvey(
        exposure(views), covered, sees, away * frame.scene_from_world.scale, doubts(views, frame)
    )


def corners_of(box: Box) -> Float[np.ndarray, "8 3"]:
    """Eight points, x slowest."""
    share = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)
    return box.low + share * box.extent


def seen(camera: Camera, points: Float[np.ndarray, "n 3"], shape: tuple[int, ...]) -> np.ndarray:
    """Which points fall into a picture."""
    pixels, depth = projected(camera, points)
    return (depth > 0) & (pixels >= 0).all(axis=1) & (pixels[:, 0] < shape[1]) & (pixels[:, 1] < shape[0])


def exposure(views: Views) -> Float[np.ndarray, " v"]:
    """Brightness of each picture over the median of those from the nearest places, in stops.

    Brightness is the mean of the linear colours, over the object where there are masks. Zero where too few
    pictures look the same way.
    """
    levels = []
    for i, image in enumerate(views.images):
        weight = np.ones(image.shape[:2]) if views.masks is None else views.masks[i]
        linear = (np.maximum(image, 0) ** 2.2).mean(axis=2)
        levels.append(float((linear * weight).sum() / max(float(weight.sum()), 1e-9)))
    stops = np.log2(np.maximum(levels, 1e-4))
    places, towards = (np.stack([getattr(c, name) for c in views.cameras]) for name in ("centre", "forward"))
    distance = np.linalg.norm(places[:, None] - places, axis=2)
    distance[towards @ towards.T < np.cos(np.radians(ALIKE))] = np.inf
    np.fill_diagonal(distance, np.inf)
    result = np.zeros(len(views))
    for i, row in enumerate(distance):
        nearest = np.argsort(row, kind="stable")[:NEAR]
        nearest = nearest[np.isfinite(row[nearest])]
        if len(nearest) > 1:  # two, since with one there is no telling which of them stands out
            result[i] = stops[i] - np.median(stops[nearest])
    return result


def doubts(views: Views, frame: ViewFrame) -> list[str]:
    """Other readings of the matrices that would make more sense than the one that was taken."""
    fits = frame.source == "masks" and frame.looks == "inward"
    if fits or (frame.looks == "inward" and views.masks is None):
        return []
    found = []
    for words, cameras in readings(views.cameras):
        looks, focus = looking(cameras)
        if looks == "inward" and (views.masks is None or _fits(views, cameras, focus)):
            found.append(f"the cameras make no sense as they are, but would {words}")
    return found


def readings(cameras: Sequence[Camera]) -> list[tuple[str, list[Camera]]]:
    """Common misreadings of poses, and the cameras as they would be without."""
    turned, inverted, both = [], [], []
    flip = np.diag([1.0, -1.0, -1.0])
    for camera in cameras:
        matrix = camera.camera_from_world
        turned.append(Camera(camera.pixel_from_camera, flip @ matrix))
        # what was taken for world from camera, in OpenGL axes, is camera from world
        pose = np.c_[matrix[:, :3].T @ flip, camera.centre]
        inverted.append(Camera(camera.pixel_from_camera, flip @ pose))
        both.append(Camera(camera.pixel_from_camera, pose))
    return [
        ("with y and z of each camera reversed: the matrices are OpenCV's where OpenGL's are due", turned),
        ("with each matrix inverted: they are camera from world where world from camera is due", inverted),
        ("with each matrix inverted, in OpenCV's axes: they are camera from world", both),
    ]


def _fits(views: Views, cameras: Sequence[Camera], focus: Float[np.ndarray, "3"]) -> bool:
    """Whether some place lies within all masks."""
    half = float(np.median([np.linalg.norm(camera.centre - focus) for camera in cameras])) / 2
    masks = views.masks or []
    pairs = [(c, m) for c, m in zip(cameras, masks, strict=True) if m.max() > 0.5]
    outlines = [Outline.of(*pair) for pair in pairs[:: 1 + len(pairs) // ENOUGH]]
    return hull_box(outlines, Box(focus - half, focus + half), (24,), len(outlines) // 10) is not None
