"""Arrays as base64 text for a page."""

import base64
from typing import Any

import numpy as np
from jaxtyping import Float

from isofield.geometry import Mesh


def pack(array: np.ndarray, kind: str) -> dict[str, str]:
    """The array as base64 with the name of the JavaScript array that holds it.

    `kind` is a little-endian numpy type: `<f4`, `<u4`, `<u2`, `u1` or `i1`.
    """
    names = {
        "<f4": "Float32Array",
        "<u4": "Uint32Array",
        "<u2": "Uint16Array",
        "u1": "Uint8Array",
        "i1": "Int8Array",
    }
    data = np.ascontiguousarray(array, dtype=kind).tobytes()
    return {"type": names[kind], "data": base64.b64encode(data).decode("ascii")}


def pack_positions(points: Float[np.ndarray, "n 3"], low: np.ndarray, scale: float) -> dict[str, str]:
    """Positions in 16 bits over the cube at `low` with edge 1 / scale: finer than any screen."""
    return pack(np.clip(np.rint((points - low) * scale * 65535), 0, 65535), "<u2")


def pack_share(values: Float[np.ndarray, "*n"]) -> dict[str, str]:
    """Values in [0, 1] in 8 bits."""
    return pack(np.clip(np.rint(values * 255), 0, 255), "u1")


def pack_normals(normals: Float[np.ndarray, "n 3"]) -> dict[str, str]:
    """Unit vectors in 8 bits per axis."""
    return pack(np.clip(np.rint(normals * 127), -127, 127), "i1")


def pack_mesh(mesh: Mesh, low: np.ndarray, scale: float) -> dict[str, Any]:
    """Positions, normals, faces and, where there, colours."""
    assert mesh.normals is not None
    packed: dict[str, Any] = {
        "positions": pack_positions(mesh.vertices, low, scale),
        "normals": pack_normals(mesh.normals),
        "faces": pack(mesh.faces.ravel(), "<u2" if len(mesh.vertices) < 65536 else "<u4"),
    }
    if mesh.colours is not None:
        packed["colours"] = pack_share(mesh.colours)
    return packed
