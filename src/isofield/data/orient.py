"""Which way faces point: models made by hand mirror parts without turning them, and draw faces twice.

The winding number of a mesh is a whole number everywhere if the faces, as a chain, have no
boundary: every edge is passed equally often in both directions. So each connected part is repaired
(one copy of each face, turned to the side from which more rays escape, as in Takayama et al. 2014)
only where that leaves it no less closed than it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.data.surfaces import OFFSET, Caster, directions
from isofield.geometry.mesh import Mesh


@dataclass(frozen=True)
class Soup:
    """Triangles whose corners at the same place are one."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]

    @classmethod
    def of(cls, mesh: Mesh) -> "Soup":
        """Welded to a millionth of the unit box; triangles that collapse are gone."""
        key, same = np.unique(np.round(mesh.vertices, 6), axis=0, return_inverse=True)
        faces = same.reshape(-1)[mesh.faces]
        sound = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
        return cls(key, faces[sound].astype(np.int64))

    def cross(self) -> Float[np.ndarray, "f 3"]:
        """Normals of the faces, twice as long as their areas."""
        corners = self.vertices[self.faces]
        return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    def area(self) -> Float[np.ndarray, " f"]:
        return np.linalg.norm(self.cross(), axis=1) / 2

    def edges(self) -> tuple[Int[np.ndarray, " e"], Bool[np.ndarray, " e"]]:
        """Number of each face's three edges (01 of all faces, then 12, 20), and whether it runs upwards."""
        f = self.faces
        ends = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
        low, high = ends.min(axis=1), ends.max(axis=1)
        return low * len(self.vertices) + high, ends[:, 0] < ends[:, 1]

    def turned(self, which: Bool[np.ndarray, " f"]) -> "Soup":
        return replace(self, faces=np.where(which[:, None], self.faces[:, ::-1], self.faces))


def patches(soup: Soup) -> Int[np.ndarray, " f"]:
    """Number of the patch of each face.

    Faces belong together if they share an edge that no third face has and pass it in opposite
    directions, so that they agree on their outside.
    """
    edge, upwards = soup.edges()
    owner = np.tile(np.arange(len(soup.faces)), 3)
    order = np.argsort(edge, kind="stable")
    edge, owner, upwards = edge[order], owner[order], upwards[order]
    start = np.flatnonzero(np.r_[True, edge[1:] != edge[:-1]])
    pair = start[np.diff(np.r_[start, len(edge)]) == 2]
    pair = pair[upwards[pair] != upwards[pair + 1]]
    return _linked(owner[pair], owner[pair + 1], len(soup.faces))


def parts(soup: Soup) -> Int[np.ndarray, " f"]:
    """Number of the connected part of each face; parts share no edge."""
    edge, _ = soup.edges()
    owner = np.tile(np.arange(len(soup.faces)), 3)
    order = np.argsort(edge, kind="stable")
    same = np.flatnonzero(edge[order][1:] == edge[order][:-1])
    return _linked(owner[order][same], owner[order][same + 1], len(soup.faces))


def _linked(a: Int[np.ndarray, " n"], b: Int[np.ndarray, " n"], count: int) -> Int[np.ndarray, " f"]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    return connected_components(coo_matrix((np.ones(len(a)), (a, b)), (count, count)), directed=False)[1]


def oriented(mesh: Mesh, seed: int = 0, tolerances: Sequence[float] = (1.0,)) -> list[tuple[Mesh, float]]:
    """The mesh with its parts repaired where that helps, and the share of the area that changed.

    Args:
        mesh: Normalised to the unit box; positions and faces are used and come back.
        seed: Of the samples that cast rays.
        tolerances: Length of boundary, in roots of the area, up to which one copy of a part that was
            drawn twice is taken to have an inside. A lone square has 4, a box without lid 1.8.

    Returns:
        One mesh and share for each tolerance.
    """
    soup = Soup.of(mesh)
    if not len(soup.faces):
        return [(Mesh(soup.vertices, soup.faces), 0.0) for _ in tolerances]
    part = parts(soup)
    _, first, triangle = np.unique(
        np.sort(soup.faces, axis=1), axis=0, return_index=True, return_inverse=True
    )
    triangle = triangle.reshape(-1)
    once = replace(soup, faces=soup.faces[first])
    turn = inside_out(once, seed)
    better = once.turned(turn)
    area = soup.area()
    copies = np.bincount(triangle)[triangle] > 1
    results = []
    for tolerance in tolerances:
        accept = _accepted(soup, part, triangle, first, better, part[first], tolerance)
        kept = np.concatenate([soup.faces[~accept[part]], better.faces[accept[part[first]]]])
        changed = accept[part] & (copies | turn[triangle])
        results.append((Mesh(soup.vertices, kept), float(area[changed].sum() / max(area.sum(), 1e-30))))
    return results


