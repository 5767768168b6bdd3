"""Meshes as GLB, the binary form of glTF 2.0.

Written by ourselves for three reasons: glTF wants vertex colours linear while ours are sRGB, its
32-bit positions need an offset in the node for coordinates such as UTM, and the same mesh must give
the same bytes. Pictures stay sRGB, as glTF wants them.
"""

import io
import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from isofield.data.precision import needs_double
from isofield.geometry import Box, Mesh

FLOAT, UINT = 5126, 5125
VERTICES, INDICES = 34962, 34963
LINEAR, LINEAR_OF_MIPMAPS, CLAMPED = 9729, 9987, 33071
GREY = 0.6
"""Linear base colour of meshes without colours."""


def glb_bytes(mesh: Mesh) -> bytes:
    """The mesh as one GLB file: positions, normals, colours, a matt two-sided material.

    A texture is embedded as PNG, with vertices doubled along its seams; otherwise vertex colours
    are written, linear. Axes are those of the mesh: nothing is turned, although glTF viewers show
    +y upwards.
    """
    mesh, uv = _along_seams(mesh)
    offset = Box.around(mesh.vertices).centre if needs_double(mesh.vertices) else np.zeros(3)
    buffer = _Buffer()
    attributes = {"POSITION": buffer.add(mesh.vertices - offset, "<f4", bounds=True)}
    if mesh.normals is not None:
        attributes["NORMAL"] = buffer.add(_nonzero(mesh.normals), "<f4")
    if uv is not None:
        attributes["TEXCOORD_0"] = buffer.add(uv, "<f4")
    elif mesh.colours is not None:
        attributes["COLOR_0"] = buffer.add(linear_from_srgb(mesh.colours), "<f4")
    indices = buffer.add(mesh.faces.reshape(-1), "<u4")
    coloured = uv is not None or mesh.colours is not None
    document = _document(buffer, attributes, indices, offset, coloured)
    if mesh.texture is not None:
        _add_texture(document, buffer, mesh.texture.image)
    return _pack(document, buffer.bytes())


def _along_seams(mesh: Mesh) -> tuple[Mesh, Float[np.ndarray, "n 2"] | None]:
    """The mesh with one place in the picture per vertex, and these places."""
    if mesh.texture is None:
        return mesh, None
    source, uv, faces = mesh.texture.along_seams(mesh.faces)
    normals = None if mesh.normals is None else mesh.normals[source]
    return replace(mesh, vertices=mesh.vertices[source], faces=faces, normals=normals, colours=None), uv


def _add_texture(document: dict[str, Any], buffer: "_Buffer", image: UInt8[np.ndarray, "h w 3"]) -> None:
    """Embeds the picture and makes it the material's base colour."""
    view = buffer.add_bytes(_png(image))
    document["images"] = [{"bufferView": view, "mimeType": "image/png"}]
    document["samplers"] = [
        {"magFilter": LINEAR, "minFilter": LINEAR_OF_MIPMAPS, "wrapS": CLAMPED, "wrapT": CLAMPED}
    ]
    document["textures"] = [{"sampler": 0, "source": 0}]
    document["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    document["buffers"][0]["byteLength"] = buffer.length


def _png(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def linear_from_srgb(colours: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Light intensities in [0, 1] of colours as screens take them (IEC 61966-2-1)."""
    colours = np.clip(colours, 0, 1)
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(colours: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Inverse of `linear_from_srgb`."""
    colours = np.clip(colours, 0, 1)
    return np.where(colours <= 0.0031308, colours * 12.92, 1.055 * colours ** (1 / 2.4) - 0.055)


def _document(
    buffer: "_Buffer",
    attributes: dict[str, int],
    indices: int,
    offset: Float[np.ndarray, "3"],
    coloured: bool,
) -> dict[str, Any]:
    node: dict[str, Any] = {"mesh": 0, "name": "mesh"}
    if offset.any():
        node["translation"] = offset.tolist()
    base = [1.0, 1.0, 1.0, 1.0] if coloured else [GREY, GREY, GREY, 1.0]
    material = {
        "pbrMetallicRoughness": {"baseColorFactor": base, "metallicFactor": 0.0, "roughnessFactor": 0.85},
        "doubleSided": True,
    }
    return {
        "asset": {"version": "2.0", "generator": "isofield"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [
            {"primitives": [{"attributes": attributes, "indices": indices, "material": 0, "mode": 4}]}
        ],
        "materials": [material],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.length}],
    }


class _Buffer:
    """The binary part, growing array by array."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: np.ndarray, kind: str, bounds: bool = False) -> int:
        """Number of the new accessor. All types have four bytes, so everything stays aligned."""
        array = np.ascontiguousarray(array, dtype=kind)
        data = array.tobytes()
        target = INDICES if kind == "<u4" else VERTICES
        self.views.append({"buffer": 0, "byteOffset": self.length, "byteLength": len(data), "target": target})
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": UINT if kind == "<u4" else FLOAT,
            "count": len(array),
            "type": "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}",
        }
        if bounds:  # of the rounded values, as validators compare exactly
            accessor["min"], accessor["max"] = array.min(axis=0).tolist(), array.max(axis=0).tolist()
        self.accessors.append(accessor)
        self.parts.append(data)
        self.length += len(data)
        return len(self.accessors) - 1

    def add_bytes(self, data: bytes) -> int:
        """Number of the new view, without an accessor; comes last, as its length need not be aligned."""
        self.views.append({"buffer": 0, "byteOffset": self.length, "byteLength": len(data)})
        self.parts.append(data)
        self.length += len(data)
        return len(self.views) - 1

    def bytes(self) -> bytes:
        return b"".join(self.parts)


def _nonzero(normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Unit vectors throughout, which glTF insists on."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), (0.0, 0.0, 1.0))


def _pack(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    length = 12 + 8 + len(text) + 8 + len(binary)
    return b"".join(
        (
            struct.pack("<4sII", b"glTF", 2, length),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(binary), b"BIN\0"),
            binary,
        )
    )
