"""How good a reconstruction is: overlap, distances, normals. Conventions are in docs/metrics.md."""

from isofield.metrics.evaluate import Truth, measure, measure_points
from isofield.metrics.occupancy_networks import measure_as_onet
from isofield.metrics.surface import Nearest, Samples, chamfer, fscores, normal_consistency, to_triangles
from isofield.metrics.volume import iou, mesh_iou

__all__ = [
    "Nearest",
    "Samples",
    "Truth",
    "chamfer",
    "fscores",
    "iou",
    "measure",
    "measure_as_onet",
    "measure_points",
    "mesh_iou",
    "normal_consistency",
    "to_triangles",
]
