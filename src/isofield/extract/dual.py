"""Dual contouring on a sparse grid: sharp edges where the field has them, closed and 2-manifold.

Marching cubes puts vertices on crossed edges of the grid and cuts every sharp edge between them off. Its
dual has one vertex in each cell, free to lie on the sharp edge, and one quadrilateral around each crossed
edge (Ju, Losasso, Schaefer and Warren 2002). A cell that the surface passes twice needs two vertices or
sheets would be welded together: here it has one for each loop of the marching cubes' case (Nielson 2004).

One thing is left that would make four faces meet at an edge: an ambiguous face between two cells, both of
whose segments belong to a single loop on either side. Pairing the face's crossed edges the other way splits
the loop in both cells, and nothing else changes (as Wenger 2013 does for his two cases). With that every
edge has two faces and every vertex one fan, whatever the values, because each vertex's faces are those
around the edges of one loop. Faces may still intersect: vertices stay in their cells, but two that share
a cell may pass each other, and so may quadrilaterals that are not convex.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from isofield.extract.bricks import Bricks
from isofield.extract.cases import CORNERS, EDGES, FACES, cases, joined_faces, loops_of
from isofield.extract.marching import Surface, march
from isofield.extract.project import place_vertices
from isofield.extract.quadric import gradients_at, placed
from isofield.extract.sampler import Sampler
from isofield.geometry import Mesh

_CORNER_OF = {tuple(corner): number for number, corner in enumerate(CORNERS.tolist())}
_EDGE_OF = {edge[:2]: number for number, edge in enumerate(EDGES)}
_EDGES_OF_FACE = [
    [_EDGE_OF[min(a, b), max(a, b)] for a, b in zip(ring, (*ring[1:], ring[0]), strict=True)]
    for ring in FACES
]
_QUADRANTS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
"""How far below the edge's node the four cells around it lie along the next two axes, counter-clockwise."""
LEAN = 0.1
"""Square of a diagonal's length, in cells, against the distance from the surface that it may save."""


@dataclass(frozen=True)
class Cells:
    """The complete cells along the surface, and how the surface runs in them."""

    keys: Int[np.ndarray, " c"]
    """Ascending."""
    corners: Int[np.ndarray, "c 3"]
    """Lowest node."""
    loops: Int[np.ndarray, "c 12"]
    """Vertex of the loop through each crossed edge; -1 for other edges."""


def dual(grid: Bricks, sampler: Sampler, steps: int = 2) -> Mesh:
    """The surface with a vertex per cell and sheet, at the best place for the planes at crossed edges.

    Costs `steps` evaluations for each crossed edge and a gradient there. Open surfaces end half a cell
    before the border of the box; closed ones are capped on it.

    Args:
        grid: Known at both ends of all edges that the surface crosses, as from `refine`.
        sampler: Evaluates the field.
        steps: Evaluations that move the crossings onto the surface; planes want them exact.
    """
    surface = march(grid)
    crossings = place_vertices(surface, sampler, steps)[surface.number[: len(surface.axis)]]
    normals = gradients_at(crossings, sampler)
    capped = np.flatnonzero(np.isneginf(np.minimum(surface.low, surface.high)))
    upwards = np.where(surface.low[capped] >= 0, 1, -1)
    normals[capped] = upwards[:, None] * np.eye(3)[surface.axis[capped]]
    cell, local = _around(surface)
    cells = _cells(grid, cell)
    at = np.minimum(np.searchsorted(cells.keys, _keys(cell, grid)), len(cells.keys) - 1)
    corner = np.where(cells.keys[at] == _keys(cell, grid), cells.loops[at, local], -1)  # (e 4)
    edge, quadrant = np.nonzero(corner >= 0)
    vertex = corner[edge, quadrant]
    home = np.empty((vertex.max(initial=-1) + 1, 3), np.int64)
    home[vertex] = cell[edge, quadrant]
    vertices = placed(vertex, crossings[edge], normals[edge], home, sampler.lattice)
    whole = (corner >= 0).all(axis=1)
    faces = _triangles(vertices, corner[whole], crossings[whole], sampler.lattice.step)
    return Mesh(vertices, faces).with_faces(np.ones(len(faces), bool))


def _around(surface: Surface) -> tuple[Int[np.ndarray, "e 4 3"], Int[np.ndarray, "e 4"]]:
    """The four cells at each crossed edge, counter-clockwise from outside, and which of their edges it is."""
    axis = surface.axis
    low = surface.upper.astype(np.int64) - np.eye(3, dtype=np.int64)[axis]
    down = np.zeros((3, 4, 3), np.int64)
    for a in range(3):
        down[a][:, [(a + 1) % 3, (a + 2) % 3]] = _QUADRANTS
    local = np.array(
        [
            [_EDGE_OF[k, k | 1 << a] for k in (_CORNER_OF[tuple(corner)] for corner in down[a].tolist())]
            for a in range(3)
        ]
    )
    upwards = surface.low >= 0
    order = np.where(upwards[:, None], np.arange(4), np.arange(4)[::-1])
    return low[:, None] - down[axis[:, None], order], local[axis[:, None], order]


