"""Where the scene is, from its cameras: the frame in which everything is reconstructed.

The frame is a similarity: what is looked at comes to [-0.5, 0.5]^3 with its up direction along +y, and the
exact inverse takes results back. Masks say most (the box of the visual hull), then known points, then the
cameras alone: the point nearest to all optical axes, and how much they see around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isofield.data.shots import listed
from isofield.data.visual_hull import Outline, fills, hull_box, hull_cells, projected
from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera
from isofield.observation import Views

SIDE = 0.96
"""Longest edge of the object's box in the scene."""
PARALLEL = 10.0
"""Degrees around the mean direction within which all cameras look one way."""
SNAP = 15.0
"""Degrees from an axis of the world within which that axis is up."""
DISAGREE = 0.1
"""Share of the pictures whose masks may be wrong."""
ENOUGH = 40
"""Pictures from which a box is made; more than these change little."""
AGREE = 0.8
"""Share of an outline's size that the hull must have where masks and cameras agree."""
DISTANCES = 4.0
"""How far away the scene of cameras that look one way is taken to be, in units of their spread."""


@dataclass(frozen=True)
class ViewFrame:
    """What was found out about the scene from its cameras."""

    scene_from_world: Similarity
    looks: str
    """How the cameras stand: "inward", "outward" or "one way"."""
    up: Float[np.ndarray, "3"] | None
    """Unit direction in the world; None if the cameras do not agree."""
    source: str
    """What the box comes from: "masks", "points" or "cameras"."""
    said: Sequence[str]
    """Sentences: what the frame is, and what looks wrong."""
    content: Box
    """In the scene, within its cube: what the masks or points say about where the object is."""

    @property
    def world_from_scene(self) -> Similarity:
        return self.scene_from_world.inverse()

    @property
    def box(self) -> Box:
        """Of the scene."""
        return Box.cube()


def frame_of(views: Views) -> ViewFrame:
    """The frame of a scene."""
    up, said = up_direction(views.cameras)
    rotation = np.eye(3) if up is None else turn_up(up)
    looks, focus = looking(views.cameras)
    turned = Similarity(rotation=rotation)
    cameras = [camera.moved(turned) for camera in views.cameras]
    box, source = None, "cameras"
    start = seen_box(views, cameras, turned.apply(focus[None])[0], looks)
    if views.masks is not None:
        box, about_masks = _from_masks(views, cameras, start)
        said += about_masks
        source = "masks" if box is not None else source
    if box is None and views.points is not None:
        box = _from_points(turned.apply(views.points), start, looks)
        source = "points" if box is not None else source
    if box is None:
        box = start
    said = [_words(looks, source), *said, *_overlap(views, focus, looks)]
    scale = SIDE / float(box.extent.max())
    content = Box((box.low - box.centre) * scale, (box.high - box.centre) * scale)
    return ViewFrame(Similarity(scale, rotation, -scale * box.centre), looks, up, source, said, content)


def looking(cameras: Sequence[Camera]) -> tuple[str, Float[np.ndarray, "3"]]:
    """How the cameras look, and the middle of what they look at.

    For "outward" that is the middle of the cameras themselves.
    """
    centres, forward = (np.stack([getattr(c, name) for c in cameras]) for name in ("centre", "forward"))
    mean = forward.mean(axis=0)
    middle = centres.mean(axis=0)
    spread = float(np.linalg.norm(centres - middle, axis=1).max())
    if np.linalg.norm(mean) > 0 and (forward @ mean).min() > np.cos(np.radians(PARALLEL)) * np.linalg.norm(
        mean
    ):
        ahead = mean / np.linalg.norm(mean)
        return "one way", middle + DISTANCES * max(spread, 1e-6) * ahead
    focus = nearest_to_axes(centres, forward)
    ahead = ((focus - centres) * forward).sum(axis=1) > 0
    if ahead.mean() >= 0.5:
        return "inward", focus
    return "outward", middle


def nearest_to_axes(
    centres: Float[np.ndarray, "n 3"], forward: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "3"]:
    """The point with the least sum of squared distances to the optical axes."""
    across = np.eye(3) - forward[:, :, None] * forward[:, None, :]
    return np.linalg.lstsq(across.sum(axis=0), np.einsum("nij,nj->i", across, centres), rcond=None)[0]


def up_direction(cameras: Sequence[Camera]) -> tuple[Float[np.ndarray, "3"] | None, list[str]]:
    """Up in the world, and a sentence if the cameras do not tell.

    Photographers hold cameras level: up is at right angles to all their horizontal axes. Close to an axis of
    the world it is that axis.
    """
    turns = np.stack(
        [c.camera_from_world[:, :3] / np.cbrt(np.linalg.det(c.camera_from_world[:, :3])) for c in cameras]
    )
    right, above = turns[:, 0], -turns[:, 1]
    mean = above.mean(axis=0)
    if np.linalg.norm(mean) < 0.2:
        return None, ["the cameras do not agree about what is up, so the axes of the world are kept"]
    lengths, axes = np.linalg.eigh(right.T @ right / len(right))
    # the smallest is up only if it stands apart from the next, and the cameras are level
    is_level = lengths[0] < 0.05 and lengths[1] > 4 * lengths[0] + 1e-6
    up = axes[:, 0] * np.sign(axes[:, 0] @ mean) if is_level else mean / np.linalg.norm(mean)
    nearest = int(np.argmax(np.abs(up)))
    if abs(up[nearest]) > np.cos(np.radians(SNAP)):
        up = np.eye(3)[nearest] * np.sign(up[nearest])
    return up, []


