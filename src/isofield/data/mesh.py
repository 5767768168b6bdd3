"""Mesh files -> Mesh: PLY by our own parser, OBJ, OFF, STL, GLB and GLTF through trimesh."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isofield.data.columns import cloud_from_columns
from isofield.data.glb import srgb_from_linear
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
        return _checked(_from_ply(path), path)
    if form not in MESHES:
        raise InputError(f"{path} holds no mesh; meshes are read from .ply, .{', .'.join(MESHES)}.")
    return _checked(_through_trimesh(path, form), path)


def _checked(mesh: Mesh, path: Path) -> Mesh:
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
        scene = trimesh.load_scene(path, process=False)
        parts = [_part(geometry, form) for geometry in scene.dump() if isinstance(geometry, trimesh.Trimesh)]
        points = [np.asarray(g.vertices) for g in scene.dump() if not isinstance(g, trimesh.Trimesh)]
    except Exception as error:  # its parsers raise whatever they stumble over
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]
        raise InputError(f"{path} cannot be read as {form.upper()}: {reason}.") from error
    if not parts and points:
        return Mesh(np.concatenate(points).astype(np.float64), np.empty((0, 3), np.int64))
    if not parts:
        raise InputError(f"{path} holds neither faces nor vertices.")
    mesh = _joined(parts)
    return _welded(mesh) if form == "stl" else mesh


def _part(geometry: Any, form: str) -> Mesh:
    normals = geometry._cache.cache.get("vertex_normals")  # as read; the property would make them up
    vertices = np.asarray(geometry.vertices, np.float64)
    if normals is not None and len(normals) != len(vertices):
        normals = None
    return Mesh(
        vertices,
        np.asarray(geometry.faces, np.int64).reshape(-1, 3),
        None if normals is None else np.asarray(normals, np.float64),
        _colours(geometry, form),
    )


def _colours(geometry: Any, form: str) -> Float[np.ndarray, "v 3"] | None:
    """Texture, vertex colours or the material's colour, in this order; None if there is neither."""
    visual = geometry.visual
    linear = form in ("glb", "gltf")
    n = len(geometry.vertices)
    if visual.kind == "texture":
        own = visual.vertex_attributes.get("color")
        if own is not None and len(own) == n and visual.uv is None:
            return _plain(own, linear)
        if visual.uv is not None and _has_image(visual.material):
            return np.asarray(visual.to_color().vertex_colors, np.float64)[:, :3] / 255
        base = np.asarray(visual.material.main_color, np.float64)[:3] / 255
        return (
            np.tile(srgb_from_linear(base[None]) if linear else base, (n, 1))
            if _says_colour(visual)
            else None
        )
    if visual.kind in ("vertex", "face"):
        return _plain(visual.vertex_colors, linear)
    return None


def _has_image(material: Any) -> bool:
    return (
        getattr(material, "image", None) is not None
        or getattr(material, "baseColorTexture", None) is not None
    )


def _says_colour(visual: Any) -> bool:
    """Whether the material has a colour of its own: trimesh fills in a grey otherwise."""
    material = visual.material
    return getattr(material, "baseColorFactor", None) is not None or "Kd" in getattr(material, "kwargs", {})


def _plain(colours: np.ndarray, linear: bool) -> Float[np.ndarray, "v 3"]:
    colours = np.asarray(colours)
    top = np.iinfo(colours.dtype).max if colours.dtype.kind in "iu" else 1.0
    colours = np.clip(colours[:, :3].astype(np.float64) / top, 0, 1)
    return srgb_from_linear(colours) if linear else colours


def _joined(parts: list[Mesh]) -> Mesh:
    """All parts as one mesh; an attribute stays if every part has it."""
    counts = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, counts, strict=False)])

    def all_of(arrays: list[np.ndarray | None]) -> np.ndarray | None:
        there = [a for a in arrays if a is not None]
        return np.concatenate(there) if len(there) == len(arrays) else None

    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        faces,
        all_of([part.normals for part in parts]),
        all_of([part.colours for part in parts]),
    )


def _welded(mesh: Mesh) -> Mesh:
    """Corners at exactly the same place become one vertex: STL files repeat them for each face."""
    vertices, number = np.unique(mesh.vertices, axis=0, return_inverse=True)
    faces = number.reshape(-1)[mesh.faces]
    proper = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return Mesh(vertices, faces[proper])
