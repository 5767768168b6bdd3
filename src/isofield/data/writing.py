"""Meshes and points -> files. Deterministic bytes, complete or not at all."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data import ply_writing as ply
from isofield.data.atomic import atomic_write
from isofield.data.glb import glb_bytes
from isofield.data.precision import needs_double
from isofield.errors import InputError
from isofield.geometry import Mesh
from isofield.observation import PointCloud

ROWS = 20_000
"""Lines of text formatted at a time."""


def write_mesh(path: str | os.PathLike[str], mesh: Mesh) -> None:
    """Writes GLB, PLY (binary), OBJ, STL (binary) or OFF, by the extension.

    GLB, PLY and OBJ carry colours and normals. Where float32 would move vertices by more than a
    millionth of the extent, PLY is written in doubles, STL as text, and GLB gets an offset.

    Raises:
        InputError: The extension is unknown, the mesh is empty, or the file cannot be written.
    """
    make = MESH_FORMATS.get(Path(path).suffix.lower())
    if make is None:
        raise InputError(f"{path} cannot be written: meshes are written as {', '.join(MESH_FORMATS)}.")
    if not len(mesh.faces):
        raise InputError(f"{path} is not written: the mesh has no faces.")
    _write(path, make(mesh))


def write_points(path: str | os.PathLike[str], cloud: PointCloud) -> None:
    """Writes PLY (binary), XYZ (text) or NPZ (keys points, normals, colors), by the extension.

    Raises:
        InputError: The extension is unknown, or the file cannot be written.
    """
    make = POINT_FORMATS.get(Path(path).suffix.lower())
    if make is None:
        raise InputError(f"{path} cannot be written: points are written as {', '.join(POINT_FORMATS)}.")
    _write(path, make(cloud))


def _write(path: str | os.PathLike[str], data: bytes) -> None:
    with atomic_write(path) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}.") from error


def _ply_mesh(mesh: Mesh) -> bytes:
    rows = ply.vertex_rows(mesh.vertices, mesh.normals, mesh.colours, needs_double(mesh.vertices))
    faces = ply.face_rows(mesh.faces)
    return ply.head(rows.dtype, len(rows), len(faces)) + rows.tobytes() + faces.tobytes()


def _ply_cloud(cloud: PointCloud) -> bytes:
    rows = ply.vertex_rows(cloud.points, cloud.normals, cloud.colours, needs_double(cloud.points))
    return ply.head(rows.dtype, len(rows)) + rows.tobytes()


def _obj(mesh: Mesh) -> bytes:
    vertices = mesh.vertices if mesh.colours is None else np.hstack([mesh.vertices, mesh.colours])
    number = _digits(mesh.vertices)
    columns = [number] * 3 + ["%.4g"] * (vertices.shape[1] - 3)
    parts = list(_lines("v " + " ".join(columns), vertices))
    corner = "%d"
    faces = mesh.faces + 1
    if mesh.normals is not None:
        parts += _lines("vn %.6g %.6g %.6g", mesh.normals)
        corner, faces = "%d//%d", np.repeat(faces, 2, axis=1)
    parts += _lines(f"f {corner} {corner} {corner}", faces)
    return b"".join(parts)


def _off(mesh: Mesh) -> bytes:
    head = f"OFF\n{len(mesh.vertices)} {len(mesh.faces)} 0\n".encode()
    number = _digits(mesh.vertices)
    vertices = _lines(f"{number} {number} {number}", mesh.vertices)
    return b"".join((head, *vertices, *_lines("3 %d %d %d", mesh.faces)))


def _stl(mesh: Mesh) -> bytes:
    corners = mesh.vertices[mesh.faces]  # (f 3 3)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-30)
    if needs_double(mesh.vertices):
        number = _digits(mesh.vertices)
        corner = f"vertex {number} {number} {number}\n"
        row = f"facet normal %.6g %.6g %.6g\nouter loop\n{corner * 3}endloop\nendfacet"
        facets = _lines(row, np.hstack([normals, corners.reshape(-1, 9)]))
        return b"".join((b"solid isofield\n", *facets, b"endsolid isofield\n"))
    rows = np.zeros(len(corners), [("normal", "<f4", (3,)), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
    rows["normal"], rows["corners"] = normals, corners
    return b"isofield".ljust(80) + np.uint32(len(rows)).astype("<u4").tobytes() + rows.tobytes()


def _xyz(cloud: PointCloud) -> bytes:
    """Columns x y z, nx ny nz, r g b (0 to 255), named in a comment."""
    names, columns, values = ["x y z"], [_digits(cloud.points)] * 3, [cloud.points]
    if cloud.normals is not None:
        names.append("nx ny nz")
        columns += ["%.6g"] * 3
        values.append(cloud.normals)
    if cloud.colours is not None:
        names.append("r g b")
        columns += ["%d"] * 3
        values.append(ply.as_bytes(cloud.colours))
    head = f"# {' '.join(names)}\n".encode()
    return b"".join((head, *_lines(" ".join(columns), np.hstack(values))))


def _npz(cloud: PointCloud) -> bytes:
    import zipfile

    arrays = {"points": cloud.points, "normals": cloud.normals, "colors": cloud.colours}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # np.savez would write the time of day
        for name, array in arrays.items():
            if array is not None:
                data = io.BytesIO()
                np.lib.format.write_array(data, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getvalue())
    return file.getvalue()


def _digits(points: Float[np.ndarray, "n 3"]) -> str:
    """Format of a coordinate: as exact as float32, or as double where that is needed."""
    return "%.16g" if needs_double(points) else "%.9g"


def _lines(row: str, values: np.ndarray) -> Iterator[bytes]:
    row += "\n"
    for start in range(0, len(values), ROWS):
        part = values[start : start + ROWS]
        yield (row * len(part) % tuple(part.reshape(-1).tolist())).encode()


MESH_FORMATS: dict[str, Callable[[Mesh], bytes]] = {
    ".glb": glb_bytes,
    ".ply": _ply_mesh,
    ".obj": _obj,
    ".stl": _stl,
    ".off": _off,
}
"""Extension -> the file's bytes."""
POINT_FORMATS: dict[str, Callable[[PointCloud], bytes]] = {".ply": _ply_cloud, ".xyz": _xyz, ".npz": _npz}
"""Extension -> the file's bytes."""
