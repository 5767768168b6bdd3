"""Points of known signed distance for one model of a data set, drawn as DeepSDF draws them.

Near the surface, each of its points is moved twice, by Gaussians of variance 0.005 and 0.0005 along each
axis; six in a hundred points are uniform in the cube around the unit ball. Distances are to the mesh, not to
points on it as in the original code; the winding number tells their sign, so no point is lost to a doubt.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data import sampling
from isofield.data.judging import clearest, seed_of
from isofield.data.manifest import Entry
from isofield.data.models import Model
from isofield.data.sdf_samples import FILE, UNKNOWN, write_sdf_samples
from isofield.geometry.boundary import BESIDE, COUNT, Boundary
from isofield.geometry.mesh import Mesh

ROOM = 1.03
"""Radius of the unit ball, in units of the farthest vertex from the middle of the box."""
UNIFORM = 0.06
"""Share of the points that are uniform in the cube: 30,000 of 500,000."""
VARIANCES = (0.005, 0.0005)


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
    boundary = Boundary.of(ball, draw, min(COUNT, count), BESIDE / radius)
    surface = boundary.points
    everywhere = draw.uniform(-1, 1, (max(1, round(UNIFORM * count)), 3))
    near = surface[draw.integers(len(surface), size=count - len(everywhere))]
    deviation = np.sqrt(VARIANCES)[np.arange(len(near)) % 2, None]
    points = np.concatenate([near + deviation * draw.standard_normal(near.shape), everywhere])
    points = points.astype(np.float32).astype(
        np.float64
    )  # as they are kept, so that the distances are theirs
    return points, boundary.signed_distance(points), radius
