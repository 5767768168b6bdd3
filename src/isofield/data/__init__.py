"""Files -> observations and training batches; one file per format."""

from isofield.data.atomic import atomic_write
from isofield.data.mesh import read_mesh
from isofield.data.points import PointFile, read_point_file, read_points, require_surface
from isofield.data.writing import MESH_FORMATS, POINT_FORMATS, write_mesh, write_points

__all__ = [
    "MESH_FORMATS",
    "POINT_FORMATS",
    "PointFile",
    "atomic_write",
    "read_mesh",
    "read_point_file",
    "read_points",
    "require_surface",
    "write_mesh",
    "write_points",
]
