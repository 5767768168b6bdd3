"""Shots -> pictures without distortion, shrunk, with the cameras that fit them.

A straight picture keeps the size and the pinhole of the bent one; what lay outside the bent one is
cut off, and so may be a little of what it showed near its corners. Shrunk pictures are exact averages
over the area of each pixel. Colours are weighted by opacity throughout.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.data.pictures import read_depth, read_mask, read_rgba
from isofield.data.shots import Shot
from isofield.errors import InputError
from isofield.geometry.camera import Camera, pixel_centres
from isofield.geometry.lens import Lens

ASPECT = 0.02
"""How far the proportions of a picture may differ from those that its camera states."""

LEAST = 0.25
"""Share of a picture that any real lens leaves."""


@dataclass(frozen=True)
class Developed:
    """A picture that a pinhole took."""

    image: Float[np.ndarray, "_h _w 3"]
    """Zero where nothing is opaque."""
    mask: Float[np.ndarray, "_h _w"] | None
    """None: all of it is opaque, and no mask was given."""
    depth: Float[np.ndarray, "_h _w"] | None
    camera: Camera


def developed(shot: Shot, longest: int | None = None) -> Developed:
    """The picture with its longest edge, before cutting, at most `longest` pixels.

    Depths are not averaged: each pixel has that of the place in its middle.

    Raises:
        InputError: A file cannot be read, or sizes do not agree.
    """
    rgba, has_mask = _opaque(shot)
    height, width = rgba.shape[:2]
    lens = _fitting(shot, width, height)
    rgba[..., :3] *= rgba[..., 3:]
    shown = np.ones((height, width), bool)
    if lens.is_distorted:
        rgba, shown = _straight(rgba, lens)
    wide, high = shrunk(width, height, longest)
    small = box_average(rgba, high, wide)
    left, top, right, bottom = _whole(shot, shown, high, wide)
    small = small[top:bottom, left:right]
    opacity = small[..., 3]
    image = small[..., :3] / np.maximum(opacity, 1e-6)[..., None]
    depth = _depth(shot, lens, wide, high)
    pinhole = lens.resized(wide, high).pixel_from_camera - [[0, 0, left], [0, 0, top], [0, 0, 0]]
    return Developed(
        np.clip(image, 0, 1).astype(np.float32),
        np.clip(opacity, 0, 1).astype(np.float32) if has_mask else None,
        None if depth is None else depth[top:bottom, left:right],
        Camera(pinhole, shot.camera_from_world),
    )


def shrunk(width: int, height: int, longest: int | None) -> tuple[int, int]:
    """Width and height when the longest edge is at most `longest`; pictures never grow."""
    factor = 1.0 if longest is None else min(1.0, longest / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def box_average(array: Float[np.ndarray, "h w c"], height: int, width: int) -> Float[np.ndarray, "_h _w c"]:
    """Means over the areas of larger pixels, which may cut smaller ones.

    The integral up to a place between two pixels is linear in the place, so the mean is a difference of
    interpolated cumulative sums.
    """
    for axis, count in enumerate((height, width)):
        if count != array.shape[axis]:
            array = _averaged(array, axis, count)
    return array


def _averaged(array: np.ndarray, axis: int, count: int) -> np.ndarray:
    size = array.shape[axis]
    times = size // count
    if count * times == size:  # whole pixels only: sums of slices
        ahead = (slice(None),) * axis
        parts = [array[(*ahead, slice(k, None, times))] for k in range(times)]
        return sum(parts[1:], start=parts[0]) / np.float32(times)
    total = np.cumsum(array, axis=axis, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total.take([0], axis)), total], axis=axis)
    places = np.linspace(0, size, count + 1)
    below = np.minimum(places.astype(np.int64), size - 1)
    share = np.expand_dims(places - below, tuple(range(1, array.ndim - axis)))
    at = total.take(below, axis) * (1 - share) + total.take(below + 1, axis) * share
    return np.diff(at, axis=axis) * (count / size)


def _opaque(shot: Shot) -> tuple[Float[np.ndarray, "h w 4"], bool]:
    """The picture with its mask as opacity, and whether it says more than 'all'."""
    rgba = read_rgba(shot.image)
    if shot.mask is None:
        return rgba, bool(rgba[..., 3].min() < 1)
    mask = read_mask(shot.mask)
    if mask.shape != rgba.shape[:2]:
        raise InputError(
            f"{shot.mask} has {mask.shape[1]} x {mask.shape[0]} pixels,"
            f" its picture {shot.image.name} {rgba.shape[1]} x {rgba.shape[0]}."
        )
    rgba[..., 3] = mask
    return rgba, True


def _fitting(shot: Shot, width: int, height: int) -> Lens:
    """The lens over the picture as stored, which may be a smaller copy of the one that was measured."""
    lens = shot.lens
    if abs(np.log(width * lens.height / (height * lens.width))) > ASPECT:
        raise InputError(
            f"{shot.image} has {width} x {height} pixels, but its camera was measured over"
            f" {lens.width} x {lens.height}: other proportions, so the camera does not fit."
        )
    return lens.resized(width, height)


def _sources(lens: Lens) -> tuple[Float[np.ndarray, "n 2"], Bool[np.ndarray, "h w"]]:
    """Where each straight pixel lies on the bent picture, and whether it lies on it at all."""
    matrix = lens.pixel_from_camera
    pixels = pixel_centres(lens.height, lens.width)
    flat = (pixels - matrix[:2, 2]) @ np.linalg.inv(matrix[:2, :2]).T
    places = lens.distorted(flat) @ matrix[:2, :2].T + matrix[:2, 2]
    inside = ((places >= 0) & (places <= [lens.width, lens.height])).all(axis=1)
    return places, (inside & lens.is_single(flat)).reshape(lens.height, lens.width)


def _straight(rgba: Float[np.ndarray, "h w 4"], lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """The picture without distortion, by bilinear look-up, and where it shows anything."""
    import torch
    from torch.nn.functional import grid_sample

    grid, shown = _grid(lens)
    planes = torch.from_numpy(rgba).permute(2, 0, 1)[None]
    # pixel centres at +0.5 over a picture from -1 to 1 are what align_corners=False means
    found = grid_sample(planes, torch.from_numpy(grid), padding_mode="border", align_corners=False)
    return found[0].permute(1, 2, 0).numpy(), shown


@lru_cache(maxsize=2)
def _grid(lens: Lens) -> tuple[Float[np.ndarray, "1 h w 2"], Bool[np.ndarray, "h w"]]:
    """`_sources` from -1 to 1, kept since most scenes have one lens only."""
    places, shown = _sources(lens)
    grid = places / [lens.width, lens.height] * 2 - 1
    return grid.astype(np.float32).reshape(1, lens.height, lens.width, 2), shown


def _whole(shot: Shot, shown: np.ndarray, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a rectangle of shrunk pixels that see nothing but picture.

    Takes away, again and again, the side with the largest share of pixels that do not.
    """
    if shown.all():
        return 0, 0, width, height
    hidden = box_average(~shown[..., None] * np.ones(1, np.float32), height, width)[..., 0] > 1e-9
    left, top, right, bottom = 0, 0, width, height
    while left < right and top < bottom:
        part = hidden[top:bottom, left:right]
        sides = [part[:, 0].mean(), part[0].mean(), part[:, -1].mean(), part[-1].mean()]
        worst = int(np.argmax(sides))
        if not sides[worst]:
            break
        left, top = left + (worst == 0), top + (worst == 1)
        right, bottom = right - (worst == 2), bottom - (worst == 3)
    if (right - left) * (bottom - top) < LEAST * width * height:
        raise InputError(
            f"{shot.image}: the stated distortion leaves too little: k1, k2, p1 or p2 must be wrong."
        )
    return left, top, right, bottom


def _depth(shot: Shot, lens: Lens, width: int, height: int) -> Float[np.ndarray, "_h _w"] | None:
    if shot.depth is None:
        return None
    depth = read_depth(shot.depth, shot.depth_unit)
    small = lens.resized(width, height)
    places = _sources(small)[0] if lens.is_distorted else pixel_centres(height, width)
    rows, columns = (_nearest(places[:, 1 - a], (height, width)[a], depth.shape[a]) for a in (0, 1))
    return depth[rows, columns].reshape(height, width)


def _nearest(places: Float[np.ndarray, " n"], small: int, large: int) -> Int[np.ndarray, " n"]:
    return np.clip(np.floor(places * large / small), 0, large - 1).astype(np.int64)