def turn_up(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation that takes `up` to +y; exact where `up` is an axis."""
    goal = np.array([0.0, 1.0, 0.0])
    if up @ goal < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    axis = np.cross(up, goal)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + up @ goal)


def seen_box(views: Views, cameras: Sequence[Camera], focus: Float[np.ndarray, "3"], looks: str) -> Box:
    """A cube around the focus, as wide as the narrower edge of the pictures is there."""
    depths = np.array([(focus - camera.centre) @ camera.forward for camera in cameras])
    away = np.array([np.linalg.norm(camera.centre - focus) for camera in cameras])
    if looks == "outward":
        half = DISTANCES * max(float(away.max()), 1e-6)
    else:
        edges = [min(image.shape[:2]) for image in views.images]
        widths = [e / (2 * c.pixel_from_camera[0, 0]) for e, c in zip(edges, cameras, strict=True)]
        half = float(np.median(np.maximum(depths, 0.25 * away) * widths))
    return Box(focus - half, focus + half)


def _overlap(views: Views, focus: Float[np.ndarray, "3"], looks: str) -> list[str]:
    """A sentence where few pictures show what the others do."""
    count = 0
    for camera, image in zip(views.cameras, views.images, strict=True):
        pixels, depth = projected(camera, focus[None])
        inside = (pixels[0] >= 0).all() and (pixels[0] <= image.shape[1::-1]).all()
        count += bool(depth[0] > 0 and inside)
    if looks == "outward" or count > 0.5 * len(views):
        return []
    return [f"the pictures overlap little: {count} of {len(views)} show the middle of the scene"]


def _from_masks(views: Views, cameras: Sequence[Camera], start: Box) -> tuple[Box | None, list[str]]:
    """The box of the visual hull, and what looks wrong with the masks."""
    masks = views.masks or []
    outlines = [Outline.of(camera, mask) for camera, mask in zip(cameras, masks, strict=True)]
    shown = [o for o, mask in zip(outlines, masks, strict=True) if mask.max() > 0.5]
    shown = shown[:: 1 + len(shown) // ENOUGH]
    said = []
    if inverted(masks):
        said.append("the masks look inverted: white must be the object, but the borders are white")
    if len(shown) < 2:
        return None, said
    exact = hull_box(shown, start)
    if exact is not None and fills(shown, exact) > AGREE:
        return exact, said
    some = max(1, int(DISAGREE * len(shown)))
    loose = hull_box(shown, start, (24, 32), some, growths=0)
    if loose is None or fills(shown, loose, some) < AGREE:
        sentence = "the masks and the cameras do not agree: no place is within the masks of all pictures"
        return None, [*said, sentence]
    kept = hull_cells(shown, loose, 24, most=some)
    cell = float(loose.extent.max()) / 24
    bad = [n for n, o in zip(views.names, outlines, strict=True) if o.judge(kept, cell)[1].mean() > 0.3]
    names = listed(bad) if bad else "several"
    return loose, [*said, f"the masks of some pictures disagree with the others, which decide: {names}"]


def inverted(masks: Sequence[Float[np.ndarray, "_h _w"]]) -> bool:
    """Whether most borders are white and the middles are less so."""
    border = [np.concatenate([m[0], m[-1], m[:, 0], m[:, -1]]).mean() for m in masks]
    return bool(np.median(border) > 0.8 and np.median([m.mean() for m in masks]) < np.median(border) - 0.02)


def _from_points(points: Float[np.ndarray, "n 3"], start: Box, looks: str) -> Box | None:
    """Box of the known points near the focus, outliers left out; None if there are too few."""
    if looks == "inward":
        points = points[start.padded(0.5 * float(start.extent.max())).contains(points)]
    if len(points) < 30:
        return None
    low, high = np.quantile(points, (0.02, 0.98), axis=0)
    box = Box(low, high)
    return box.padded(0.05 * float(box.extent.max())) if box.extent.max() > 0 else None


def _words(looks: str, source: str) -> str:
    stands = {
        "inward": "the cameras look inward, at one object",
        "outward": "the cameras look outward, from the middle of the scene",
        "one way": "the cameras look one way",
    }[looks]
    whence = {
        "masks": "the box is that of the visual hull of the masks",
        "points": "the box is that of the known points, without outliers",
        "cameras": {
            "inward": "the box is around the point nearest to all optical axes, as wide as the pictures",
            "outward": "the box is a guess: four times as wide as the cameras are apart",
            "one way": "the box is a guess: four times as far away as the cameras are apart",
        }[looks],
    }[source]
    return f"{stands}; {whence}"
