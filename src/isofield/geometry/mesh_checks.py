"""Is a mesh closed, manifold, consistently oriented? What are its genus, volume, defects?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from isofield.geometry.mesh import Mesh


@dataclass(frozen=True)
class MeshChecks:
    """What `check_mesh` found. Vertices are one only if they share an index, not by position."""

    vertices: int
    faces: int
    edges: int
    components: int
    """Parts connected through shared vertices; vertices without faces don't count."""
    boundary_edges: int
    """Edges of one face only: the rims of holes."""
    crowded_edges: int
    """Edges of more than two faces."""
    flipped_edges: int
    """Edges of two faces that run through them in the same direction."""
    pinched_vertices: int
    """Vertices whose faces form more than one fan."""
    unused_vertices: int
    degenerate_faces: int
    """Faces that use a vertex twice or have no area."""
    duplicate_faces: int
    """Faces beyond the first over the same three vertices, in any order."""
    euler: int
    """Used vertices - edges + faces."""
    area: float
    volume: float
    """Positive if the faces look outwards; means something on closed meshes only."""

    @property
    def is_closed(self) -> bool:
        """Every edge belongs to exactly two faces that run through it in opposite directions."""
        return self.faces > 0 and not (self.boundary_edges or self.crowded_edges or self.flipped_edges)

    @property
    def is_manifold(self) -> bool:
        """No edge of more than two faces, and the faces of each vertex form one fan."""
        return not (self.crowded_edges or self.pinched_vertices)

    @property
    def is_oriented(self) -> bool:
        """Neighbouring faces agree about which side is outside."""
        return not (self.flipped_edges or self.crowded_edges)

    @property
    def is_sound(self) -> bool:
        """Closed, 2-manifold, consistently oriented, without duplicates, and right side out."""
        return self.is_closed and self.is_manifold and not self.duplicate_faces and self.volume > 0

    @property
    def genus(self) -> int | None:
        """Handles, summed over all components; None if the mesh is not a closed manifold."""
        if not (self.is_closed and self.is_manifold):
            return None
        return self.components - self.euler // 2


def check_mesh(mesh: Mesh) -> MeshChecks:
    """All checks of a mesh; about a second for a million faces."""
    faces, count = mesh.faces, len(mesh.vertices)
    repeated = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    # A face that uses a vertex twice has no edges to share.
    edge, forward, corner = directed_edges(faces[~repeated], count)
    uses = np.bincount(edge)
    forwards = np.bincount(edge, forward, minlength=len(uses)).astype(np.int64)
    used = np.unique(faces)
    areas = mesh.face_areas()
    return MeshChecks(
        vertices=count,
        faces=len(faces),
        edges=len(uses),
        components=len(np.unique(face_components(mesh))),
        boundary_edges=int((uses == 1).sum()),
        crowded_edges=int((uses > 2).sum()),
        flipped_edges=int(((uses == 2) & (forwards != 1)).sum()),
        pinched_vertices=_pinched(faces[~repeated], count, edge, corner, uses),
        unused_vertices=count - len(used),
        degenerate_faces=int((repeated | ~(areas > 0)).sum()),
        duplicate_faces=len(faces) - _distinct(np.sort(faces, axis=1), count),
        euler=len(used) - len(uses) + int((~repeated).sum()),
        area=float(areas.sum()),
        volume=mesh.volume(),
    )


def directed_edges(
    faces: Int[np.ndarray, "f 3"], vertices: int
) -> tuple[Int[np.ndarray, " e"], np.ndarray, Int[np.ndarray, " e"]]:
    """Every face's three edges, grouped.

    Returns:
        Number of the undirected edge, ascending; whether the face runs through it from the
        smaller to the larger vertex; and the flat corner (3 * face + k) where it begins.
    """
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    forward = start < end
    key = np.where(forward, start * vertices + end, end * vertices + start)
    corner = np.argsort(key, kind="stable")
    key = key[corner]
    edge = np.cumsum(np.diff(key, prepend=key[:1]) != 0)
    return edge, forward[corner], corner


def face_components(mesh: Mesh) -> Int[np.ndarray, " f"]:
    """Number of the connected part that each face belongs to; parts are connected by vertices."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    faces, count = mesh.faces, len(mesh.vertices)
    start, end = faces[:, :2].T.ravel(), faces[:, 1:].T.ravel()
    links = coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=(count, count))
    return connected_components(links, directed=False)[1][faces[:, 0]].astype(np.int64)


def corner_fans(
    faces: Int[np.ndarray, "f 3"], pairs: tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]
) -> Int[np.ndarray, "f 3"]:
    """Number of the fan of each face corner, when faces hang together at the given pairs of edges.

    An edge is named by the flat corner where it begins. Edges of a pair may run in opposite or
    equal directions; corners are linked at both ends.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = pairs
    flat = faces.ravel()
    after_one, after_other = next_corner(one), next_corner(other)
    opposite = flat[one] == flat[after_other]
    start = np.concatenate([one, after_one])
    end = np.concatenate([np.where(opposite, after_other, other), np.where(opposite, other, after_other)])
    links = coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=(len(flat), len(flat)))
    return connected_components(links, directed=False)[1].reshape(-1, 3).astype(np.int64)


def next_corner(corner: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Flat corners that follow in their faces, where the edges end."""
    return np.where(corner % 3 == 2, corner - 2, corner + 1)


def _pinched(
    faces: Int[np.ndarray, "f 3"], count: int, edge: np.ndarray, corner: np.ndarray, uses: np.ndarray
) -> int:
    """How many vertices have more than one fan."""
    if not len(faces):
        return 0
    # Neighbours in the sorted list that share their edge; of a crowded edge, all in one chain.
    same = np.flatnonzero(edge[1:] == edge[:-1])
    fans = corner_fans(faces, (corner[same], corner[same + 1])).ravel()
    first = np.full(fans.max() + 1, -1, dtype=np.int64)
    first[fans] = faces.ravel()
    return int((np.bincount(first, minlength=count) > 1).sum())


def _distinct(rows: Int[np.ndarray, "f 3"], count: int) -> int:
    """How many different rows of ascending vertex numbers there are."""
    if not len(rows):
        return 0
    order = np.lexsort((rows[:, 1] * count + rows[:, 2], rows[:, 0]))
    return 1 + int((np.diff(rows[order], axis=0) != 0).any(axis=1).sum())
