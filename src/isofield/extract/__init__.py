"""Functions of space -> meshes."""

from isofield.extract.extract import extract_mesh
from isofield.extract.scene_surface import surface_of

__all__ = ["extract_mesh", "surface_of"]
