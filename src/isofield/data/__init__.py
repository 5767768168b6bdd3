"""Files -> observations and training batches; one file per format."""

from isofield.data.atomic import atomic_write
from isofield.data.points import PointFile, read_point_file, read_points, require_surface

__all__ = ["PointFile", "atomic_write", "read_point_file", "read_points", "require_surface"]
