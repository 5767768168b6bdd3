"""What a scanner would see of a mesh, and which way its faces point.

Models made by hand hide shelves behind doors and drawers behind fronts, and mirror parts without
turning their faces. Rays tell: a surface belongs to the outside if some ray from it escapes, and
its outside is the side from which more rays do (Takayama et al. 2014).
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.geometry.mesh import Mesh
from isofield.geometry.sampling import sample_surface
from isofield.geometry.winding import winding

OFFSET = 1e-3
"""How far off the surface both of its sides are looked at; the longest edge of the box is 1."""


def directions(count: int) -> Float[np.ndarray, "n 3"]:
    """Unit vectors spread evenly over the sphere, neighbours in the list far apart."""
    i = np.arange(count)
    z = 1 - (2 * i + 1) / count
    angle = i * np.pi * (3 - np.sqrt(5))
    spread = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    return spread[np.random.default_rng(0).permutation(count)]


class Caster:
    """Answers which rays leave the mesh without a hit."""

    def __init__(self, mesh: Mesh) -> None:
        import trimesh

        self._ray = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).ray

    def escapes(
        self, origins: Float[np.ndarray, "n 3"], towards: Float[np.ndarray, "n 3"]
    ) -> Bool[np.ndarray, " n"]:
        """Whether the ray from each origin meets nothing."""
        if not len(origins):
            return np.zeros(0, bool)
        return ~self._ray.intersects_any(origins, towards)

    def sees_sky(
        self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], tries: int = 48
    ) -> Bool[np.ndarray, " n"]:
        """Whether a ray into the half space of the normal escapes, of up to `tries` rays.

        The direction along the normal comes first: it escapes from most visible points.
        """
        seen = self.escapes(points, normals)
        for direction in directions(tries - 1):
            left = np.flatnonzero(~seen)
            if not len(left):
                break
            side = np.where(normals[left] @ direction < 0, -1.0, 1.0)[:, None]
            seen[left] = self.escapes(points[left], side * direction)
        return seen


def outer_surface(
    mesh: Mesh, count: int, seed: int, tries: int = 48
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Points on the surface that can be seen from outside, by area, with normals pointing outwards.

    The mesh is normalised: longest edge of its box 1. A sample stays if one of its sides is
    outside by the winding number and sees the sky. A loose sheet is seen from both sides and
    keeps the normal of its face.

    Raises:
        ValueError: Nothing of the surface is visible.
    """
    draw = np.random.default_rng(seed)
    caster = Caster(mesh)
    points, normals, have, ask = [], [], 0, count
    for _ in range(12):
        p, n = sample_surface(mesh, ask, draw)
        front = _open_side(mesh, caster, p, n, tries)
        back = _open_side(mesh, caster, p, -n, tries, only=~front)
        keep = front | back
        points.append(p[keep])
        normals.append(np.where(front[:, None], n, -n)[keep])
        have += int(keep.sum())
        if have >= count:
            break
        rate = max(have / sum(len(x) for x in points) if have else 0.0, 1e-2)
        seen_rate = max(keep.mean(), 0.02)
        ask = int(min((count - have) / min(rate, seen_rate) * 1.1 + 64, 4 * count))
    if have < count:
        raise ValueError(f"only {have} of {count} surface samples can be seen from outside")
    return np.concatenate(points)[:count], np.concatenate(normals)[:count]


def _open_side(
    mesh: Mesh,
    caster: Caster,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    tries: int,
    only: Bool[np.ndarray, " n"] | None = None,
) -> Bool[np.ndarray, " n"]:
    """Whether the side the normals point to is free space with a view."""
    result = np.zeros(len(points), bool)
    ask = np.flatnonzero(np.ones(len(points), bool) if only is None else only)
    off = points[ask] + OFFSET * normals[ask]
    outside = winding(mesh, off) < 0.5
    ask, off = ask[outside], off[outside]
    result[ask] = caster.sees_sky(off, normals[ask], tries)
    return result


def patches(mesh: Mesh) -> Int[np.ndarray, " f"]:
    """Number of the patch of each face.

    Faces belong together if they share an edge that no third face has and pass it in opposite
    directions, so that they agree on their outside. Vertices at the same place count as one.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, same = np.unique(np.round(mesh.vertices, 6), axis=0, return_inverse=True)
    faces = same.reshape(-1)[mesh.faces]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(np.arange(len(faces)), 3)
    upwards = edges[:, 0] < edges[:, 1]
    key = np.sort(edges, axis=1) @ np.array([len(mesh.vertices) + 1, 1])
    order = np.argsort(key, kind="stable")
    key, owner, upwards = key[order], owner[order], upwards[order]
    start = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    length = np.diff(np.r_[start, len(key)])
    pair = start[length == 2]
    pair = pair[upwards[pair] != upwards[pair + 1]]
    graph = coo_matrix((np.ones(len(pair)), (owner[pair], owner[pair + 1])), (len(faces),) * 2)
    return connected_components(graph, directed=False)[1]


def facing_out(mesh: Mesh, seed: int = 0, samples: int = 20_000, rays: int = 16) -> tuple[Mesh, float]:
    """The mesh with inside-out patches turned, and the share of its area that was.

    Each patch casts the same rays from both of its sides and turns if clearly more escape from
    its back. Patches that see as much from either side (loose sheets) or nothing stay.
    """
    patch = patches(mesh)
    corners = mesh.vertices[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    total = np.bincount(patch, area)
    points, normals, owner = _samples_by_patch(corners, cross, area, patch, total, seed, samples)
    caster = Caster(mesh)
    front, back = np.zeros(len(total)), np.zeros(len(total))
    for direction in directions(rays):
        side = np.where(normals @ direction < 0, -1.0, 1.0)[:, None] * direction
        front += np.bincount(owner, caster.escapes(points + OFFSET * normals, side), len(total))
        back += np.bincount(owner, caster.escapes(points - OFFSET * normals, -side), len(total))
    turn = back > 1.5 * front + 1
    turned = turn[patch]
    faces = mesh.faces.copy()
    faces[turned] = faces[turned][:, ::-1]
    return replace(mesh, faces=faces), float(area[turned].sum() / max(area.sum(), 1e-30))


def _samples_by_patch(corners, cross, area, patch, total, seed, samples):
    """At least four samples on each patch, more on large ones: points, normals, patch numbers."""
    draw = np.random.default_rng(seed)
    want = 4 + np.ceil(samples * total / max(total.sum(), 1e-30)).astype(int)
    want[total <= 0] = 0
    order = np.argsort(patch, kind="stable")
    cumulated = np.cumsum(area[order])
    last = np.cumsum(total)
    owner = np.repeat(np.arange(len(total)), want)
    at = last[owner] - total[owner] * draw.random(len(owner))
    face = order[np.minimum(np.searchsorted(cumulated, at), len(order) - 1)]
    root, r = np.sqrt(draw.random(len(face))), draw.random(len(face))
    weights = np.stack([1 - root, root * (1 - r), root * r], axis=1)
    points = (corners[face] * weights[:, :, None]).sum(axis=1)
    return points, cross[face] / np.maximum(area[face], 1e-30)[:, None], owner
