"""All measures of one mesh against one truth, by the protocol of `benchmarks/points.py`.

Everything is measured in the unit box of the truth: its bounding box centred at the origin, longest
edge 1. Seeds: truth samples 3, predicted samples 4, uniform points 5, 100,000 of each.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from isofield.geometry.mesh import Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.geometry.similarity import Similarity
from isofield.geometry.winding import occupancies
from isofield.metrics import surface, volume
from isofield.observation import unit_from_world

EMPTY = "the mesh has no faces with an area"


@dataclass(frozen=True)
class Truth:
    """What is known about a shape, in its unit box."""

    points: Float[np.ndarray, "n 3"]
    """Where occupancies are compared."""
    inside: Bool[np.ndarray, " n"]
    samples: surface.Samples
    """Points on the surface."""
    mesh: Mesh | None = None
    """Its triangles; None where a data set keeps samples only."""

    @classmethod
    def of(cls, mesh: Mesh, count: int = surface.POINTS) -> tuple["Truth", Similarity]:
        """Truth of a mesh, and the map from the mesh's frame to the unit box.

        Raises:
            ValueError: The mesh has no faces with an area.
        """
        if not len(mesh.faces):
            raise ValueError(EMPTY)
        unit = unit_from_world(mesh.vertices)
        mesh = Mesh(unit.apply(mesh.vertices), mesh.faces)
        points = volume.uniform_points(count)
        samples = surface.Samples.of(mesh, surface.TRUTH_SEED, count)
        return cls(points, occupancies(mesh, points), samples, mesh), unit

    @cached_property
    def inside_share(self) -> float:
        """Share of the points that are inside."""
        return float(self.inside.mean())


def measure(predicted: Mesh, truth: Truth, count: int = surface.POINTS) -> dict[str, float | int | bool]:
    """All measures of a mesh in the unit box of the truth.

    Distances from the prediction to the truth's triangles are there only if the truth has triangles.

    Args:
        predicted: In the frame of the truth.
        truth: What it should be.
        count: Samples drawn on the prediction.

    Raises:
        ValueError: The mesh has no faces with an area.
    """
    if not len(predicted.faces):
        raise ValueError(EMPTY)
    samples = surface.Samples.of(predicted, surface.PREDICTED_SEED, count)
    nearest = surface.Nearest.between(samples, truth.samples)
    row: dict[str, float | int | bool] = {
        "iou": volume.mesh_iou(predicted, truth.points, truth.inside),
        **surface.chamfer(nearest),
        **surface.fscores(nearest),
        "normal_consistency": surface.normal_consistency(nearest),
        "hausdorff95": float(
            max(np.percentile(nearest.accuracy, 95), np.percentile(nearest.completeness, 95))
        ),
    }
    if truth.mesh is not None:
        row |= surface.spread(surface.to_triangles(samples.points, truth.mesh), "accuracy_to_triangles")
    row |= surface.spread(surface.to_triangles(truth.samples.points, predicted), "completeness_to_triangles")
    return row | shape(predicted)


def measure_points(predicted: surface.Samples, truth: Truth) -> dict[str, float]:
    """The measures that bare points have, in the unit box of the truth: distances, as of samples of a mesh.

    They enclose nothing, so there is no IoU.

    Raises:
        ValueError: There are no points.
    """
    if not len(predicted.points):
        raise ValueError("there are no points")
    nearest = surface.Nearest.between(predicted, truth.samples)
    return {**surface.chamfer(nearest), **surface.fscores(nearest)}


def shape(mesh: Mesh) -> dict[str, float | int | bool]:
    """What the mesh is by itself: closed, manifold, and its counts."""
    checks = check_mesh(mesh)
    return {
        "closed": checks.is_closed,
        "manifold": checks.is_manifold,
        "components": checks.components,
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
    }
