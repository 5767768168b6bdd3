"""What a scanner would see of a mesh.

Models made by hand hide drawers behind fronts and boards behind boards. Rays tell: a surface
belongs to the outside if some ray from it escapes.
"""

import numpy as np
from jaxtyping import Bool, Float

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
    mesh: Mesh, count: int, seed: int, tries: int = 48, crisp: bool = False
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Points on the surface that can be seen from outside, by area, with normals pointing outwards.

    A sample stays if one of its sides sees the sky and is outside by the winding number. A loose
    sheet is seen from both sides and keeps the normal of its face.

    Args:
        mesh: Normalised: longest edge of its box 1.
        count: Points that come back.
        seed: Of the draw.
        tries: Rays cast from each side of a sample before it counts as hidden.
        crisp: No point inside sees out, so that whatever sees the sky is outside.

    Raises:
        ValueError: Too little of the surface is visible.
    """
    draw = np.random.default_rng(seed)
    caster = Caster(mesh)
    points, normals, have, ask = [], [], 0, count
    for _ in range(12):
        p, n = sample_surface(mesh, ask, draw)
        front = _open_side(mesh, caster, p, n, tries, crisp)
        back = np.zeros(len(p), bool)
        back[~front] = _open_side(mesh, caster, p[~front], -n[~front], tries, crisp)
        keep = front | back
        points.append(p[keep])
        normals.append(np.where(front[:, None], n, -n)[keep])
        have += int(keep.sum())
        if have >= count:
            return np.concatenate(points)[:count], np.concatenate(normals)[:count]
        visible = max(float(keep.mean()), 0.02)
        ask = int(min((count - have) / visible * 1.1 + 64, 4 * count))
    raise ValueError(f"only {have} of {count} surface samples can be seen from outside")


def _open_side(
    mesh: Mesh,
    caster: Caster,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    tries: int,
    crisp: bool,
) -> Bool[np.ndarray, " n"]:
    """Whether the side the normals point to is free space with a view."""
    off = points + OFFSET * normals
    result = caster.sees_sky(off, normals, tries)
    if not crisp:  # the ray may have left through a hole
        result[result] = winding(mesh, off[result]) < 0.5
    return result


def enclosed(mesh: Mesh, points: Float[np.ndarray, "n 3"], tries: int = 48) -> Bool[np.ndarray, " n"]:
    """Points from which no ray escapes: inside the mesh, or in a void that nothing outside can see."""
    caster = Caster(mesh)
    left = np.arange(len(points))
    for direction in directions(tries):
        if not len(left):
            break
        left = left[~caster.escapes(points[left], np.tile(direction, (len(left), 1)))]
    result = np.zeros(len(points), bool)
    result[left] = True
    return result
