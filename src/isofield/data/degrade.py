"""What scanners do to surfaces: sparse and uneven samples, noise, outliers, holes, partial views."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Degradation:
    """How a dense clean cloud of an object in the unit box becomes a scan."""

    count: int
    """Points that are left."""
    noise: float
    """Standard deviation of the positions."""
    outliers: float = 0.0
    """Share of points that lie anywhere in the box."""
    views: int = 0
    """Directions the object is seen from; 0 is from everywhere."""
    cut: float = 0.0
    """Share of the points missing beyond a plane."""
    holes: int = 0
    """Balls without points."""
    slope: float = 0.0
    """How unevenly points lie: the logarithm of the density rises by this along a direction."""

    @classmethod
    def drawn(
        cls, draw: np.random.Generator, surface: Float[np.ndarray, "n 3"], spacing: float
    ) -> "Degradation":
        """A random degradation whose points lie about `spacing` apart."""
        kind = draw.random()
        if kind < 0.6:
            noise = draw.uniform(0.002, 0.007)
        elif kind < 0.8:
            noise = draw.uniform(0, 0.002)
        else:
            noise = draw.uniform(0, min(spacing, 0.02))
        return cls(
            count=int(np.clip(surface_area(surface) / spacing**2, 200, len(surface) // 2)),
            noise=noise,
            outliers=draw.uniform(0.002, 0.02) if draw.random() < 0.1 else 0.0,
            views=int(draw.integers(2, 5)) if draw.random() < 0.1 else 0,
            cut=draw.uniform(0.05, 0.3) if draw.random() < 0.08 else 0.0,
            holes=int(draw.integers(1, 4)) if draw.random() < 0.12 else 0,
            slope=draw.uniform(0.5, 1.5) if draw.random() < 0.25 else 0.0,
        )


def surface_area(points: Float[np.ndarray, "n 3"]) -> float:
    """Area that evenly spread points cover, from the distances of tenth neighbours of a few."""
    from scipy.spatial import cKDTree

    few = points[:: max(1, len(points) // 2000)]
    tenth = cKDTree(points).query(few, 11)[0][:, 10].astype(np.float64)
    return float(np.pi * np.mean(tenth**2) / 10 * len(points))


def degraded(
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    how: Degradation,
    draw: np.random.Generator,
) -> Float[np.ndarray, "m 3"]:
    """A scan of the surface: what `how` leaves of the points, in float64."""
    weight = np.ones(len(points))
    if how.slope:
        weight *= np.exp(how.slope * 2 * (points @ _direction(draw)))
    if how.views:
        towards = np.stack([_direction(draw) for _ in range(how.views)])
        weight *= (normals @ towards.T > 0.1).any(axis=1)
    if how.cut:
        along = points @ _direction(draw)
        weight *= along <= np.quantile(along, 1 - how.cut)
    for _ in range(how.holes):
        centre = points[draw.integers(len(points))]
        weight *= np.linalg.norm(points - centre, axis=1) > draw.uniform(0.03, 0.12)
    if (weight > 0).sum() < 200:
        weight = np.ones(len(points))
    order = np.argsort(draw.exponential(size=len(points)) / np.maximum(weight, 1e-9))
    keep = order[: min(how.count, int((weight > 0).sum()))]
    scan = points[keep].astype(np.float64)
    scan += how.noise * draw.standard_normal(scan.shape)
    stray = draw.random(len(scan)) < how.outliers
    scan[stray] = draw.uniform(points.min(axis=0), points.max(axis=0), (int(stray.sum()), 3))
    return scan


def random_rotation(draw: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """A rotation, uniform over all of them."""
    q, r = np.linalg.qr(draw.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def _direction(draw: np.random.Generator) -> Float[np.ndarray, "3"]:
    v = draw.standard_normal(3)
    return v / np.linalg.norm(v)
