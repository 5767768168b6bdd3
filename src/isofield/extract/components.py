"""Which parts of a mesh to keep."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import directed_edges, face_components
from isofield.geometry.winding import occupancies

Keep = Literal["all", "largest"] | float
"""All parts, the largest solid, or the parts with at least this share of the whole surface area."""


def keep_parts(mesh: Mesh, keep: Keep) -> Mesh:
    """The mesh without its small parts.

    A closed part that looks inwards (negative volume) is the wall of a cavity and belongs to the
    smallest solid around it: it never stays without that solid. "largest" keeps the solid of the
    largest surface with all its cavities; a share applies to cavities as to every other part.

    Raises:
        ValueError: `keep` is none of the choices, or a share outside [0, 1].
    """
    if keep not in ("all", "largest") and not (isinstance(keep, int | float) and 0 <= keep <= 1):
        raise ValueError(f"keep is 'all', 'largest' or a share of the area between 0 and 1, not {keep!r}")
    part = face_components(mesh) if keep != "all" else np.zeros(0, dtype=np.int64)
    if keep == "all" or not len(part):
        return mesh
    part = np.unique(part, return_inverse=True)[1]
    areas = np.bincount(part, mesh.face_areas())
    if len(areas) == 1:
        return mesh
    host = _hosts(mesh, part)
    solid = host < 0
    if keep == "largest":
        kept = np.arange(len(areas)) == np.argmax(np.where(solid, areas, -1))
        kept |= ~solid & kept[host]
    else:
        kept = areas >= min(float(keep) * areas.sum(), areas[solid].max())
        kept &= solid | kept[host]
    return mesh.with_faces(kept[part])


def _hosts(mesh: Mesh, part: Int[np.ndarray, " f"]) -> Int[np.ndarray, " p"]:
    """The solid around each cavity; -1 for solids and for whatever has no solid around it."""
    volumes = _volumes(mesh, part)
    host = np.full(len(volumes), -1, dtype=np.int64)
    cavities = np.flatnonzero((volumes < 0) & _closed(mesh, part))
    if not len(cavities):
        return host
    low, high = _bounds(mesh, part)
    first = np.unique(part, return_index=True)[1]
    probes = mesh.vertices[mesh.faces[first[cavities], 0]]
    # From the largest to the smallest solid, so that the last one found is the smallest.
    for solid in sorted(np.flatnonzero(volumes > 0), key=lambda p: -volumes[p]):
        boxed = np.flatnonzero(((probes >= low[solid]) & (probes <= high[solid])).all(axis=1))
        if len(boxed):
            within = boxed[occupancies(mesh.with_faces(part == solid), probes[boxed])]
            host[cavities[within]] = solid
    return host


def _volumes(mesh: Mesh, part: Int[np.ndarray, " f"]) -> Float[np.ndarray, " p"]:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - mesh.vertices.mean(axis=0) for k in range(3))
    return np.bincount(part, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6)


def _closed(mesh: Mesh, part: Int[np.ndarray, " f"]) -> Bool[np.ndarray, " p"]:
    edge, _, corner = directed_edges(mesh.faces, len(mesh.vertices))
    rim = corner[np.bincount(edge)[edge] == 1] // 3
    return np.bincount(part[rim], minlength=part.max() + 1) == 0


def _bounds(mesh: Mesh, part: Int[np.ndarray, " f"]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the box around each part."""
    order = np.argsort(part, kind="stable")
    starts = np.flatnonzero(np.diff(part[order], prepend=-1))
    triangles = mesh.vertices[mesh.faces[order]]
    low = np.minimum.reduceat(triangles.min(axis=1), starts, axis=0)
    return low, np.maximum.reduceat(triangles.max(axis=1), starts, axis=0)
