"""Fewer faces, still closed and manifold."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import MeshChecks, check_mesh, corner_fans, directed_edges, next_corner


@dataclass(frozen=True)
class Simplified:
    """A simplified mesh and what is to be known about it."""

    mesh: Mesh
    note: str | None = None
    """One sentence when the result is not what was asked for."""


def simplify(mesh: Mesh, faces: int) -> Simplified:
    """The mesh with about `faces` faces, by quadric edge collapses (Garland and Heckbert 1997).

    What was closed or manifold before is so afterwards: sheets that the collapses have glued
    together are separated again, and if that does not do, gentler settings are tried; as a last
    resort the mesh stays as it is, with a note. Normals and colours are those of the nearest old
    vertex.

    Raises:
        ValueError: Fewer than four faces are asked for.
    """
    if faces < 4:
        raise ValueError(f"a closed surface has at least 4 faces, not {faces}")
    if len(mesh.faces) <= faces:
        return Simplified(mesh)
    before = check_mesh(mesh)
    target = faces
    for aggressiveness in (7, 5, 3, 1):
        smaller = _decimate(mesh, target, aggressiveness)
        after = check_mesh(smaller)
        if _as_good(before, after):
            note = None
            if len(smaller.faces) > 1.1 * faces + 8:
                got = len(smaller.faces)
                note = f"simplified to {got} faces instead of {faces}: fewer would tear the surface"
            return Simplified(_carry(mesh, smaller), note)
        target = min(2 * target, len(mesh.faces) - 1)
    return Simplified(
        mesh, f"not simplified: with {faces} faces the surface would not stay closed and manifold"
    )


def _as_good(before: MeshChecks, after: MeshChecks) -> bool:
    """Whether no good property of the mesh was lost."""
    return (
        after.faces > 0
        and after.is_closed >= before.is_closed
        and after.is_manifold >= before.is_manifold
        and after.is_oriented >= before.is_oriented
        and (after.duplicate_faces == 0) >= (before.duplicate_faces == 0)
        and (after.volume > 0) >= (before.volume > 0)
    )


def _decimate(mesh: Mesh, faces: int, aggressiveness: int) -> Mesh:
    """Edges collapsed until about `faces` faces are left; defects of the collapses mended."""
    import fast_simplification

    # Around the middle and at size one, so that float32 inside the library costs no digits.
    centre = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    size = float(np.ptp(mesh.vertices, axis=0).max()) or 1.0
    points, triangles = fast_simplification.simplify(
        (mesh.vertices - centre) / size, mesh.faces.astype(np.int32), target_count=faces, agg=aggressiveness
    )[:2]
    return mend(Mesh(points.astype(np.float64) * size + centre, triangles.astype(np.int64)))


def mend(mesh: Mesh) -> Mesh:
    """The same surface without folded faces, and cut apart where sheets touch in edges or vertices.

    Collapses turn a closed surface into faces whose directed edges still cancel, but leave faces
    that use a vertex twice, pairs of faces back to back, and edges of four or more faces. The
    first two are dropped, which keeps the balance. At crowded edges every face is paired with one
    of the opposite direction; vertices are doubled where their faces do not hang together, and
    edges that still have the same two ends get a vertex in their middle.
    """
    faces = _without_pairs(mesh.faces[(mesh.faces != np.roll(mesh.faces, 1, axis=1)).all(axis=1)])
    if not len(faces):
        return Mesh(mesh.vertices[:0], faces)
    pairs = _paired(mesh.vertices, faces)
    fans = corner_fans(faces, pairs)
    source = np.empty(int(fans.max()) + 1, dtype=np.int64)
    source[fans.ravel()] = faces.ravel()
    return _without_twins(Mesh(mesh.vertices[source], fans), pairs)


def _without_twins(mesh: Mesh, pairs: tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]) -> Mesh:
    """The mesh with a new vertex in the middle of all but one of the edges between the same two vertices.

    Such twins are left where a neck has shrunk to an edge: both ends hang together elsewhere, so
    doubling vertices cannot part them.
    """
    one, other = pairs
    start, end = (mesh.faces.ravel()[c] for c in (one, next_corner(one)))
    keys = np.minimum(start, end) * len(mesh.vertices) + np.maximum(start, end)
    first = np.unique(keys, return_index=True)[1]
    twins = np.setdiff1d(np.arange(len(keys)), first)
    if not len(twins):
        return mesh
    middles = (mesh.vertices[start[twins]] + mesh.vertices[end[twins]]) / 2
    middle_of = np.full((len(mesh.faces), 3), -1, dtype=np.int64)
    middle_of.flat[one[twins]] = middle_of.flat[other[twins]] = len(mesh.vertices) + np.arange(len(twins))
    cut = (middle_of >= 0).any(axis=1)
    pieces = [p for f, m in zip(mesh.faces[cut], middle_of[cut], strict=True) for p in _cut(f, m)]
    return Mesh(
        np.concatenate([mesh.vertices, middles]), np.concatenate([mesh.faces[~cut], np.array(pieces)])
    )


def _cut(face: Int[np.ndarray, " 3"], middles: Int[np.ndarray, " 3"]) -> list[tuple[int, int, int]]:
    """A face in pieces around the middles of its edges; -1 where an edge stays whole."""
    k = int(np.argmax(middles >= 0))
    a, b, c = (int(face[(k + i) % 3]) for i in range(3))
    ab, bc, ca = (int(middles[(k + i) % 3]) for i in range(3))
    pieces = [(ab, b, c)] if bc < 0 else [(ab, b, bc), (ab, bc, c)]
    return pieces + ([(a, ab, c)] if ca < 0 else [(a, ab, ca), (ca, ab, c)])


def _without_pairs(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "g 3"]:
    """Faces left when equal faces of opposite direction have cancelled each other."""
    if not len(faces):
        return faces
    turned = np.argsort(faces, axis=1)
    even = (turned[:, 1] - turned[:, 0]) % 3 == 1
    rows, group = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True)
    surplus = np.bincount(group, np.where(even, 1, -1), minlength=len(rows))
    # Of each group the first |surplus| faces of its prevailing direction stay.
    kept = np.flatnonzero(np.sign(surplus[group]) == np.where(even, 1, -1))
    order = kept[np.argsort(group[kept], kind="stable")]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return faces[np.sort(order[rank < np.abs(surplus[group[order]])])]


def _paired(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[np.ndarray, np.ndarray]:
    """Corners where edges begin that belong together: two by two, in opposite directions.

    Around a crowded edge, each face is paired with the next one around the inside, so that solids
    which touch there come apart.
    """
    edge, forward, corner = directed_edges(faces, len(vertices))
    uses = np.bincount(edge)
    first = np.cumsum(uses) - uses
    plain = first[uses == 2]
    plain = plain[forward[plain] != forward[plain + 1]]
    one, other = list(corner[plain]), list(corner[plain + 1])
    for e in np.flatnonzero(uses > 2):
        rows = slice(first[e], first[e] + uses[e])
        for a, b in _around(vertices, faces, corner[rows], forward[rows]):
            one.append(a)
            other.append(b)
    return np.array(one, dtype=np.int64), np.array(other, dtype=np.int64)


def _around(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], corner: np.ndarray, forward: np.ndarray
) -> list[tuple[int, int]]:
    """Pairs of faces that bound one wedge of the inside at a crowded edge."""
    flat = faces.ravel()
    begin = corner[0]
    follow = begin + 1 if begin % 3 < 2 else begin - 2
    ends = flat[begin], flat[follow]
    low, high = vertices[min(ends)], vertices[max(ends)]
    axis = (high - low) / (np.linalg.norm(high - low) or 1.0)
    arms = vertices[[flat[c + 2 if c % 3 == 0 else c - 1] for c in corner]] - low
    u = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    angle = np.arctan2(arms @ np.cross(axis, u), arms @ u)
    # The inside lies clockwise of a face that runs along the axis: match like brackets.
    order = [int(k) for k in np.argsort(-angle, kind="stable")]
    open_: list[int] = []
    pairs: dict[int, int] = {}
    for k in order + order:
        if forward[k]:
            if k not in open_ and k not in pairs:
                open_.append(k)
        elif open_ and k not in pairs.values():
            pairs[open_.pop()] = k
    return [(int(corner[a]), int(corner[b])) for a, b in pairs.items()]


def _carry(old: Mesh, new: Mesh) -> Mesh:
    """The new mesh with normals and colours of the nearest old vertices."""
    if old.normals is None and old.colours is None:
        return new
    from scipy.spatial import cKDTree

    nearest = cKDTree(old.vertices).query(new.vertices)[1]
    return Mesh(
        new.vertices,
        new.faces,
        None if old.normals is None else old.normals[nearest],
        None if old.colours is None else old.colours[nearest],
    )
