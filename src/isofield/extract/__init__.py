"""Functions of space -> meshes."""

from isofield.extract.extract import extract_mesh

__all__ = ["extract_mesh"]