def _accepted(
    soup: Soup,
    part: Int[np.ndarray, " f"],
    triangle: Int[np.ndarray, " f"],
    first: Int[np.ndarray, " g"],
    better: Soup,
    better_part: Int[np.ndarray, " g"],
    tolerance: float,
) -> Bool[np.ndarray, " p"]:
    """Which parts to take from `better`: as closed as before, or drawn twice and nearly closed once."""
    count = int(part.max()) + 1
    before, after = boundary(soup, part, count), boundary(better, better_part, count)
    area = soup.area()
    single = np.bincount(better_part, area[first], count)
    # Copies of a triangle cancel where they face opposite ways; parity of the corners tells.
    flips = _odd(soup.faces) ^ _odd(soup.faces[first])[triangle]
    net = np.abs(np.bincount(triangle, np.where(flips, -1.0, 1.0)))
    remaining = np.bincount(better_part, area[first] * net, count)
    doubled = remaining < 0.5 * single
    root = np.sqrt(single)
    return (after <= before + 1e-4 * root) | (doubled & (after < tolerance * root))


def _odd(faces: Int[np.ndarray, "f 3"]) -> Bool[np.ndarray, " f"]:
    """Whether the corners are an odd permutation of ascending order."""
    a, b, c = faces.T
    return ((a > b) ^ (b > c)) ^ (a > c)


def boundary(soup: Soup, part: Int[np.ndarray, " f"], count: int) -> Float[np.ndarray, " p"]:
    """Length of the boundary chain of each part: edges times how much oftener they run one way."""
    edge, upwards = soup.edges()
    name, first, which = np.unique(edge, return_index=True, return_inverse=True)
    net = np.abs(np.bincount(which.reshape(-1), np.where(upwards, 1.0, -1.0)))
    low, high = name // len(soup.vertices), name % len(soup.vertices)
    length = np.linalg.norm(soup.vertices[low] - soup.vertices[high], axis=1)
    return np.bincount(np.tile(part, 3)[first], net * length, count)


def inside_out(soup: Soup, seed: int = 0, samples: int = 20_000, rays: int = 16) -> Bool[np.ndarray, " f"]:
    """Faces whose patch shows its back to the outside.

    Each patch casts the same rays from both of its sides; its back shows if clearly more escape
    from there. Patches that see as much from either side (loose sheets) or nothing are left.
    """
    patch = patches(soup)
    points, normals, owner = _samples(soup, patch, seed, samples)
    caster = Caster(Mesh(soup.vertices, soup.faces))
    count = int(patch.max()) + 1
    front, back = np.zeros(count), np.zeros(count)
    for direction in directions(rays):
        ray = np.where(normals @ direction < 0, -1.0, 1.0)[:, None] * direction
        front += np.bincount(owner, caster.escapes(points + OFFSET * normals, ray), count)
        back += np.bincount(owner, caster.escapes(points - OFFSET * normals, -ray), count)
    return (back > 1.5 * front + 1)[patch]


def _samples(
    soup: Soup, patch: Int[np.ndarray, " f"], seed: int, samples: int
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
    """At least four points on each patch, more on large ones, with normals and patch numbers."""
    draw = np.random.default_rng(seed)
    cross = soup.cross()
    area = np.linalg.norm(cross, axis=1)
    total = np.bincount(patch, area)
    want = np.where(total > 0, 4 + np.ceil(samples * total / max(total.sum(), 1e-30)), 0).astype(int)
    order = np.argsort(patch, kind="stable")
    owner = np.repeat(np.arange(len(total)), want)
    at = np.cumsum(total)[owner] - total[owner] * draw.random(len(owner))
    face = order[np.minimum(np.searchsorted(np.cumsum(area[order]), at), len(order) - 1)]
    root, r = np.sqrt(draw.random(len(face))), draw.random(len(face))
    weights = np.stack([1 - root, root * (1 - r), root * r], axis=1)
    points = (soup.vertices[soup.faces[face]] * weights[:, :, None]).sum(axis=1)
    return points, cross[face] / np.maximum(area[face], 1e-30)[:, None], owner
