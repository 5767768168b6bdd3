"""Textures of one object in one table of texels, each halved down to a single one."""

import numpy as np
from jaxtyping import Float, Int, UInt8

from isofield.data.glb import linear_from_srgb
from isofield.data.painted import Painted

LEVELS = 12
"""Halvings that are kept; textures beyond 4,096 pixels are rare and then merely a little rough."""


class Texels:
    """Answers with linear colour and opacity; the coarser level where texels are smaller than samples."""

    def __init__(self, painted: Painted) -> None:
        self._face_texture = painted.texture
        self._uv = painted.uv.astype(np.float32)
        self._density = _texels_per_length(painted)
        tables: list[np.ndarray] = []
        self._sizes = np.ones((max(len(painted.textures), 1), LEVELS, 2), np.int64)
        self._starts = np.zeros((max(len(painted.textures), 1), LEVELS), np.int64)
        count = 0
        for number, image in enumerate(painted.textures):
            for level, table in enumerate(_pyramid(image)):
                self._sizes[number, level], self._starts[number, level] = table.shape[:2], count
                tables.append(table.reshape(-1, 4))
                count += len(tables[-1])
        self._table = np.concatenate(tables) if tables else np.ones((1, 4), np.float32)

    def at(
        self, face: Int[np.ndarray, " n"], shares: Float[np.ndarray, "n 3"], sample: float
    ) -> Float[np.ndarray, "n 4"]:
        """Nearest texels on faces that have a texture.

        Args:
            face: Which triangle.
            shares: Barycentric coordinates.
            sample: Length on the surface from one sample to the next.
        """
        number = self._face_texture[face]
        coarse = np.log2(np.maximum(self._density[face] * sample, 1.0))
        level = np.minimum(coarse + 0.5, LEVELS - 1).astype(np.int64)
        height, width = self._sizes[number, level].T
        uv = np.einsum("nk,nkc->nc", shares, self._uv[face])
        column = np.minimum((uv[:, 0] % 1 * width).astype(np.int64), width - 1)
        row = np.minimum(((1 - uv[:, 1]) % 1 * height).astype(np.int64), height - 1)
        return self._table[self._starts[number, level] + row * width + column]


def _pyramid(image: UInt8[np.ndarray, "_h _w 4"]) -> list[np.ndarray]:
    """The image, linear, and its halvings: `LEVELS` tables of (height width 4)."""
    colour = linear_from_srgb(np.arange(256)[:, None].repeat(3, axis=1) / 255)[:, 0].astype(np.float32)[
        image[:, :, :3]
    ]
    table = np.concatenate([colour, image[:, :, 3:].astype(np.float32) / 255], axis=2)
    result = [table]
    for _ in range(LEVELS - 1):
        for axis in (0, 1):
            if table.shape[axis] > 1:
                even = np.moveaxis(table, axis, 0)[: table.shape[axis] // 2 * 2]
                table = np.moveaxis((even[::2] + even[1::2]) / 2, 0, axis)
        result.append(table)
    return result


def _texels_per_length(painted: Painted) -> Float[np.ndarray, " f"]:
    """How many texels a unit of length on each face has, as the square root of areas; 0 without texture."""
    sizes = np.array([image.shape[0] * image.shape[1] for image in painted.textures] or [0])
    edges = painted.corners[:, 1:] - painted.corners[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    a, b = (painted.uv[:, 1:] - painted.uv[:, :1]).transpose(1, 0, 2)
    chart = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    pixels = np.where(painted.texture >= 0, sizes[painted.texture], 0)
    return np.sqrt(chart * pixels / np.maximum(area, 1e-12))
