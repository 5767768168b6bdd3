"""Binary PLY, written at once or piece by piece."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float, Int

from isofield.data.atomic import atomic_write
from isofield.errors import InputError


def as_bytes(colours: Float[np.ndarray, "n 3"]) -> np.ndarray:
    """0 to 255, rounded."""
    return np.round(np.clip(colours, 0, 1) * 255).astype(np.uint8)


def head(vertices: np.dtype, count: int, faces: int | None = None) -> bytes:
    """Everything before the rows; `vertices` is the type of a row as `vertex_rows` makes them."""
    words = {"<f4": "float", "<f8": "double", "|u1": "uchar"}
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    lines += [f"property {words[vertices[name].str]} {name}" for name in vertices.names or ()]
    if faces is not None:
        lines += [f"element face {faces}", "property list uchar int vertex_indices"]
    return "\n".join([*lines, "end_header", ""]).encode()


def vertex_rows(
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"] | None,
    colours: Float[np.ndarray, "n 3"] | None,
    double: bool,
) -> np.ndarray:
    """One structured row per vertex."""
    groups = [(("x", "y", "z"), "<f8" if double else "<f4", points)]
    if normals is not None:
        groups.append((("nx", "ny", "nz"), "<f4", normals))
    if colours is not None:
        groups.append((("red", "green", "blue"), "u1", as_bytes(colours)))
    rows = np.empty(len(points), [(name, code) for names, code, _ in groups for name in names])
    for names, _, values in groups:
        for i, name in enumerate(names):
            rows[name] = values[:, i]
    return rows


def face_rows(faces: Int[np.ndarray, "f 3"]) -> np.ndarray:
    """One structured row per triangle."""
    rows = np.empty(len(faces), [("n", "u1"), ("v", "<i4", (3,))])
    rows["n"], rows["v"] = 3, faces
    return rows


class PlyStream:
    """Takes the pieces of a mesh."""

    def __init__(self, vertices: IO[bytes], faces: IO[bytes], double: bool) -> None:
        self._vertices, self._faces, self._double = vertices, faces, double
        self._row: np.dtype | None = None
        self.vertices = self.faces = 0
        """How many there are so far."""

    def add(
        self,
        vertices: Float[np.ndarray, "v 3"],
        faces: Int[np.ndarray, "f 3"],
        colours: Float[np.ndarray, "v 3"] | None = None,
    ) -> None:
        """Write a piece. Faces number the vertices of all pieces; all pieces have colours, or none has."""
        rows = vertex_rows(vertices, None, colours, self._double)
        self._row = rows.dtype
        self._vertices.write(rows.tobytes())
        self._faces.write(face_rows(faces).tobytes())
        self.vertices, self.faces = self.vertices + len(vertices), self.faces + len(faces)

    def head(self) -> bytes:
        """Everything before the rows of all pieces."""
        assert self._row is not None
        return head(self._row, self.vertices, self.faces)


@contextmanager
def ply_stream(path: Path, double: bool) -> Iterator[PlyStream]:
    """A mesh file for pieces, the same as that of the whole mesh; complete at the end, or not there.

    Rows wait in two files beside it until they are counted.

    Args:
        path: File to write.
        double: Whether coordinates are written in 64 bits.

    Raises:
        InputError: The file cannot be written, or there was no face.
    """
    try:
        with (
            atomic_write(path) as part,
            tempfile.TemporaryFile(dir=path.parent) as vertices,
            tempfile.TemporaryFile(dir=path.parent) as faces,
        ):
            stream = PlyStream(vertices, faces, double)
            yield stream
            if not stream.faces:
                raise InputError(f"{path} is not written: the mesh has no faces.")
            with open(part, "wb") as whole:
                whole.write(stream.head())
                for rows in (vertices, faces):
                    rows.seek(0)
                    shutil.copyfileobj(rows, whole, 1 << 20)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
