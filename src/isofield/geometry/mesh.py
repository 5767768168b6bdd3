"""Triangle meshes."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry.similarity import Similarity


@dataclass(frozen=True)
class Mesh:
    """Triangles over shared vertices; counter-clockwise seen from outside."""

    vertices: Float[np.ndarray, "v 3"]
    """Positions, float64, in the frame and units of whoever made the mesh."""
    faces: Int[np.ndarray, "f 3"]
    """Indices into `vertices`, int64."""
    normals: Float[np.ndarray, "v 3"] | None = None
    """Unit normals per vertex, pointing outwards."""
    colours: Float[np.ndarray, "v 3"] | None = None
    """RGB per vertex in [0, 1]."""

    def transformed(self, similarity: Similarity) -> "Mesh":
        """The same mesh in another frame."""
        return replace(
            self,
            vertices=similarity.apply(self.vertices),
            normals=None if self.normals is None else similarity.rotate(self.normals),
        )
