"""Training samples of one mesh: points in space of known occupancy, near the surface and everywhere.

Frame as in Occupancy Networks (arXiv:1812.03828): the box of the mesh is centred at the origin and
its longest edge is 1; points fill a cube of side 1.1.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from isofield.data.surfaces import enclosed
from isofield.geometry.box import Box
from isofield.geometry.mesh import Mesh
from isofield.geometry.winding import winding

SIDE = 1.1
"""Edge of the cube that uniform points fill."""
NEAR = (-3.0, -1.2)
"""Exponents of ten between which the scatter of near-surface points is drawn."""


def normalised(mesh: Mesh) -> tuple[Mesh, Float[np.ndarray, "3"], float]:
    """The mesh in the unit box, with `loc` and `scale`: x_unit = (x - loc) / scale.

    Only vertices that faces use count.

    Raises:
        ValueError: The mesh has no faces or no size.
    """
    if not len(mesh.faces):
        raise ValueError("the mesh has no faces")
    box = Box.around(mesh.vertices[np.unique(mesh.faces)])
    scale = float(box.extent.max())
    if not (scale > 0 and np.isfinite(scale)):
        raise ValueError("the mesh has no size")
    return replace(mesh, vertices=(mesh.vertices - box.centre) / scale), box.centre, scale


@dataclass(frozen=True)
class Labelled:
    """Points in space and whether each is inside."""

    points: Float[np.ndarray, "n 3"]
    """Unit box frame; float16 values, so that the labels stay true on disk."""
    inside: Bool[np.ndarray, " n"]
    winding: Float[np.ndarray, " n"]


def labelled(mesh: Mesh, points: Float[np.ndarray, "n 3"], crisp: bool = False) -> Labelled:
    """The points, rounded to float16, with their labels.

    Args:
        mesh: Normalised to the unit box.
        points: Where to ask.
        crisp: No point inside sees out. Then a point from which a ray escapes lies outside, and rays,
            which are much cheaper, answer for most points; their `winding` is set to 0.
    """
    points = points.astype(np.float16).astype(np.float64)
    ask = np.arange(len(points))
    if crisp:
        ask = np.flatnonzero(enclosed(mesh, points, tries=8))
    w = np.zeros(len(points))
    w[ask] = winding(mesh, points[ask])
    return Labelled(points, w > 0.5, w)


def uniform(mesh: Mesh, count: int, seed: int, crisp: bool = False) -> Labelled:
    """Points uniform in the cube of side 1.1."""
    points = np.random.default_rng(seed).uniform(-SIDE / 2, SIDE / 2, (count, 3))
    return labelled(mesh, points, crisp)


def near_surface(
    mesh: Mesh, surface: Float[np.ndarray, "n 3"], count: int, seed: int, crisp: bool = False
) -> Labelled:
    """Surface points scattered by a Gaussian whose sigma is 10^U(-3, -1.2) for each point."""
    draw = np.random.default_rng(seed)
    base = surface[draw.integers(len(surface), size=count)]
    sigma = 10 ** draw.uniform(*NEAR, (count, 1))
    points = base + sigma * draw.standard_normal((count, 3))
    return labelled(mesh, np.clip(points, -SIDE / 2, SIDE / 2), crisp)
