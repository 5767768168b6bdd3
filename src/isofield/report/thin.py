"""A light copy of a mesh for the page."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry import Mesh


def thin_mesh(mesh: Mesh, most: int) -> Mesh:
    """The mesh itself if it has at most `most` faces, else a copy whose vertices share grid cells.

    Vertices in one cell become their mean, faces that collapse go (vertex clustering, Rossignac
    and Borrel 1993): coarse, but linear in time, and with the averaged normals good to look at.
    """
    if mesh.normals is None:
        mesh = replace(mesh, normals=mesh.vertex_normals())
    if len(mesh.faces) <= most:
        return mesh
    # A surface of area A in cells of edge h keeps about 2 A / h^2 faces; a second try corrects.
    edge = np.sqrt(2.2 * mesh.face_areas().sum() / most)
    for _ in range(8):
        thin = _cluster(mesh, edge)
        if len(thin.faces) <= most:
            return thin
        edge *= 1.03 * np.sqrt(len(thin.faces) / most)
    return thin


def unit(vectors: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """The vectors at length one; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-300)


def _cluster(mesh: Mesh, edge: float) -> Mesh:
    cells = np.floor((mesh.vertices - mesh.vertices.min(axis=0)) / edge).astype(np.int64)
    size = cells.max(axis=0) + 1
    keys = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    _, cell_of, count = np.unique(keys, return_inverse=True, return_counts=True)
    mean = lambda a: _sum_by(cell_of, a, len(count)) / count[:, None]  # noqa: E731
    faces = cell_of[mesh.faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    assert mesh.normals is not None
    return Mesh(
        mean(mesh.vertices),
        faces.astype(np.int64),
        unit(mean(mesh.normals)),
        None if mesh.colours is None else mean(mesh.colours),
    )


def _sum_by(
    group: Int[np.ndarray, " n"], values: Float[np.ndarray, "n c"], groups: int
) -> Float[np.ndarray, "g c"]:
    return np.stack([np.bincount(group, column, groups) for column in values.T], axis=1)
