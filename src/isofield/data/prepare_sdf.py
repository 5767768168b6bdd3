"""Points of known signed distance for one model of a data set, drawn as DeepSDF draws them.

Near the surface, each of its points is moved twice, by Gaussians of variance 0.005 and 0.0005 along each
axis; six in a hundred points are uniform in the cube around the unit ball. Distances are to the mesh, not to
points on it as in the original code; the winding number tells their sign, so no point is lost to a doubt.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from isofield.data import sampling
from isofield.data.judging import clearest, seed_of
from isofield.data.manifest import Entry
from isofield.data.models import Model
from isofield.data.sdf_samples import FILE, UNKNOWN, write_sdf_samples
from isofield.errors import InputError
from isofield.geometry.mesh import Mesh
from isofield.geometry.sampling import sample_surface
from isofield.geometry.winding import occupancies

ROOM = 1.03
"""Radius of the unit ball, in units of the farthest vertex from the middle of the box."""
UNIFORM = 0.06
"""Share of the points that are uniform in the cube: 30,000 of 500,000."""
VARIANCES = (0.005, 0.0005)
SURFACE = 100_000
"""Points that stand for the surface where its nearest face is no part of it."""
BESIDE = 5e-4
"""How far in front of and behind a face its sides are looked at; the box has edge 1."""
AWAY = 0.01
"""Share of the way from the nearest place to the middle of its face: on an edge, sides can't be told."""


def has_distances(entry: Entry, folder: Path, count: int) -> bool:
    """Whether the model has as many distances as wanted."""
    if entry.status != "ok" or not count:
        return True
    return entry.sdf_points == count and FILE in entry.bytes and entry.is_finished(folder, [FILE])


def with_distances(entry: Entry, model: Model, dataset: Path, count: int, seed: int, orient: bool) -> Entry:
    """Add the model's distances if they are wanted and missing; the entry then names them.

    A model whose distances can't be told keeps its other samples, and the reason is in its entry.
    """
    folder = dataset / model.category / model.id
    if has_distances(entry, folder, count):
        return entry
    try:
        mesh, loc, scale = sampling.normalised(model.read())
        own = seed_of(seed, model.id)
        if orient:
            mesh = clearest(mesh, own).mesh
        points, sdf, radius = signed_distances(mesh, count, own + 2)
    except (ValueError, MemoryError, TimeoutError) as error:
        known = [words for words in entry.reason.split("; ") if words and not words.startswith(UNKNOWN)]
        return replace(entry, sdf_points=0, reason="; ".join([*known, f"{UNKNOWN}: {error}"]))
    write_sdf_samples(folder / FILE, points, sdf, loc, scale * radius)
    sizes = entry.bytes | {FILE: (folder / FILE).stat().st_size}
    return replace(entry, bytes=dict(sorted(sizes.items())), sdf_points=count)


def signed_distances(
    mesh: Mesh, count: int, seed: int
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"], float]:
    """Points around a mesh, in its unit ball; their distances, negative inside; and the ball's radius.

    Args:
        mesh: Its box centred at the origin.
        count: Of the points.
        seed: Of all draws.

    Raises:
        InputError: The mesh encloses nothing.
    """
    draw = np.random.default_rng(seed)
    radius = ROOM * float(np.linalg.norm(mesh.vertices[np.unique(mesh.faces)], axis=1).max())
    ball = replace(mesh, vertices=mesh.vertices / radius)
    beside = BESIDE / radius
    surface, clean = boundary(ball, draw, beside)
    everywhere = draw.uniform(-1, 1, (max(1, round(UNIFORM * count)), 3))
    near = surface[draw.integers(len(surface), size=count - len(everywhere))]
    deviation = np.sqrt(VARIANCES)[np.arange(len(near)) % 2, None]
    points = np.concatenate([near + deviation * draw.standard_normal(near.shape), everywhere])
    points = points.astype(np.float32).astype(
        np.float64
    )  # as they are kept, so that the distances are theirs
    sign = np.where(occupancies(ball, points), -1.0, 1.0)
    return points, sign * _distance(ball, surface, clean, points, beside), radius


def boundary(mesh: Mesh, draw: np.random.Generator, beside: float) -> tuple[Float[np.ndarray, "n 3"], bool]:
    """Points of the faces that have inside on one side alone, and whether all faces have.

    Raises:
        InputError: There are none.
    """
    points, normals = sample_surface(mesh, SURFACE, draw)
    kept = is_boundary(mesh, points, normals, beside)
    if not kept.any():
        raise InputError("no face has inside on one side and outside on the other")
    return points[kept], bool(kept.all())


def is_boundary(
    mesh: Mesh, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], beside: float
) -> Bool[np.ndarray, " n"]:
    """Whether points on faces have inside on one side alone."""
    front, behind = (occupancies(mesh, points + side * beside * normals) for side in (1, -1))
    return front != behind


def _distance(
    mesh: Mesh,
    surface: Float[np.ndarray, "m 3"],
    clean: bool,
    points: Float[np.ndarray, "n 3"],
    beside: float,
) -> Float[np.ndarray, " n"]:
    """To the mesh; where its nearest place lies within the shape, to the points of the surface."""
    import igl

    vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    squared, face, nearest = igl.point_mesh_squared_distance(points, vertices, faces)
    distance = np.sqrt(squared)
    if clean:
        return distance
    corners = vertices[faces[face]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    nearest = nearest + AWAY * (corners.mean(axis=1) - nearest)
    hidden = np.flatnonzero(~is_boundary(mesh, nearest, normals, beside))
    if len(hidden):
        distance[hidden] = cKDTree(surface).query(points[hidden])[0]
    return distance
