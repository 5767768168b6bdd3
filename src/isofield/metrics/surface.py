"""Distances between surfaces, from samples to samples and from samples to triangles.

Directions: accuracy goes from the prediction to the truth, completeness from the truth to the
prediction. Lengths are in the unit of the meshes; `evaluate` scales the truth's longest edge to 1.
Distances to the nearest sample do not fall below the spacing of the samples, so for dense inputs the
distances to the triangles tell more.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isofield.geometry.mesh import Mesh
from isofield.geometry.nearest import nearest_on
from isofield.geometry.sampling import sample_surface

POINTS = 100_000
TRUTH_SEED = 3
PREDICTED_SEED = 4
THRESHOLDS = (0.005, 0.01, 0.02)


@dataclass(frozen=True)
class Samples:
    """Points on a surface with the unit normals there, or None."""

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"] | None

    @classmethod
    def of(cls, mesh: Mesh, seed: int, count: int = POINTS) -> "Samples":
        """Uniform by area; raises ValueError if the mesh has no area."""
        return cls(*sample_surface(mesh, count, seed))


@dataclass(frozen=True)
class Nearest:
    """From each sample of one surface to the nearest of the other, both ways."""

    accuracy: Float[np.ndarray, " p"]
    completeness: Float[np.ndarray, " t"]
    accuracy_dot: Float[np.ndarray, " p"] | None
    completeness_dot: Float[np.ndarray, " t"] | None

    @classmethod
    def between(cls, predicted: Samples, truth: Samples) -> "Nearest":
        """Euclidean distances, and |n . n'| of the pairs where both sides have normals."""
        from scipy.spatial import cKDTree

        forth, to = cKDTree(truth.points).query(predicted.points, workers=-1)
        back, of = cKDTree(predicted.points).query(truth.points, workers=-1)
        if predicted.normals is None or truth.normals is None:
            return cls(forth, back, None, None)
        return cls(
            forth,
            back,
            np.abs((predicted.normals * truth.normals[to]).sum(axis=1)),
            np.abs((truth.normals * predicted.normals[of]).sum(axis=1)),
        )


def chamfer(nearest: Nearest) -> dict[str, float]:
    """Mean distances to the nearest sample.

    `chamfer_l1` = (accuracy + completeness) / 2 with plain Euclidean distances; `chamfer_l1_x10` is what
    the papers' tables print; `chamfer_l2` = half the sum of the mean squared distances.
    """
    accuracy, completeness = float(nearest.accuracy.mean()), float(nearest.completeness.mean())
    squares = float((nearest.accuracy**2).mean() + (nearest.completeness**2).mean())
    return {
        "chamfer_l1": (accuracy + completeness) / 2,
        "chamfer_l1_x10": (accuracy + completeness) * 5,
        "chamfer_l2": squares / 2,
        "accuracy": accuracy,
        "completeness": completeness,
    }


def fscores(nearest: Nearest, thresholds: tuple[float, ...] = THRESHOLDS) -> dict[str, float]:
    """Harmonic mean of the shares of samples closer than a threshold, both ways; 0 if both are 0."""
    result = {}
    for threshold in thresholds:
        precision = float((nearest.accuracy < threshold).mean())
        recall = float((nearest.completeness < threshold).mean())
        total = precision + recall
        result[f"fscore_{threshold:g}"] = 2 * precision * recall / total if total else 0.0
    return result


def normal_consistency(nearest: Nearest) -> float:
    """Mean of |n . n'| over the nearest pairs, averaged over both directions; NaN without normals."""
    if nearest.accuracy_dot is None or nearest.completeness_dot is None:
        return float("nan")
    return float(nearest.accuracy_dot.mean() + nearest.completeness_dot.mean()) / 2


def to_triangles(points: Float[np.ndarray, "n 3"], mesh: Mesh) -> Float[np.ndarray, " n"]:
    """Distance from each point to the nearest triangle, exactly.

    Raises:
        ValueError: The mesh has no faces.
    """
    if not len(mesh.faces):
        raise ValueError("the mesh has no faces, so nothing is near it")
    return nearest_on(mesh.vertices, mesh.faces, points)[0]


def spread(distances: Float[np.ndarray, " n"], name: str) -> dict[str, float]:
    """Mean, 95th percentile and maximum under `name_mean`, `name_p95`, `name_max`."""
    return {
        f"{name}_mean": float(distances.mean()),
        f"{name}_p95": float(np.percentile(distances, 95)),
        f"{name}_max": float(distances.max()),
    }