def _keys(cell: Int[np.ndarray, "*n 3"], grid: Bricks) -> Int[np.ndarray, "*n"]:
    """One number per cell, those just outside the grid included."""
    size = grid.cells + 2
    return ((cell[..., 0] + 1) * size[1] + cell[..., 1] + 1) * size[2] + cell[..., 2] + 1


def _cells(grid: Bricks, around: Int[np.ndarray, "e 4 3"]) -> Cells:
    keys, first = np.unique(_keys(around, grid), return_index=True)
    corners = around.reshape(-1, 3)[first]
    values = grid.values[grid.addresses(corners[:, None] + CORNERS)].astype(np.float64)
    complete = ~np.isnan(values).any(axis=1)
    keys, corners, values = keys[complete], corners[complete], values[complete]
    signs = ((values >= 0) << np.arange(8)).sum(axis=1)
    ahead = _keys(corners + np.eye(3, dtype=int)[:, None], grid)
    numbers = _split(signs, joined_faces(values, signs).astype(np.int64), keys, ahead)
    counts = numbers.max(axis=1, initial=-1) + 1
    first = np.cumsum(counts) - counts
    return Cells(keys, corners, np.where(numbers >= 0, first[:, None] + numbers, -1))


@cache
def _loop_of_edge() -> Int8[np.ndarray, "256 64 12"]:
    """Number of the loop through each edge of the cell, by case and joined faces; -1 where there is none."""
    table = np.full((256, 64, 12), -1, np.int8)
    for case, ambiguous in enumerate(cases().ambiguous.tolist()):
        for joined in range(64):
            if not joined & ~ambiguous:
                for number, loop in enumerate(loops_of(case, joined)):
                    table[case, joined, loop] = number
    return table


def _split(
    signs: Int[np.ndarray, " c"],
    joined: Int[np.ndarray, " c"],
    keys: Int[np.ndarray, " c"],
    next_keys: Int[np.ndarray, "3 c"],
) -> Int[np.ndarray, "c 12"]:
    """Numbers of the loops through the cells' edges, once no two cells share two segments of one loop each.

    Each round turns faces over that have no cell in common. A turn splits loops and joins none, so
    the faces that are left become fewer.
    """
    ahead = np.minimum(np.searchsorted(keys, next_keys), len(keys) - 1)
    there = keys[ahead] == next_keys if len(keys) else ahead < 0
    cell, axis = np.nonzero(there.T & (cases().ambiguous[signs][:, None] >> [1, 3, 5] & 1 == 1))
    other = ahead[axis, cell]
    while True:
        numbers = _loop_of_edge()[signs, joined].astype(np.int64)
        twice = _is_one_loop(numbers, cell, 2 * axis + 1) & _is_one_loop(numbers, other, 2 * axis)
        if not twice.any():
            return numbers
        cell, other, axis = cell[twice], other[twice], axis[twice]
        number = np.arange(len(cell))
        least = np.full(len(keys), len(cell))
        np.minimum.at(least, cell, number)
        np.minimum.at(least, other, number)
        turn = (least[cell] == number) & (least[other] == number)
        joined = joined.copy()
        joined[cell[turn]] ^= 1 << (2 * axis[turn] + 1)
        joined[other[turn]] ^= 1 << (2 * axis[turn])


def _is_one_loop(
    numbers: Int[np.ndarray, "c 12"], cell: Int[np.ndarray, " n"], face: Int[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Whether all four edges of an ambiguous face lie on the same loop of the cell."""
    found = numbers[cell[:, None], np.array(_EDGES_OF_FACE)[face]]
    return (found == found[:, :1]).all(axis=1)


def _triangles(
    vertices: Float[np.ndarray, "v 3"],
    quads: Int[np.ndarray, "q 4"],
    crossings: Float[np.ndarray, "q 3"],
    step: Float[np.ndarray, "3"],
) -> Int[np.ndarray, "f 3"]:
    """Two triangles for each quadrilateral, along the diagonal that leaves the crossing on the surface.

    Where that makes no difference, along the shorter one.
    """
    places, centre = vertices[quads] / step, crossings / step
    costs = []
    for a, b, c, d in ((0, 1, 2, 3), (1, 2, 3, 0)):
        away = [_distance(centre, *(places[:, k] for k in three)) for three in ((a, b, c), (c, d, a))]
        costs.append(np.minimum(*away) + LEAN * ((places[:, a] - places[:, c]) ** 2).sum(axis=1))
    turned = np.where((costs[1] < costs[0])[:, None], np.roll(quads, -1, axis=1), quads)
    return turned[:, [0, 1, 2, 2, 3, 0]].reshape(-1, 3)


def _distance(
    points: Float[np.ndarray, "n 3"],
    a: Float[np.ndarray, "n 3"],
    b: Float[np.ndarray, "n 3"],
    c: Float[np.ndarray, "n 3"],
) -> Float[np.ndarray, " n"]:
    """From points to the planes of triangles; to a corner where a triangle has no area."""
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1)
    away = np.abs(((points - a) * normal).sum(axis=1)) / np.where(length > 0, length, 1)
    return np.where(length > 0, away, np.linalg.norm(points - a, axis=1))
