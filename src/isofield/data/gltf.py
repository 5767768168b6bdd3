"""GLB and GLTF -> Mesh: all triangles of the scene, put where its nodes say, with colours.

Read by ourselves because trimesh rounds colours to bytes, which are linear here: dark ones would be lost.
Compressed geometry (Draco, meshopt) and sparse accessors are not read.
"""

import base64
import binascii
import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from jaxtyping import Float, Int

from isofield.data.glb import linear_from_srgb, srgb_from_linear
from isofield.errors import InputError
from isofield.geometry import Mesh

KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
KNOWN_EXTENSIONS = ("KHR_texture_transform", "KHR_materials_", "KHR_lights_", "KHR_mesh_quantization")
POINTS, TRIANGLES, STRIP, FAN = 0, 4, 5, 6


def read_gltf(path: Path) -> Mesh:
    """The scene as one mesh; colours are sRGB, of vertices and textures, times the material's.

    A scene whose materials are all grey has no colours. Skinned meshes come in their bind pose.

    Raises:
        InputError: The file is damaged, or compressed in a way that we don't read.
    """
    try:
        scene = _open(path)
        refused = [e for e in scene.json.get("extensionsRequired", []) if not e.startswith(KNOWN_EXTENSIONS)]
        if refused:
            raise InputError(
                f"{path} needs the glTF extension {refused[0]}, which is not read; export it plainly."
            )
        parts = [part for mesh, matrix in _placed(scene) for part in _parts(scene, mesh, matrix)]
    except InputError:
        raise
    except Exception as error:  # a damaged file can contradict itself in any way
        reason = (str(error).splitlines() or [""])[0][:100]
        raise InputError(f"{path} is a damaged glTF file ({type(error).__name__}: {reason}).") from error
    if not parts:
        raise InputError(f"{path} holds no triangles and no points.")
    return join(parts)


@dataclass
class _Scene:
    """The JSON part and the bytes it speaks of."""

    json: dict[str, Any]
    binary: bytes
    folder: Path
    textures: dict[int, np.ndarray] = field(default_factory=dict)

    def buffer(self, index: int) -> bytes:
        uri = self.json["buffers"][index].get("uri")
        return self.binary if uri is None else self.fetch(uri)

    def fetch(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.split(",", 1)[1])
            except (binascii.Error, IndexError) as error:
                raise InputError(f"{self.folder}: a data URI cannot be decoded.") from error
        file = self.folder / unquote(uri)
        if not file.is_file():
            raise InputError(f"{file} is missing; the glTF file beside it needs it.")
        return file.read_bytes()

    def view(self, index: int) -> tuple[bytes, int]:
        """Bytes of a view, and its stride (0: none)."""
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.buffer(view["buffer"])[start : start + view["byteLength"]], view.get("byteStride", 0)

    def array(self, index: int) -> np.ndarray:
        """Values of an accessor, (n, width); normalised integers become floats."""
        accessor = self.json["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise InputError(f"{self.folder}: sparse glTF accessors are not read; export the file plainly.")
        data, stride = self.view(accessor["bufferView"])
        dtype, width = np.dtype(KINDS[accessor["componentType"]]), WIDTHS[accessor["type"]]
        size, count, offset = dtype.itemsize * width, accessor["count"], accessor.get("byteOffset", 0)
        stride = stride or size
        if count < 0 or offset < 0 or stride < size or offset + (count - 1) * stride + size > len(data):
            raise InputError(f"{self.folder}: a glTF accessor reaches beyond the end of its data.")
        values = np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize))
        if accessor.get("normalized") and dtype.kind in "iu":
            return np.maximum(values / np.iinfo(dtype).max, -1.0)
        return values

    def texture(self, index: int) -> Float[np.ndarray, "h w 3"]:
        """Pixels of a texture in [0, 1], sRGB."""
        if index not in self.textures:
            from PIL import Image

            image = self.json["images"][self.json["textures"][index]["source"]]
            data = self.view(image["bufferView"])[0] if "bufferView" in image else self.fetch(image["uri"])
            self.textures[index] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64) / 255
        return self.textures[index]


def _open(path: Path) -> _Scene:
    data = path.read_bytes()
    if not data.startswith(b"glTF"):
        return _Scene(json.loads(data), b"", path.parent)
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + length > len(data):
            raise InputError(
                f"{path} is cut off: {length} bytes are promised, {len(data) - at - 8} are there."
            )
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    return _Scene(json.loads(chunks[b"JSON"]), chunks.get(b"BIN\0", b""), path.parent)


