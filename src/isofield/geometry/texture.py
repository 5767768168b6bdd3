"""A picture laid over a mesh."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8


@dataclass(frozen=True)
class Texture:
    """Where each corner of each face lies in a picture.

    Places belong to corners, not to vertices: charts may part along edges while the mesh stays
    closed by its indices.
    """

    uv: Float[np.ndarray, "f 3 2"]
    """Across and down from the picture's upper left corner, in [0, 1]."""
    image: UInt8[np.ndarray, "h w 3"]
    """sRGB."""

    def along_seams(
        self, faces: Int[np.ndarray, "f 3"]
    ) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 2"], Int[np.ndarray, "f 3"]]:
        """Vertices doubled where charts part, for formats with one place per vertex.

        Returns:
            The old vertex of each new one, its place in the picture (float32), and the new faces.
        """
        vertex, places = faces.ravel(), np.ascontiguousarray(self.uv.reshape(-1, 2), dtype=np.float32)
        bits = places.view(np.int64)[:, 0]
        order = np.lexsort((bits, vertex))
        fresh = (np.diff(vertex[order], prepend=-1) != 0) | (np.diff(bits[order], prepend=0) != 0)
        number = np.empty(len(vertex), dtype=np.int64)
        number[order] = np.cumsum(fresh) - 1
        first = order[fresh]
        return vertex[first], places[first], number.reshape(-1, 3)
