"""Colour as a function of space -> a picture over the mesh."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from isofield.extract.simplify import simplify
from isofield.extract.unwrap import NotUnwrappedError, unwrap
from isofield.geometry import Mesh, Texture
from isofield.ops.query import query
from isofield.scene import Colour

FACES = 30_000
"""Most faces that are unwrapped; the picture carries what smaller faces would have shown."""
FILLED = 0.6
"""Share of the picture that charts fill, roughly; what xatlas reaches on scans."""
SMALLEST, LARGEST = 64, 8192
RIM = 1.5
"""Texels around each face that get a colour of the surface: more than bilinear sampling touches."""
BATCH = 1 << 21
"""Pairs of face and texel that are compared at once."""


@dataclass(frozen=True)
class Baked:
    """A textured mesh and what is to be known about it."""

    mesh: Mesh
    note: str | None = None
    """One sentence when the mesh has vertex colours only, or fewer faces than before."""


def bake_texture(
    mesh: Mesh,
    colour: Colour,
    size: int | None = 1024,
    *,
    texel: float | None = None,
    faces: int = FACES,
    seconds: float = 120.0,
) -> Baked:
    """The mesh with a square texture of `colour`, asked at each texel's own point of the surface.

    A mesh of more than `faces` faces is simplified first. Every texel that bilinear sampling can
    touch has the colour of the nearest point of its face, the rest that of the nearest such texel:
    no seam shows. The mesh stays as closed as it was. Where no charts can be made within
    `seconds`, it keeps all its faces and gets vertex colours instead, with a note.

    Args:
        mesh: In the frame of `colour`.
        colour: RGB in [0, 1].
        size: Texels along an edge of the picture; None chooses it by `texel`.
        texel: Wanted length of a texel on the surface; the picture's edge becomes the next power
            of two, at most 8192.
        faces: Most faces that are unwrapped.
        seconds: Longest time for unwrapping.

    Raises:
        ValueError: The size is out of range, or neither it nor a texel is given.
    """
    size = _size(mesh, size, texel)
    simplified = simplify(mesh, faces)
    small = simplified.mesh
    try:
        uv = unwrap(small, size, seconds)
    except NotUnwrappedError as error:
        colours = np.clip(query(colour, mesh.vertices), 0, 1).astype(np.float64)
        reason = f"no texture was made, the colours are those of the vertices: {error}"
        return Baked(replace(mesh, colours=colours, texture=None), reason)
    note = simplified.note
    if note is None and len(small.faces) < len(mesh.faces):
        note = f"simplified from {len(mesh.faces)} to {len(small.faces)} faces to carry the texture"
    image = paint(small, uv, colour, size)
    return Baked(replace(small, texture=Texture(uv, image)), note)


def _size(mesh: Mesh, size: int | None, texel: float | None) -> int:
    if size is None:
        if texel is None or not texel > 0:
            raise ValueError("give the texture's size, or the length of a texel")
        wanted = np.sqrt(mesh.face_areas().sum() / FILLED) / texel
        size = 1 << int(np.ceil(np.log2(np.clip(wanted, SMALLEST, LARGEST))))
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"a texture has between {SMALLEST} and {LARGEST} texels along its edge, not {size}")
    return size


def paint(
    mesh: Mesh, uv: Float[np.ndarray, "f 3 2"], colour: Colour, size: int
) -> UInt8[np.ndarray, "s s 3"]:
    """The picture: `colour` at the surface's points, spread over the texels between charts."""
    from scipy.ndimage import distance_transform_edt

    face, weights = surface_of_texels(uv, size)
    texel = np.flatnonzero(face >= 0)
    image = np.zeros((size * size, 3), dtype=np.uint8)
    points = np.einsum("nk,nkc->nc", weights[texel], mesh.vertices[mesh.faces[face[texel]]])
    image[texel] = np.round(np.clip(query(colour, points), 0, 1) * 255)
    if not len(texel):
        return image.reshape(size, size, 3)
    row, column = distance_transform_edt(
        (face < 0).reshape(size, size), return_distances=False, return_indices=True
    )
    return image.reshape(size, size, 3)[row, column]


def surface_of_texels(
    uv: Float[np.ndarray, "f 3 2"], size: int
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """The face nearest to each texel's centre, and the barycentric weights of its nearest point.

    Rows of the picture one after the other; -1 where no face is nearer than `RIM` texels. Of
    several faces as near, the first.
    """
    corners = uv * size
    face = np.full(size * size, -1, dtype=np.int64)
    weights = np.zeros((size * size, 3))
    for owner, texel, centre in _candidates(corners, size, 0.0):
        weight = _barycentric(corners[owner], centre)
        within = np.flatnonzero((weight >= 0).all(axis=1) & (face[texel] < 0))[::-1]  # the first is to win
        face[texel[within]], weights[texel[within]] = owner[within], weight[within]
    distance = np.where(face < 0, RIM, 0.0)
    # Of the texels around a face, its neighbours cover most; what is left are rims of charts.
    for owner, texel, centre in _candidates(corners, size, RIM):
        left = np.flatnonzero(distance[texel] > 0)
        owner, texel = owner[left], texel[left]
        away, weight = _nearest_on_edges(corners[owner], centre[left])
        order = np.lexsort((away, texel))
        order = order[np.diff(texel[order], prepend=-1) != 0]
        order = order[away[order] < distance[texel[order]]]
        chosen = texel[order]
        face[chosen], weights[chosen], distance[chosen] = owner[order], weight[order], away[order]
    return face, weights


def _candidates(
    corners: Float[np.ndarray, "f 3 2"], size: int, rim: float
) -> Iterator[tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, "n 2"]]]:
    """Batches of faces with the texels of the boxes around them, a rim included, and the texels' centres."""
    low = np.clip(np.floor(corners.min(axis=1) - rim), 0, size - 1).astype(np.int64)
    high = np.clip(np.ceil(corners.max(axis=1) + rim), 1, size).astype(np.int64)
    width = high - low
    ends = np.cumsum(width.prod(axis=1))
    start = 0
    while start < len(corners):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BATCH)))
        counts = width[start:stop].prod(axis=1)
        owner = np.repeat(np.arange(start, stop), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        x = low[owner, 0] + within % width[owner, 0]
        y = low[owner, 1] + within // width[owner, 0]
        yield owner, y * size + x, np.stack([x, y], axis=1) + 0.5
        start = stop


def _nearest_on_edges(
    corners: Float[np.ndarray, "n 3 2"], points: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Distance from each point to the edges of its triangle, and the nearest point's weights."""
    away, weights = np.full(len(points), np.inf), np.zeros((len(points), 3))
    for k in range(3):
        a, along = corners[:, k], corners[:, (k + 1) % 3] - corners[:, k]
        length = (along**2).sum(axis=1)
        share = np.clip(((points - a) * along).sum(axis=1) / np.where(length > 0, length, 1), 0, 1)
        gap = np.linalg.norm(a + share[:, None] * along - points, axis=1)
        rows = np.flatnonzero(gap < away)
        away[rows], weights[rows] = gap[rows], 0
        weights[rows, k], weights[rows, (k + 1) % 3] = 1 - share[rows], share[rows]
    return away, weights


def _barycentric(
    corners: Float[np.ndarray, "n 3 2"], points: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n 3"]:
    """Weights of the corners; not finite where the triangle has no area."""
    a, b, c = (corners[:, k] for k in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        area = _cross(b - a, c - a)
        second, third = _cross(points - a, c - a) / area, _cross(b - a, points - a) / area
        return np.stack([1 - second - third, second, third], axis=1)


def _cross(u: Float[np.ndarray, "n 2"], v: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