def _placed(scene: _Scene) -> Iterator[tuple[dict[str, Any], Float[np.ndarray, "4 4"]]]:
    """Every mesh of the scene with its matrix; a mesh that no node shows is not there."""
    nodes = scene.json.get("nodes", [])
    if not nodes:
        yield from ((mesh, np.eye(4)) for mesh in scene.json.get("meshes", []))
        return
    scenes = scene.json.get("scenes")
    roots = scenes[scene.json.get("scene", 0)].get("nodes", []) if scenes else list(range(len(nodes)))
    stack = [(root, np.eye(4), 0) for root in reversed(roots)]
    while stack:
        index, above, depth = stack.pop()
        if depth > len(nodes):
            raise ValueError("nodes contain themselves")
        node = nodes[index]
        matrix = above @ _matrix(node)
        if "mesh" in node:
            # Vertices of skinned meshes are placed by their joints; the node has no say.
            yield scene.json["meshes"][node["mesh"]], np.eye(4) if "skin" in node else matrix
        stack += [(child, matrix, depth + 1) for child in reversed(node.get("children", []))]


def _matrix(node: dict[str, Any]) -> Float[np.ndarray, "4 4"]:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    result = np.eye(4)
    result[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)), np.float64)
    result[:3, 3] = node.get("translation", (0, 0, 0))
    return result


def _parts(scene: _Scene, mesh: dict[str, Any], matrix: Float[np.ndarray, "4 4"]) -> Iterator[Mesh]:
    for primitive in mesh["primitives"]:
        attributes, mode = primitive["attributes"], primitive.get("mode", TRIANGLES)
        if "POSITION" not in attributes or mode not in (POINTS, TRIANGLES, STRIP, FAN):
            continue  # lines
        linear = matrix[:3, :3]
        vertices = scene.array(attributes["POSITION"]).astype(np.float64) @ linear.T + matrix[:3, 3]
        count = len(vertices)
        index = scene.array(primitive["indices"])[:, 0] if "indices" in primitive else np.arange(count)
        faces = _triangles(index.astype(np.int64), mode)
        if np.linalg.det(linear) < 0:  # mirrored: outside would become inside
            faces = faces[:, ::-1]
        normals = None
        if "NORMAL" in attributes:
            normals = scene.array(attributes["NORMAL"]).astype(np.float64) @ np.linalg.inv(linear)
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        yield Mesh(vertices, faces, normals, _colours(scene, primitive, count))


def _triangles(index: Int[np.ndarray, " n"], mode: int) -> Int[np.ndarray, "f 3"]:
    if mode == TRIANGLES:
        return index[: len(index) // 3 * 3].reshape(-1, 3)
    i = np.arange(0 if mode == POINTS else max(len(index) - 2, 0))
    if mode == FAN:
        return np.stack([index[0 * i], index[i + 1], index[i + 2]], axis=1)
    odd = i % 2  # every second triangle of a strip runs the other way
    return np.stack([index[i], index[i + 1 + odd], index[i + 2 - odd]], axis=1)


def _colours(scene: _Scene, primitive: dict[str, Any], count: int) -> Float[np.ndarray, "v 3"] | None:
    """Vertex colour x texture x base colour, all linear, as sRGB; None if all of it is grey."""
    attributes = primitive["attributes"]
    material = scene.json["materials"][primitive["material"]] if "material" in primitive else {}
    paint = material.get("pbrMetallicRoughness", {})
    base = np.array(paint.get("baseColorFactor", (1, 1, 1, 1)), np.float64)[:3]
    colours = np.tile(base, (count, 1))
    own = bool(np.ptp(base) > 0)
    if "COLOR_0" in attributes:
        colours = colours * scene.array(attributes["COLOR_0"])[:, :3]
        own = True
    chart = paint.get("baseColorTexture")
    uv = None if chart is None else attributes.get(f"TEXCOORD_{chart.get('texCoord', 0)}")
    if chart is not None and uv is not None:
        pixels = scene.texture(chart["index"])
        colours = colours * linear_from_srgb(_sampled(pixels, scene.array(uv).astype(np.float64)))
        own = True
    return srgb_from_linear(colours) if own else None


def _sampled(pixels: Float[np.ndarray, "h w 3"], uv: Float[np.ndarray, "v 2"]) -> Float[np.ndarray, "v 3"]:
    """Bilinear samples of a repeating texture whose origin is its upper left corner."""
    height, width = pixels.shape[:2]
    at = np.nan_to_num(uv) % 1.0 * (width, height) - 0.5
    low = np.floor(at).astype(np.int64)
    share = at - low
    result = np.zeros((len(uv), 3))
    for dx, wx in ((0, 1 - share[:, 0]), (1, share[:, 0])):
        for dy, wy in ((0, 1 - share[:, 1]), (1, share[:, 1])):
            result += pixels[(low[:, 1] + dy) % height, (low[:, 0] + dx) % width] * (wx * wy)[:, None]
    return result


def join(parts: list[Mesh]) -> Mesh:
    """All parts as one mesh; parts without colours are white if others have them, normals need all."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    normals = [part.normals for part in parts if part.normals is not None]
    coloured = any(part.colours is not None for part in parts)
    white = [np.ones((len(p.vertices), 3)) if p.colours is None else p.colours for p in parts]
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate(normals) if len(normals) == len(parts) else None,
        np.concatenate(white) if coloured else None,
    )
