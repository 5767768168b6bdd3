"""Triangle meshes."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry.similarity import Similarity
from isofield.geometry.texture import Texture


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
    texture: Texture | None = None
    """A picture over the faces; goes before `colours` in formats that have room for one only."""

    def transformed(self, similarity: Similarity) -> "Mesh":
        """The same mesh in another frame."""
        return replace(
            self,
            vertices=similarity.apply(self.vertices),
            normals=None if self.normals is None else similarity.rotate(self.normals),
        )

    def with_faces(self, keep: np.ndarray) -> "Mesh":
        """The chosen faces (mask or indices) and the vertices they use, in their old order."""
        faces = self.faces[keep]
        used = np.zeros(len(self.vertices), dtype=bool)
        used[faces] = True
        number = np.cumsum(used) - 1
        return Mesh(
            self.vertices[used],
            number[faces],
            None if self.normals is None else self.normals[used],
            None if self.colours is None else self.colours[used],
            None if self.texture is None else replace(self.texture, uv=self.texture.uv[keep]),
        )

    def face_crosses(self) -> Float[np.ndarray, "f 3"]:
        """Per face the normal times twice the area."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    def face_normals(self) -> Float[np.ndarray, "f 3"]:
        """Unit normal of each face; zero where the face has no area."""
        return _unit(self.face_crosses())

    def face_areas(self) -> Float[np.ndarray, " f"]:
        return np.linalg.norm(self.face_crosses(), axis=1) / 2

    def vertex_normals(self) -> Float[np.ndarray, "v 3"]:
        """Unit normal of each vertex: its faces' normals, weighted by area; zero without any."""
        crosses = self.face_crosses()
        total = np.empty((len(self.vertices), 3))
        for axis in range(3):
            corners = np.repeat(crosses[:, axis], 3)
            total[:, axis] = np.bincount(self.faces.ravel(), corners, minlength=len(self.vertices))
        return _unit(total)

    def volume(self) -> float:
        """Enclosed volume, by the divergence theorem; means something on closed meshes only."""
        if not len(self.faces):
            return 0.0
        # Around a point of the mesh, so that far-away origins cost no digits.
        a, b, c = (self.vertices[self.faces[:, k]] - self.vertices[self.faces[0, 0]] for k in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)

    def sampled(self, count: int, seed: int = 0) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
        """Points spread uniformly over the surface, and the unit normals of their faces.

        The same seed gives the same points.

        Raises:
            ValueError: The mesh has no area.
        """
        areas = self.face_areas()
        if not areas.sum() > 0:
            raise ValueError("a mesh without area has no surface to sample")
        random = np.random.default_rng(seed)
        ends = np.cumsum(areas)
        face = np.searchsorted(ends, random.random(count) * ends[-1], side="right")
        face = np.minimum(face, np.flatnonzero(areas)[-1])
        u, v = random.random((2, count, 1))
        # Folding the unit square over its diagonal gives uniform barycentric coordinates.
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        a, b, c = (self.vertices[self.faces[face, k]] for k in range(3))
        return a + u * (b - a) + v * (c - a), self.face_normals()[face]


def _unit(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
