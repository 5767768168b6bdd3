"""Mesh files -> Mesh: PLY, GLB and GLTF by our own parsers, OBJ, OFF and STL through trimesh."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isofield.data.columns import cloud_from_columns
from isofield.data.gltf import join, read_gltf
from isofield.data.ply import Table, read_ply
from isofield.errors import InputError
from isofield.geometry import Mesh


def read_mesh(path: str | os.PathLike[str]) -> Mesh:
    """The triangles of a file, float64, in its own frame and units.

    Polygons are cut into fans. The parts of a GLB or GLTF scene are put where its transforms say.
    Vertex colours are sRGB in [0, 1]; textures are sampled at the vertices. Vertices that are not
    finite go, with their faces.

    Raises:
        InputError: The file cannot be read as what its extension says.
    """
    from isofield.data.points import MESHES, format_of

    path = Path(path)
    form = format_of(path)
    if form == "ply":
        return checked(_from_ply(path), path)
    if form in ("glb", "gltf"):
        return checked(read_gltf(path), path)
    if form not in MESHES:
        raise InputError(f"{path} holds no mesh; meshes are read from .ply, .{', .'.join(MESHES)}.")
    return checked(_through_trimesh(path, form), path)


def checked(mesh: Mesh, path: Path) -> Mesh:
    """The mesh without vertices that are not finite; raises InputError if faces name vertices not there."""
    if len(mesh.faces) and (mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices)):
        raise InputError(f"{path} is damaged: its faces name vertices that are not there.")
    finite = (np.abs(mesh.vertices) < 1e150).all(axis=1)
    if finite.all():
        return mesh
    number = np.cumsum(finite) - 1
    pick = lambda a: None if a is None else a[finite]  # noqa: E731
    faces = number[mesh.faces[finite[mesh.faces].all(axis=1)]]
    return Mesh(mesh.vertices[finite], faces, pick(mesh.normals), pick(mesh.colours))


def _from_ply(path: Path) -> Mesh:
    tables = read_ply(path)
    cloud = cloud_from_columns(tables["vertex"].columns, path)
    return Mesh(cloud.points, _triangles(tables["face"], path), cloud.normals, cloud.colours)


def _triangles(table: Table, path: Path) -> Int[np.ndarray, "f 3"]:
    for name in ("vertex_indices", "vertex_index"):
        if name in table.lists:
            return fans(*table.lists[name])
    if table.lists or table.columns:
        raise InputError(f"{path} has faces without a list of vertex_indices.")
    return np.empty((0, 3), np.int64)


def fans(lengths: Int[np.ndarray, " n"], indices: np.ndarray) -> Int[np.ndarray, "f 3"]:
    """Triangles of polygons given one after the other; fewer than three corners give none."""
    indices = indices.astype(np.int64)
    if (lengths == 3).all():
        return indices.reshape(-1, 3)
    first = np.cumsum(lengths) - lengths
    extra = np.maximum(lengths - 2, 0)
    start = np.repeat(first, extra)
    step = np.arange(extra.sum()) - np.repeat(np.cumsum(extra) - extra, extra)
    return np.stack([indices[start], indices[start + step + 1], indices[start + step + 2]], axis=1)


def _through_trimesh(path: Path, form: str) -> Mesh:
    import trimesh

    try:
        loaded = trimesh.load(path, process=False)
        geometries = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
        parts = [_part(geometry) for geometry in geometries]
    except Exception as error:  # its parsers raise whatever they stumble over
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]
        raise InputError(f"{path} cannot be read as {form.upper()}: {reason}.") from error
    if not sum(len(part.vertices) for part in parts):
        raise InputError(f"{path} holds neither faces nor vertices.")
    mesh = join(parts)
    return _welded(mesh) if form == "stl" else mesh


def _part(geometry: Any) -> Mesh:
    vertices = np.asarray(geometry.vertices, np.float64)
    if vertices.size and (vertices.ndim != 2 or vertices.shape[1] != 3):
        raise ValueError("its vertices do not have three coordinates each")
    if not hasattr(geometry, "faces"):  # an OBJ or OFF can be a bare list of vertices
        return Mesh(vertices.reshape(-1, 3), np.empty((0, 3), np.int64))
    normals = geometry._cache.cache.get("vertex_normals")  # as read; the property would make them up
    faces = np.asarray(geometry.faces, np.int64).reshape(-1, 3)
    if normals is not None and len(normals) == len(vertices):
        return Mesh(vertices, faces, np.asarray(normals, np.float64), _colours(geometry))
    return Mesh(vertices, faces, None, _colours(geometry))


def _colours(geometry: Any) -> Float[np.ndarray, "v 3"] | None:
    """Texture, the material's colour or vertex colours; None if the file has none of them."""
    visual = geometry.visual
    if visual.kind == "texture":
        if not visual.material.kwargs:  # texture coordinates without a material: trimesh makes one up
            return None
        if visual.uv is not None and getattr(visual.material, "image", None) is not None:
            return np.asarray(visual.to_color().vertex_colors, np.float64)[:, :3] / 255
        colour = np.asarray(visual.material.main_color, np.float64)[:3] / 255
        return np.tile(colour, (len(geometry.vertices), 1)) if np.ptp(colour) > 0 else None
    if visual.kind in ("vertex", "face"):
        return np.asarray(visual.vertex_colors, np.float64)[:, :3] / 255
    return None


def _welded(mesh: Mesh) -> Mesh:
    """Corners at exactly the same place become one vertex: STL files repeat them for each face."""
    vertices, number = np.unique(mesh.vertices, axis=0, return_inverse=True)
    faces = number.reshape(-1)[mesh.faces]
    proper = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return Mesh(vertices, faces[proper])
