"""Marching cubes on the complete cells of a sparse grid: closed and 2-manifold by construction.

An edge belongs to the brick of its upper end and a cell to that of its upper corner, so layers of bricks
can be marched one after the other, each knowing only the last plane of nodes before it. Vertices are
numbered layer by layer, too: several layers at once give what they give in turn.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int

from isofield.extract.bricks import INSIDE, OUTSIDE, SIDE, VOLUME, Bricks, codes_of, corner_or
from isofield.extract.cases import CORNERS, EDGES, MIDDLE, cases, joined_faces

_STRIDES = np.array([(SIDE + 1) ** 2, SIDE + 1, 1])
_BACK = (1 - CORNERS) @ _STRIDES
"""From a cell's upper corner back to each of its corners, in a block of 9^3 nodes."""
_EDGE = np.array([axis - 3 * _BACK[upper] for _, upper, axis in EDGES])
"""From the first edge of a cell's upper corner to each edge of the cell, in such a block."""


@dataclass(frozen=True)
class Seam:
    """Crossed edges of the last plane before a grid's own layers, whose vertices are made already."""

    upper: Int[np.ndarray, "s 3"]
    """Node at the upper end."""
    axis: Int[np.ndarray, " s"]

    @classmethod
    def none(cls) -> "Seam":
        return cls(np.zeros((0, 3), np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Surface:
    """Triangles over crossed edges of the grid, before vertices get their places.

    Own vertices sit on an edge or in the middle of a loop; those of the seam follow them.
    """

    upper: Int[np.ndarray, "e 3"]
    """Node at the upper end of each crossed edge."""
    axis: Int[np.ndarray, " e"]
    low: Float[np.ndarray, " e"]
    """Value at the lower end; -inf where the surface is capped at the box."""
    high: Float[np.ndarray, " e"]
    number: Int[np.ndarray, " e_plus_m"]
    """Vertex on each edge, then vertex in the middle of each loop."""
    loops: Int[np.ndarray, "m 12"]
    """Vertices around each middle vertex, filled up with -1."""
    faces: Int[np.ndarray, "f 3"]

    def seam(self, plane: int) -> tuple[Seam, Int[np.ndarray, " s"]]:
        """Edges within a plane of nodes across the x axis, and their vertices."""
        there = np.flatnonzero((self.upper[:, 0] == plane) & (self.axis > 0))
        return Seam(self.upper[there], self.axis[there]), self.number[there]


def march(grid: Bricks, seam: Seam | None = None) -> Surface:
    """The surface between inside (zero included) and outside nodes, counter-clockwise from outside.

    Args:
        grid: Its own layers are marched.
        seam: Edges of the plane before them, if they are not the first.
    """
    seam = seam or Seam.none()
    parts = [_crossed(grid, slots, block) for slots, block in grid.padded(grid.slots, before=1, after=0)]
    number = _numbered(grid.layers, _joined(parts, "upper")[:, 0], _joined(parts, "middles"))
    on_edges, in_middles = np.split(number, [sum(len(part.edges) for part in parts)])

    vertex = np.empty((len(grid.corners), SIDE, SIDE, SIDE, 3), dtype=np.int32)
    vertex.reshape(-1)[_joined(parts, "edges")] = on_edges
    vertex.reshape(-1)[3 * grid.addresses(seam.upper) + seam.axis] = len(number) + np.arange(len(seam.axis))
    faces, loops, done = [], [], 0
    for part in parts:
        block = grid.gathered(vertex, part.slots, before=1, after=0).reshape(-1)
        faces.append(_faces(part, block, in_middles[done : done + len(part.middles)]))
        loops.append(_loops(part, block))
        done += len(part.middles)
    del vertex
    upper, axis, low, high = (_joined(parts, name) for name in ("upper", "axis", "low", "high"))
    return Surface(upper, axis, low, high, number, np.concatenate(loops), np.concatenate(faces))


@dataclass(frozen=True)
class _Crossed:
    """What the surface crosses in a batch of bricks, in the order of the bricks and of their nodes."""

    slots: Int[np.ndarray, " t"]
    edges: Int[np.ndarray, " e"]
    """Address of the upper node * 3 + axis."""
    upper: Int[np.ndarray, "e 3"]
    axis: Int[np.ndarray, " e"]
    low: Float[np.ndarray, " e"]
    high: Float[np.ndarray, " e"]
    cells: Int[np.ndarray, " c"]
    """Place of the upper corner in the batch's block."""
    entries: Int[np.ndarray, " c"]
    """Which of the cases."""
    middles: Int[np.ndarray, " m"]
    """Place along x of each loop that has a vertex in its middle."""


def _joined(parts: list[_Crossed], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


def _crossed(grid: Bricks, slots: Int[np.ndarray, " t"], block: Float[np.ndarray, "t 9 9 9"]) -> _Crossed:
    """Edges whose ends differ and complete cells on the surface, of blocks that begin a node before."""
    codes = codes_of(block)
    here = codes[:, 1:, 1:, 1:]
    behind = (codes[:, :-1, 1:, 1:], codes[:, 1:, :-1, 1:], codes[:, 1:, 1:, :-1])
    crossed = np.zeros((*here.shape, 4), dtype=bool)
    for k, other in enumerate(behind):
        np.equal(here | other, INSIDE | OUTSIDE, out=crossed[..., k])
    place = np.flatnonzero(crossed)
    brick, node, axis = place >> 11, (place >> 2) & (VOLUME - 1), place & 3
    at, values = _in_block(brick, node), block.reshape(-1)
    low, high = values.take(at - _STRIDES.take(axis)), values.take(at)
    address = slots.take(brick) * VOLUME + node
    upper = grid.nodes(address).astype(np.int32)

    place = np.flatnonzero(corner_or(codes) == INSIDE | OUTSIDE)
    brick, at = place >> 9, _in_block(place >> 9, place & (VOLUME - 1))
    signs = _signs(codes).reshape(-1).take(place)
    joined = np.zeros(len(at), np.uint8)
    some = np.flatnonzero(cases().ambiguous[signs])
    joined[some] = joined_faces(values[at[some, None] - _BACK].astype(np.float64), signs[some])
    entries = cases().index[signs, joined]
    middles = np.repeat(grid.corners[slots[brick], 0], np.diff(cases().first_loop)[entries])
    edges, axis, at = 3 * address + axis, axis.astype(np.int8), at.astype(np.int32)
    return _Crossed(slots, edges, upper, axis, low, high, at, entries, middles)


def _in_block(brick: Int[np.ndarray, " n"], node: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Place in a batch of blocks of 9^3 nodes of nodes of their bricks."""
    return _IN_BLOCK.take(node) + brick * (SIDE + 1) ** 3


_IN_BLOCK = (np.array(list(np.ndindex(SIDE, SIDE, SIDE))) + 1) @ _STRIDES


def _signs(codes: np.ndarray) -> np.ndarray:
    """Which corners of each cell are inside, one bit per corner."""
    signs = codes & INSIDE
    signs = signs[:, :-1] | signs[:, 1:] << 1
    signs = signs[:, :, :-1] | signs[:, :, 1:] << 2
    return signs[..., :-1] | signs[..., 1:] << 4


def _numbered(
    layers: range, edges: Int[np.ndarray, " e"], middles: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " n"]:
    """Vertices of edges and of middles at these places along x: layer by layer, edges before middles."""
    on_edges, in_middles = (
        np.bincount(places // SIDE - layers.start, minlength=len(layers)) for places in (edges, middles)
    )
    edges_so_far, middles_so_far = np.cumsum(on_edges), np.cumsum(in_middles)
    edge = np.arange(len(edges)) + np.repeat(middles_so_far - in_middles, on_edges)
    middle = np.arange(len(middles)) + np.repeat(edges_so_far, in_middles)
    return np.concatenate([edge, middle]).astype(np.int32)


def _faces(
    part: _Crossed, vertex: Int[np.ndarray, " k"], middles: Int[np.ndarray, " m"]
) -> Int[np.ndarray, "f 3"]:
    """Triangles of the cells; `vertex` tells those on the edges of the block."""
    owner, row = _ragged(cases().first_triangle, part.entries)
    edges = _triangle_edges().take(row, axis=0)
    edges += (3 * part.cells).take(owner)[:, None]
    faces = vertex.take(edges)
    if len(middles):
        local = cases().triangles[row]
        at, column = np.nonzero(local >= MIDDLE)
        count = np.diff(cases().first_loop)[part.entries]
        first = np.cumsum(count) - count
        faces[at, column] = middles[first[owner[at]] + local[at, column] - MIDDLE]
    return faces


@cache
def _triangle_edges() -> Int[np.ndarray, "t 3"]:
    """From a cell's place to the edges of each triangle; anything for middles."""
    return _EDGE[np.minimum(cases().triangles, MIDDLE - 1)]


def _loops(part: _Crossed, vertex: Int[np.ndarray, " k"]) -> Int[np.ndarray, "m 12"]:
    """Vertices around each middle, filled up with -1."""
    owner, row = _ragged(cases().first_loop, part.entries)
    edges = cases().loops[row]
    return np.where(edges < 0, -1, vertex[3 * part.cells[owner][:, None] + _EDGE[edges]])


def _ragged(first: Int[np.ndarray, " n"], entry: Int[np.ndarray, " c"]) -> tuple[np.ndarray, np.ndarray]:
    """Owner and table row of each item, when cell i takes rows first[entry i] ... first[entry i + 1]."""
    counts = first[entry + 1] - first[entry]
    owner = np.repeat(np.arange(len(entry)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, first[entry][owner] + within
