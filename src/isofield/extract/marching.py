"""Marching cubes on the complete cells of a sparse grid: closed and 2-manifold by construction."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isofield.extract.bricks import INSIDE, OUTSIDE, SIDE, Bricks, codes_of, corner_or
from isofield.extract.cases import CORNERS, EDGES, FACES, MIDDLE, cases

_EDGE_CORNER = np.array([edge[0] for edge in EDGES])
_EDGE_AXIS = np.array([edge[2] for edge in EDGES])


@dataclass(frozen=True)
class Surface:
    """Triangles over crossed edges of the grid, before vertices get their places."""

    inner: Int[np.ndarray, "e 3"]
    """Node at the inside end of each crossed edge."""
    outer: Int[np.ndarray, "e 3"]
    inner_value: Float[np.ndarray, " e"]
    outer_value: Float[np.ndarray, " e"]
    """Below zero; -inf where the surface is capped at the box."""
    loops: Int[np.ndarray, "m 12"]
    """Edge vertices around each middle vertex, filled up with -1."""
    faces: Int[np.ndarray, "f 3"]
    """Vertex k < e sits on edge k, vertex e + m in the middle of loop m."""


def march(grid: Bricks) -> Surface:
    """The surface between inside (zero included) and outside nodes, counter-clockwise from outside."""
    edges, cells, signs = [], [], []
    for slots, block in grid.padded(grid.slots, before=0, after=1):
        codes = codes_of(block)
        edges.append(_crossed_edges(codes, slots))
        place, sign = _crossed_cells(codes)
        cells.append(slots[place // SIDE**3] * SIDE**3 + place % SIDE**3)
        signs.append(sign)
    keys = np.concatenate(edges)
    number = np.full(3 * len(grid.values), -1, dtype=np.int32)
    number[keys] = np.arange(len(keys))
    faces, loops = _triangles(grid, np.concatenate(cells), np.concatenate(signs), number, len(keys))
    return Surface(*_ends(grid, keys), loops, faces)


def _crossed_edges(codes: np.ndarray, slots: Int[np.ndarray, " t"]) -> Int[np.ndarray, " e"]:
    """Keys, address of the lower node * 3 + axis, of the edges whose ends differ."""
    here = codes[:, :SIDE, :SIDE, :SIDE]
    ahead = (codes[:, 1:, :SIDE, :SIDE], codes[:, :SIDE, 1:, :SIDE], codes[:, :SIDE, :SIDE, 1:])
    crossed = np.stack([here | other for other in ahead], axis=-1) == INSIDE | OUTSIDE
    place = np.flatnonzero(crossed)
    per_brick = 3 * SIDE**3
    return slots[place // per_brick] * per_brick + place % per_brick


def _crossed_cells(codes: np.ndarray) -> tuple[Int[np.ndarray, " c"], Int[np.ndarray, " c"]]:
    """Places in the batch, and signs as one bit per corner, of complete cells on the surface."""
    place = np.flatnonzero(corner_or(codes) == INSIDE | OUTSIDE)
    brick, x, y, z = np.unravel_index(place, (len(codes), SIDE, SIDE, SIDE))
    sign = np.zeros(len(place), dtype=np.int64)
    for bit, (i, j, k) in enumerate(CORNERS):
        sign |= (codes[brick, x + i, y + j, z + k] == INSIDE).astype(np.int64) << bit
    return place, sign


def _ends(grid: Bricks, keys: Int[np.ndarray, " e"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inner and outer nodes and their values."""
    lower = grid.nodes(keys // 3)
    upper = lower + np.eye(3, dtype=np.int64)[keys % 3]
    low, high = (
        grid.values[keys // 3].astype(np.float64),
        grid.values[grid.addresses(upper)].astype(np.float64),
    )
    swap = low < 0
    inner, outer = np.where(swap[:, None], upper, lower), np.where(swap[:, None], lower, upper)
    return inner, outer, np.where(swap, high, low), np.where(swap, low, high)


def _triangles(
    grid: Bricks,
    cells: Int[np.ndarray, " c"],
    signs: Int[np.ndarray, " c"],
    number: Int[np.ndarray, " k"],
    edge_count: int,
) -> tuple[Int[np.ndarray, "f 3"], Int[np.ndarray, "m 12"]]:
    """Faces and middle loops of the cells at these addresses."""
    table = cases()
    corner = grid.addresses(grid.nodes(cells)[:, None] + CORNERS)  # (c 8)
    entry = table.index[signs, _joined(grid, corner, table.ambiguous[signs])]

    owner, row = _ragged(table.first_loop, entry)
    loops = table.loops[row]
    keys = 3 * corner[owner[:, None], _EDGE_CORNER[loops]] + _EDGE_AXIS[loops]
    loops = np.where(loops < 0, -1, number[keys])
    first_middle = edge_count + np.searchsorted(owner, np.arange(len(cells)))

    owner, row = _ragged(table.first_triangle, entry)
    local = table.triangles[row]
    edge = np.minimum(local, MIDDLE - 1)
    faces = number[3 * corner[owner[:, None], _EDGE_CORNER[edge]] + _EDGE_AXIS[edge]].astype(np.int64)
    at, column = np.nonzero(local >= MIDDLE)
    faces[at, column] = first_middle[owner[at]] + local[at, column] - MIDDLE
    return faces, loops.astype(np.int64)


def _joined(
    grid: Bricks, corner: Int[np.ndarray, "c 8"], ambiguous: Int[np.ndarray, " c"]
) -> Int[np.ndarray, " c"]:
    """Bits of the ambiguous faces whose inside corners are connected within the face.

    The bilinear interpolant on the face joins its inside corners if their product exceeds the
    product of the outside ones (asymptotic decider, Nielson and Hamann 1991). Products of float32
    values are exact in float64, so both cells at a face decide alike.
    """
    joined = np.zeros(len(corner), dtype=np.int64)
    for f, ring in enumerate(FACES):
        rows = np.flatnonzero(ambiguous & (1 << f))
        a, b, c, d = (grid.values[corner[rows, k]].astype(np.float64) for k in ring)
        one, other = a * c, b * d
        joined[rows] |= np.where(a >= 0, one > other, other > one).astype(np.int64) << f
    return joined


def _ragged(first: Int[np.ndarray, " n"], entry: Int[np.ndarray, " c"]) -> tuple[np.ndarray, np.ndarray]:
    """Owner and table row of each item, when cell i takes rows first[entry i] ... first[entry i + 1]."""
    counts = first[entry + 1] - first[entry]
    owner = np.repeat(np.arange(len(entry)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, first[entry][owner] + within
