"""The cases of marching cubes, from a rule instead of a printed table.

A cell's surface meets each of its faces in segments between crossed edges. Which edges a face
joins follows from the four signs on it and, where inside corners touch only diagonally, from one
bit that the face's four values decide: whether its inside corners are joined. Both cells at a
face thus draw the same segments, in opposite directions. The segments of a cell close to loops,
and each loop becomes a disc.

A disc's inner edges must not lie on a face of the cell, or the neighbour could use the same one
and four triangles would meet there; the triangulation avoids such diagonals, and where a loop
admits none without them, it becomes a fan around a vertex of its own in the middle. Hence every
edge belongs to two triangles and every vertex to one fan, whatever the values.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8

CORNERS = np.array([[k & 1, k >> 1 & 1, k >> 2 & 1] for k in range(8)])
"""Corner k of the unit cell; its bit in a case is 1 << k."""
EDGES = [(k, k | 1 << axis, axis) for axis in range(3) for k in range(8) if not k >> axis & 1]
"""Lower corner, upper corner, axis."""
_EDGE_OF = {frozenset(edge[:2]): number for number, edge in enumerate(EDGES)}
MIDDLE = 12
"""Stands for the loop's own vertex in the triangles of a fan."""


def _face(axis: int, side: int) -> tuple[int, ...]:
    """Corners of a face, counter-clockwise seen from outside the cell."""
    u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
    ring = [0, u, u | v, v]
    return tuple(k | side << axis for k in (ring if side else ring[::-1]))


FACES = [_face(axis, side) for axis in range(3) for side in range(2)]
_FACES_OF_EDGE = [{f for f, ring in enumerate(FACES) if {a, b} <= set(ring)} for a, b, _ in EDGES]


@dataclass(frozen=True)
class Cases:
    """Loops and triangles of every case, flat, with offsets."""

    index: Int[np.ndarray, "256 64"]
    """Entry of a case (signs, bits of joined faces)."""
    first_triangle: Int[np.ndarray, " entries_plus_1"]
    triangles: Int[np.ndarray, "t 3"]
    """Edges of the cell, or MIDDLE + number of the loop among those with a middle."""
    first_loop: Int[np.ndarray, " entries_plus_1"]
    loops: Int[np.ndarray, "l 12"]
    """Edges of each loop that has a middle, filled up with -1."""
    ambiguous: Int[np.ndarray, " 256"]
    """Bits of the faces whose inside corners touch only diagonally."""


@cache
def cases() -> Cases:
    """The table, made at the first call."""
    index = np.zeros((256, 64), dtype=np.int32)
    ambiguous = np.zeros(256, dtype=np.int64)
    triangles, loops, first_triangle, first_loop = [], [], [0], [0]
    for case in range(256):
        ambiguous[case] = sum(1 << f for f, ring in enumerate(FACES) if _is_ambiguous(case, ring))
        for joined in range(64):
            if joined & ~ambiguous[case]:
                continue
            index[case, joined] = len(first_triangle) - 1
            fans = 0
            for loop in loops_of(case, joined):
                flat = triangulate(tuple(loop))
                if flat is None:
                    flat = [(a, b, MIDDLE + fans) for a, b in pairwise([*loop, loop[0]])]
                    loops.append(loop + [-1] * (12 - len(loop)))
                    fans += 1
                triangles += flat
            first_triangle.append(len(triangles))
            first_loop.append(len(loops))
    return Cases(
        index, np.array(first_triangle), np.array(triangles), np.array(first_loop), np.array(loops), ambiguous
    )


def _is_ambiguous(case: int, ring: tuple[int, ...]) -> bool:
    a, b, c, d = (case >> k & 1 for k in ring)
    return a == c and b == d and a != b


def joined_faces(
    values: Float[np.ndarray, "c 8"], signs: Integer[np.ndarray, " c"]
) -> UInt8[np.ndarray, " c"]:
    """Bits of the ambiguous faces of cells whose inside corners are connected within the face.

    The bilinear interpolant on the face joins its inside corners if their product exceeds the
    product of the outside ones (asymptotic decider, Nielson and Hamann 1991). Products of float32
    values are exact in float64, so both cells at a face decide alike.
    """
    joined = np.zeros(len(values), np.uint8)
    for f, (a, b, c, d) in enumerate(FACES):
        with np.errstate(invalid="ignore"):  # 0 * inf, on faces that are not ambiguous
            one, other = values[:, a] * values[:, c], values[:, b] * values[:, d]
        joins = np.where(values[:, a] >= 0, one > other, other > one)
        joined |= joins.astype(np.uint8) << np.uint8(f)
    return joined & cases().ambiguous[signs].astype(np.uint8)


def loops_of(case: int, joined: int) -> list[list[int]]:
    """Closed chains of crossed edges, counter-clockwise seen from the cell's outside corners."""
    after: dict[int, int] = {}
    for f, ring in enumerate(FACES):
        after.update(_segments(case, ring, bool(joined >> f & 1)))
    loops = []
    while after:
        loop = [min(after)]
        while loop[-1] in after:
            loop.append(after.pop(loop[-1]))
        loops.append(loop[:-1])
    return loops


def _segments(case: int, ring: tuple[int, ...], join: bool) -> list[tuple[int, int]]:
    """Pairs of edges that the surface connects on one face.

    Walking around the face, the surface is met where the walk enters the inside and where it
    leaves it. Cutting off each inside run connects its two ends; joining the inside corners cuts
    off the outside runs instead.
    """
    signs = [case >> k & 1 for k in ring]
    edges = [_EDGE_OF[frozenset((ring[k], ring[(k + 1) % 4]))] for k in range(4)]
    enters = [k for k in range(4) if not signs[k] and signs[(k + 1) % 4]]
    leaves = [k for k in range(4) if signs[k] and not signs[(k + 1) % 4]]
    segments = []
    for k in enters:
        away = [(end - k) % 4 for end in leaves]
        chosen = leaves[away.index(max(away) if join else min(away))]
        segments.append((edges[k], edges[chosen]))
    return segments


@cache
def triangulate(loop: tuple[int, ...]) -> list[tuple[int, int, int]] | None:
    """Triangles of a loop with the shortest diagonals, none of which lies on a face of the cell.

    Lengths are those between the middles of the edges. None if there is no such triangulation.
    """
    middles = np.array([(CORNERS[EDGES[e][0]] + CORNERS[EDGES[e][1]]) / 2 for e in loop])
    last = len(loop) - 1

    def cost(i: int, j: int) -> float:
        if j - i == 1 or (i == 0 and j == last):
            return 0.0
        if _FACES_OF_EDGE[loop[i]] & _FACES_OF_EDGE[loop[j]]:
            return np.inf
        return float(((middles[i] - middles[j]) ** 2).sum())

    @cache
    def best(i: int, j: int) -> tuple[float, tuple[tuple[int, int, int], ...]]:
        """Cheapest triangles of the polygon i, i+1, ..., j."""
        if j - i < 2:
            return cost(i, j), ()
        options = []
        for k in range(i + 1, j):
            left, right = best(i, k), best(k, j)
            options.append((left[0] + right[0], (*left[1], (loop[i], loop[k], loop[j]), *right[1])))
        least = min(options, key=lambda option: option[0])
        return least[0] + cost(i, j), least[1]

    total, triangles = best(0, last)
    return list(triangles) if np.isfinite(total) else None
