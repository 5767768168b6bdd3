"""Any function of space -> the mesh of its zero surface."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from isofield.errors import InputError
from isofield.geometry import Box, Mesh
from isofield.ops.query import query
from isofield.scene import Colour, Inside

Progress = Callable[[str, float], None]
"""Called with the stage's name and the share of it that is done, in [0, 1]."""


def extract_mesh(
    inside: Inside,
    box: Box,
    *,
    resolution: int = 128,
    coarse: int | None = None,
    colour: Colour | None = None,
    keep: Literal["all", "largest"] | float = "all",
    faces: int | None = None,
    normals: Literal["field", "faces"] | None = "field",
    project: int = 2,
    closed: bool = True,
    progress: Progress | None = None,
) -> Mesh:
    """Zero surface of `inside` within the box, in the box's frame: closed, counter-clockwise from outside."""
    from skimage.measure import marching_cubes

    step = box.extent.max() / resolution
    cells = np.maximum(np.ceil(box.extent / step - 1e-9).astype(int), 1)
    axes = [low + step * np.arange(n + 1) for low, n in zip(box.low, cells, strict=True)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    values = query(inside, nodes).reshape(tuple(cells + 1))
    if not values.min() < 0 < values.max():
        raise InputError(f"the field never crosses zero: its values lie between {values.min():.4g} and {values.max():.4g}")
    values = np.pad(values, 1, constant_values=-np.abs(values).max())
    vertices, triangles, _, _ = marching_cubes(values, 0.0)
    vertices = box.low + step * (vertices.astype(np.float64) - 1)
    mesh = Mesh(vertices, triangles.astype(np.int64))
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    if (np.cross(a, b) * c).sum() < 0:
        mesh = Mesh(mesh.vertices, mesh.faces[:, ::-1].copy())
    colours = None if colour is None else query(colour, vertices).astype(np.float64)
    return Mesh(mesh.vertices, mesh.faces, None, colours)
