"""Triangles with everything that a picture shows of them: normals, colours, textures, glass."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from isofield.geometry import Mesh

GREY = 0.75
"""sRGB of surfaces whose file says nothing about their colour."""
GLASS = 0.35
"""Least opacity of a whole material, so that panes leave a trace in pictures as reflections do."""

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, SyntaxError)
"""What readers of materials and pictures raise over files that were written by hand."""


@dataclass(frozen=True)
class Painted:
    """Triangles one by one; values at their corners are interpolated between them."""

    corners: Float[np.ndarray, "f 3 3"]
    normals: Float[np.ndarray, "f 3 3"]
    """Unit, smooth where the file smooths, else those of the faces."""
    colours: Float[np.ndarray, "f 3 3"]
    """sRGB in [0, 1]; stands back where there is a texture."""
    opacity: Float[np.ndarray, " f"]
    uv: Float[np.ndarray, "f 3 2"]
    """Texture coordinates, origin at the lower left."""
    texture: Int[np.ndarray, " f"]
    """Index into `textures`; -1 for none."""
    textures: tuple[UInt8[np.ndarray, "_h _w 4"], ...] = ()
    """sRGB and opacity."""

    def turned(self, rotation: Float[np.ndarray, "3 3"]) -> "Painted":
        return replace(self, corners=self.corners @ rotation.T, normals=self.normals @ rotation.T)

    def in_box(self, loc: Float[np.ndarray, "3"], scale: float) -> "Painted":
        """In the unit box: x_unit = (x - loc) / scale."""
        return replace(self, corners=(self.corners - loc) / scale)


def read_painted(path: Path) -> Painted:
    """The triangles of a mesh file; an OBJ brings the materials and textures beside it.

    Raises:
        InputError: The file cannot be read.
    """
    from isofield.data.mesh import read_mesh

    return _from_obj(path) if path.suffix.lower() == ".obj" else plain(read_mesh(path))


def plain(mesh: Mesh) -> Painted:
    """A mesh with the colours and normals of its vertices; grey and flat where it has none."""
    colours = np.full((len(mesh.faces), 3, 3), GREY) if mesh.colours is None else mesh.colours[mesh.faces]
    normals = None if mesh.normals is None else mesh.normals[mesh.faces]
    return _painted(mesh.vertices[mesh.faces], normals, colours)


def _painted(
    corners: np.ndarray,
    normals: np.ndarray | None,
    colours: np.ndarray,
    opacity: float = 1.0,
    uv: np.ndarray | None = None,
    image: np.ndarray | None = None,
) -> Painted:
    count = len(corners)
    textured = uv is not None and image is not None
    return Painted(
        corners.astype(np.float64),
        _sound(normals, corners),
        colours.astype(np.float64),
        np.full(count, opacity),
        np.nan_to_num(uv).astype(np.float64) if textured and uv is not None else np.zeros((count, 3, 2)),
        np.full(count, 0 if textured else -1, np.int64),
        (image,) if textured and image is not None else (),
    )


def _sound(normals: np.ndarray | None, corners: np.ndarray) -> Float[np.ndarray, "f 3 3"]:
    """The given normals where they lean the way of the face, else the face's."""
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat = _unit(across)[:, None].repeat(3, axis=1)
    if normals is None:
        return flat
    given = _unit(np.nan_to_num(normals))
    lean = (given * flat).sum(axis=2, keepdims=True)
    return np.where(np.abs(lean) > 0.2, given * np.where(lean < 0, -1, 1), flat)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _from_obj(path: Path) -> Painted:
    import trimesh

    from isofield.data.mesh import read_mesh

    try:
        loaded = trimesh.load(path, process=False)
        geometries = loaded.geometry.values() if isinstance(loaded, trimesh.Scene) else [loaded]
        parts = [_from_trimesh(g) for g in geometries if len(getattr(g, "faces", ()))]
    except UNREADABLE:  # the shape alone makes a picture, too
        mesh = read_mesh(path)
        return plain(Mesh(mesh.vertices, mesh.faces))
    return joined(parts)


def _from_trimesh(geometry: Any) -> Painted:
    """One material's faces; normals only as read, since the property would make them up."""
    faces = np.asarray(geometry.faces, np.int64)
    normals = geometry._cache.cache.get("vertex_normals")
    if normals is not None:
        normals = np.asarray(normals)[faces] if len(normals) == len(geometry.vertices) else None
    corners = np.asarray(geometry.vertices, np.float64)[faces]
    visual = geometry.visual
    if visual.kind == "texture" and visual.material.kwargs:
        colour, opacity = _material(visual.material)
        uv = None if visual.uv is None else np.asarray(visual.uv)[faces]
        image = _pixels(visual.material.image)
        return _painted(corners, normals, np.tile(colour, (len(faces), 3, 1)), opacity, uv, image)
    if visual.kind == "vertex":
        return _painted(corners, normals, np.asarray(visual.vertex_colors)[faces, :3] / 255)
    return _painted(corners, normals, np.full((len(faces), 3, 3), GREY))


def _material(material: Any) -> tuple[Float[np.ndarray, "3"], float]:
    """Diffuse colour and opacity."""
    words = material.kwargs
    colour = np.asarray(words.get("kd", (GREY,) * 3), np.float64).reshape(-1)[:3]
    opacity = float(np.asarray(words.get("d", 1.0), np.float64).reshape(-1)[0])
    return np.clip(colour, 0, 1), float(np.clip(opacity, GLASS, 1))


def _pixels(image: Any) -> UInt8[np.ndarray, "_h _w 4"] | None:
    return None if image is None else np.asarray(image.convert("RGBA"))


def joined(parts: list[Painted]) -> Painted:
    """All parts as one."""
    starts = np.cumsum([0] + [len(part.textures) for part in parts])
    texture = [np.where(p.texture < 0, -1, p.texture + s) for p, s in zip(parts, starts, strict=False)]
    stack = lambda name: np.concatenate([getattr(part, name) for part in parts])  # noqa: E731
    return Painted(
        stack("corners"), stack("normals"), stack("colours"), stack("opacity"), stack("uv"),
        np.concatenate(texture), tuple(image for part in parts for image in part.textures),
    )  # fmt: skip
