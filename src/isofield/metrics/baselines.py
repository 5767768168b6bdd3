"""What a network must beat: the nearest training shape, the best of them, and their mean.

A network that only recognises shapes does no better than retrieval (Tatarchenko et al., CVPR 2019,
arXiv:1905.03678). Shapes are compared on a grid over [-0.55, 0.55]^3, eight cells to a byte: all
of a data set at once.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from isofield.geometry import Box
from isofield.metrics.volume import SIDE as BOX

SIDE = 64
"""Cells along each edge of the grid."""
LEVELS = np.linspace(0.02, 0.7, 35)
ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1).astype(np.uint8)
"""How many bits of each byte are set."""


def grid_points(side: int = SIDE) -> Float[np.ndarray, "n 3"]:
    """Centres of the cells, x slowest."""
    return Box.cube(BOX).cell_centres(side)


def packed(occupied: Bool[np.ndarray, "*m n"]) -> UInt8[np.ndarray, "*m k"]:
    """Occupied cells, eight to a byte."""
    return np.packbits(occupied, axis=-1)


def unpacked(bits: UInt8[np.ndarray, "*m k"], side: int = SIDE) -> Bool[np.ndarray, "*m n"]:
    """The way back from `packed`."""
    return np.unpackbits(bits, axis=-1, count=side**3).astype(bool)


def mirrored(bits: UInt8[np.ndarray, "m k"], side: int = SIDE) -> UInt8[np.ndarray, "m k"]:
    """The shapes with left and right exchanged."""
    cells = unpacked(bits, side).reshape(-1, side, side, side)
    return packed(np.ascontiguousarray(cells[:, ::-1]).reshape(len(bits), -1))


def overlaps(shapes: UInt8[np.ndarray, "m k"], shape: UInt8[np.ndarray, " k"]) -> Float[np.ndarray, " m"]:
    """IoU of a shape with each of many; 1 if both are empty."""
    both = ONES[shapes & shape].sum(axis=1, dtype=np.int64)
    either = ONES[shapes | shape].sum(axis=1, dtype=np.int64)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def nearest_code(codes: Float[np.ndarray, "m c"], code: Float[np.ndarray, " c"]) -> int:
    """Which of the codes is nearest, by Euclidean distance; the first of equals."""
    return int(np.square(codes - code).sum(axis=1).argmin())


def mean_shape(shapes: UInt8[np.ndarray, "m k"], side: int = SIDE) -> Float[np.ndarray, "x y z"]:
    """Share of the shapes that are inside at each cell."""
    total = np.zeros(side**3)
    for part in np.array_split(shapes, max(1, len(shapes) // 64)):
        total += unpacked(part, side).sum(axis=0)
    return (total / max(1, len(shapes))).reshape(side, side, side)


def best_level(mean: Float[np.ndarray, "x y z"], shapes: UInt8[np.ndarray, "m k"]) -> float:
    """The share at which the mean, cut there, overlaps most with the shapes on average."""
    scores = [overlaps(shapes, packed((mean >= level).reshape(-1))).mean() for level in LEVELS]
    return float(LEVELS[int(np.argmax(scores))])


def shares_at(mean: Float[np.ndarray, "x y z"], points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """The mean at points, trilinear between the centres of its cells."""
    from scipy.ndimage import map_coordinates

    places = (points / BOX + 0.5) * len(mean) - 0.5
    return map_coordinates(mean, places.T, order=1, mode="nearest")
