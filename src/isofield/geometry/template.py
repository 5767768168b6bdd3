"""Squares and spheres that surfaces are made of: their vertices and faces."""

import numpy as np
from jaxtyping import Float, Int


def square(side: int) -> tuple[Float[np.ndarray, "n 2"], Int[np.ndarray, "f 3"]]:
    """Vertices of a grid over [0, 1]^2, first coordinate slowest, and two triangles for each cell.

    Raises:
        ValueError: A side of fewer than two vertices has no cells.
    """
    if side < 2:
        raise ValueError(f"a grid of {side} vertices along a side has no cells")
    along = np.linspace(0, 1, side)
    vertices = np.stack(np.meshgrid(along, along, indexing="ij"), -1).reshape(-1, 2)
    number = np.arange(side * side).reshape(side, side)
    a, b, c, d = (
        part.ravel() for part in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:])
    )
    return vertices, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def icosphere(halvings: int) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "f 3"]]:
    """Vertices of length 1 and faces, seen counter-clockwise from outside: an icosahedron, halved.

    Each halving makes four triangles of one; after 4 there are 2,562 vertices.
    """
    golden = (1 + 5**0.5) / 2
    corners = np.array([[s, t * golden, 0] for s in (-1, 1) for t in (-1, 1)], np.float64)
    vertices = np.concatenate([np.roll(corners, turn, 1) for turn in range(3)])
    faces = _hull(vertices)
    for _ in range(halvings):
        vertices, faces = _halved(vertices, faces)
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), faces


def _hull(vertices: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, "f 3"]:
    """Triangles of the convex hull of a solid with triangular faces, outwards."""
    from scipy.spatial import ConvexHull

    faces = ConvexHull(vertices).simplices.astype(np.int64)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    inwards = (np.cross(b - a, c - a) * a).sum(1) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    return faces


def _halved(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every edge gets a vertex in its middle, pushed out to the length of its ends."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    ends, place = np.unique(edges, axis=0, return_inverse=True)
    middles = vertices[ends].mean(1)
    middles *= np.linalg.norm(vertices[0]) / np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = (len(vertices) + place.reshape(-1, 3)).T
    a, b, c = faces.T
    quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([vertices, middles]), np.concatenate([np.stack(q, 1) for q in quarters])
