"""Things with a position: meshes, boxes, similarities. Plain float64 numpy, in any frame."""

from isofield.geometry.box import Box
from isofield.geometry.mesh import Mesh
from isofield.geometry.similarity import Similarity
from isofield.geometry.texture import Texture

__all__ = ["Box", "Mesh", "Similarity", "Texture"]
