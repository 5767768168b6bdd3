"""Overlap of volumes: IoU on uniform points, inside by the winding number."""

import numpy as np
from jaxtyping import Bool, Float

from isofield.geometry.mesh import Mesh
from isofield.geometry.winding import occupancies

POINTS = 100_000
SEED = 5
SIDE = 1.1


def iou(predicted: Bool[np.ndarray, " n"], truth: Bool[np.ndarray, " n"]) -> float:
    """Points inside both over points inside either; 1 if both are empty, 0 if one of them is.

    The official code of Occupancy Networks gives NaN for two empty sets; nothing missed and
    nothing invented is a perfect answer, so it counts as one here.
    """
    union = int((predicted | truth).sum())
    return int((predicted & truth).sum()) / union if union else 1.0


def uniform_points(count: int = POINTS, seed: int = SEED) -> Float[np.ndarray, "n 3"]:
    """Points uniform in [-0.55, 0.55]^3, where occupancies are compared."""
    return np.random.default_rng(seed).uniform(-SIDE / 2, SIDE / 2, (count, 3))


def mesh_iou(predicted: Mesh, points: Float[np.ndarray, "n 3"], truth: Bool[np.ndarray, " n"]) -> float:
    """IoU of a mesh with known occupancies of the points; a mesh without faces is inside nowhere."""
    return iou(occupancies(predicted, points), truth)
