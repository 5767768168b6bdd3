"""The evaluation of Occupancy Networks (Mescheder et al., CVPR 2019), which its successors kept.

IoU by ray parity on the labelled points of the data set; 100,000 samples of the prediction against
those of the data set; means per class, then over classes (see `table`). Of an empty mesh it says:
IoU 0, accuracy and completeness the diagonal of the unit box, normal consistency -1, no Chamfer
distance.
"""

from math import sqrt

import numpy as np
from jaxtyping import Bool, Float

from isofield.geometry import Box
from isofield.geometry.mesh import Mesh
from isofield.metrics import surface, volume
from isofield.metrics.evaluate import Truth
from isofield.metrics.parity import inside_by_parity

VOXELS = 32
"""Cells along each edge of the grid on which `iou_voxels` compares."""
EMPTY: dict[str, float] = {
    "iou": 0.0,
    "accuracy": sqrt(3),
    "completeness": sqrt(3),
    "normal_consistency": -1.0,
}


def measure_as_onet(predicted: Mesh, truth: Truth, count: int = surface.POINTS) -> dict[str, float]:
    """The measures of the paper, under the names of `measure`.

    Args:
        predicted: In the unit box of the truth.
        truth: Labelled points and samples of a data set.
        count: Samples drawn on the prediction.

    Raises:
        ValueError: There are faces, but none with an area.
    """
    if not len(predicted.faces):
        return dict(EMPTY)
    samples = surface.Samples.of(predicted, surface.PREDICTED_SEED, count)
    nearest = surface.Nearest.between(samples, truth.samples)
    return {
        "iou": volume.iou(inside_by_parity(predicted, truth.points), truth.inside),
        **surface.chamfer(nearest),
        "normal_consistency": surface.normal_consistency(nearest),
    }


def voxel_centres(side: int = VOXELS) -> Float[np.ndarray, "n 3"]:
    """Centres of the voxels of the unit box, x slowest: -0.5 + 1 / 64 to 0.5 - 1 / 64 for 32."""
    return Box.cube().cell_centres(side)


def resampled_voxels(
    points: Float[np.ndarray, "n 3"], inside: Bool[np.ndarray, " n"], side: int = VOXELS
) -> Bool[np.ndarray, "x y z"]:
    """Voxels where the data set has none: each as the labelled point nearest to its centre."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(points).query(voxel_centres(side))[1]
    return inside[nearest].reshape(side, side, side)
