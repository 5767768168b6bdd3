"""Journeys along given cameras: in which order they are visited, and what lies between them."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from isofield.geometry.camera import Camera

REST = 0.1
"""Share of the mean leg by which each leg counts as longer, so that turning on the spot takes time, too."""


def tour(places: Float[np.ndarray, "n 3"]) -> list[int]:
    """The numbers of the places in the order of a short walk that visits each once and does not return.

    The shortest walk is hard to find (travelling salesman). This one goes to the nearest place that is left,
    from the outermost one on, and then turns parts around as long as that makes it shorter (2-opt). Where the
    given order comes out shorter after the same treatment, it is taken. The same places give the same walk;
    it begins at the end that is listed first.
    """
    between_places = np.linalg.norm(places[:, None] - places, axis=2)
    outermost = int(np.linalg.norm(places - places.mean(axis=0), axis=1).argmax())
    starts = range(len(places)), _nearest_first(between_places, outermost)
    walks = [_untangled(walk, between_places) for walk in starts]
    best = min(walks, key=lambda walk: between_places[walk[:-1], walk[1:]].sum())
    return best if best[0] <= best[-1] else best[::-1]


def _nearest_first(distance: Float[np.ndarray, "n n"], start: int) -> list[int]:
    walk, left = [start], np.ones(len(distance), bool)
    left[start] = False
    while left.any():
        walk.append(int(np.where(left, distance[walk[-1]], np.inf).argmin()))
        left[walk[-1]] = False
    return walk


def _untangled(walk: Iterable[int], distance: Float[np.ndarray, "n n"]) -> list[int]:
    """The walk after all turns of a part that shorten it: 2-opt.

    Turning the part from i to j around exchanges the legs before i and behind j. A walk that does not return
    has no leg before its first place and none behind its last.
    """
    order, count = np.array(list(walk)), len(distance)
    least = 1e-9 * float(distance.max())  # less is rounding, and might go on for ever
    shortened = True
    while shortened:
        shortened = False
        for i in range(count - 1):
            last, following = order[i + 1 :], order[i + 2 :]
            old, new = np.zeros(len(last)), np.zeros(len(last))
            old[: len(following)] += distance[last[: len(following)], following]
            new[: len(following)] += distance[order[i], following]
            if i > 0:
                old += distance[order[i - 1], order[i]]
                new += distance[order[i - 1], last]
            j = int((old - new).argmax())
            if old[j] - new[j] > least:
                order[i : i + j + 2] = order[i : i + j + 2][::-1].copy()
                shortened = True
    return order.tolist()


def between(
    cameras: Sequence[Camera], count: int, focus: Float[np.ndarray, "3"] | None = None
) -> list[Camera]:
    """As many cameras on the way through the given ones, at an even pace: turned evenly, zoomed linearly.

    Args:
        cameras: Visited in this order.
        count: Of the cameras that come back; as many as are given are these themselves.
        focus: The point that all look at. Where it lies in a camera's own frame then changes linearly, so
            the way goes around it and it stays in sight: cameras on a level circle stay on the circle.
            None: straight from centre to centre.
    """
    if len(cameras) == 1 or count == len(cameras):
        return [cameras[min(k, len(cameras) - 1)] for k in range(count)]
    scales = np.array([np.cbrt(np.linalg.det(c.camera_from_world[:, :3])) for c in cameras])
    turns = np.stack([c.camera_from_world[:, :3] / s for c, s in zip(cameras, scales, strict=True)])
    centres = np.stack([c.centre for c in cameras])
    knots = _knots(centres)
    times = np.linspace(0, knots[-1], count)
    rotations = Slerp(knots, Rotation.from_matrix(turns))(times).as_matrix()
    if focus is None:
        places = _linear(times, knots, centres)
    else:
        seen = _linear(times, knots, np.einsum("nij,nj->ni", turns, focus - centres))
        places = focus - np.einsum("tji,tj->ti", rotations, seen)
    intrinsics = _linear(times, knots, np.stack([c.pixel_from_camera.ravel() for c in cameras]))
    sizes = _linear(times, knots, scales[:, None])[:, 0]
    return [
        Camera(k, s * np.concatenate([r, -(r @ c)[:, None]], 1))
        for k, r, c, s in zip(intrinsics.reshape(-1, 3, 3), rotations, places, sizes, strict=True)
    ]


def _knots(centres: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """When each camera is reached; they may stand at the same place."""
    legs = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    rest = REST * legs.mean() if legs.any() else 1.0
    return np.concatenate([[0.0], np.cumsum(legs + rest)])


def _linear(
    times: Float[np.ndarray, " t"], knots: Float[np.ndarray, " n"], values: Float[np.ndarray, "n c"]
) -> Float[np.ndarray, "t c"]:
    return np.stack([np.interp(times, knots, column) for column in values.T], 1)
