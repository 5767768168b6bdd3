"""Vertices and normals on the level set itself."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.extract.marching import Surface
from isofield.extract.sampler import SLICE, Sampler
from isofield.geometry import Mesh

MARGIN = 1e-3
"""Part of an edge that its vertex keeps away from both ends, so that no triangles collapse."""


def place_vertices(
    surface: Surface, sampler: Sampler, steps: int, seam: Float[np.ndarray, "s 3"] | None = None
) -> Float[np.ndarray, "v 3"]:
    """Positions of the surface's own vertices, each strictly inside its own edge.

    The crossing of the straight line between the end values, improved by `steps` evaluations; the
    root stays bracketed, so steps in the field are found as well as slopes, and the mesh's
    topology cannot change. Caps lie exactly on the border of the box; middle vertices in the
    middle of their loop, which may lead over vertices of the `seam`.
    """
    count, edges = len(surface.number), len(surface.axis)
    vertices = np.zeros((count, 3)) if seam is None else np.concatenate([np.zeros((count, 3)), seam])
    for start in range(0, edges, SLICE):
        part = slice(start, min(start + SLICE, edges))
        vertices[surface.number[part]] = _on_edges(surface, part, sampler, steps)
        sampler.report(part.stop / edges)
    vertices[surface.number[edges:]] = _middles(vertices, surface.loops)
    return vertices[:count]


def _on_edges(surface: Surface, part: slice, sampler: Sampler, steps: int) -> Float[np.ndarray, "e 3"]:
    """Places of the vertices of some edges."""
    axis, low, high = surface.axis[part], surface.low[part], surface.high[part]
    places = sampler.lattice.positions(surface.upper[part])
    rows = np.arange(len(axis))
    upper = places[rows, axis]
    lower = (sampler.lattice.box.low + (surface.upper[part] - 1) * sampler.lattice.step)[rows, axis]
    is_low = low >= 0
    inner, outer = np.where(is_low, lower, upper), np.where(is_low, upper, lower)
    inside, outside = (np.where(swap, low, high).astype(np.float64) for swap in (is_low, ~is_low))
    free = np.isfinite(outside)
    edge = _Edges(places[free], axis[free], inner[free], (outer - inner)[free])
    share = np.ones(len(axis))
    share[free] = _crossings(sampler, edge, inside[free], outside[free], steps)
    places[rows, axis] = inner + share * (outer - inner)
    return places


@dataclass(frozen=True)
class _Edges:
    """Edges of a lattice, from their inner ends on."""

    places: Float[np.ndarray, "e 3"]
    """Any point of each."""
    axis: Int[np.ndarray, " e"]
    begin: Float[np.ndarray, " e"]
    """Coordinate of the inner end along the axis."""
    length: Float[np.ndarray, " e"]
    """From there to the outer end; may be negative."""

    def at(self, share: Float[np.ndarray, " e"]) -> Float[np.ndarray, "e 3"]:
        """The points at this share of the way."""
        points = self.places.copy()
        points[np.arange(len(points)), self.axis] = self.begin + share * self.length
        return points


def _crossings(
    sampler: Sampler,
    edges: _Edges,
    inner_value: Float[np.ndarray, " e"],
    outer_value: Float[np.ndarray, " e"],
    steps: int,
) -> Float[np.ndarray, " e"]:
    """Where the field is zero, as a share of the way from the inner to the outer end."""
    # a: the newest point, b: the last one of the other sign, c: the one before.
    count = len(inner_value)
    a, b, a_value, b_value = np.ones(count), np.zeros(count), outer_value, inner_value
    share = np.clip(inner_value / (inner_value - outer_value), MARGIN, 1 - MARGIN)
    size = inner_value - outer_value
    for left in reversed(range(steps if count else 0)):
        value = sampler.values(edges.at(share)).astype(np.float64)
        same = (value >= 0) == (a_value >= 0)
        b, b_value, c, c_value = (
            np.where(same, b, a),
            np.where(same, b_value, a_value),
            np.where(same, a, b),
            np.where(same, a_value, b_value),
        )
        a, a_value = share, value
        # A last guess is not checked any more, and a root that was hit is not to be left.
        sure = (np.abs(value) < 1e-5 * size) | (left == 0)
        step = _step(a, b, c, a_value, b_value, c_value, sure)
        share = np.clip(a + step * (b - a), MARGIN, 1 - MARGIN)
    return share


def _step(
    a: Float[np.ndarray, " e"],
    b: Float[np.ndarray, " e"],
    c: Float[np.ndarray, " e"],
    fa: Float[np.ndarray, " e"],
    fb: Float[np.ndarray, " e"],
    fc: Float[np.ndarray, " e"],
    sure: Bool[np.ndarray, " e"],
) -> Float[np.ndarray, " e"]:
    """Next point between a (0) and b (1), whose values differ in sign.

    Inverse quadratic interpolation where it is monotone between the points, else the middle
    (Chandrupatla 1997), or the secant where the guess had better be sure.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        place, height = (a - b) / (c - b), (fa - fb) / (fc - fb)
        step = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        smooth = (height**2 < place) & ((1 - height) ** 2 < 1 - place) & (step >= 0) & (step <= 1)
    return np.where(smooth, step, np.where(sure, fa / (fa - fb), 0.5))


def _middles(vertices: Float[np.ndarray, "v 3"], loops: np.ndarray) -> Float[np.ndarray, "m 3"]:
    """Mean of each loop's vertices."""
    there = loops >= 0
    return (vertices[loops] * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True)


def field_normals(mesh: Mesh, sampler: Sampler) -> Float[np.ndarray, "v 3"]:
    """Unit normals against the field's gradient, by differences over one finest cell.

    The area-weighted normal of the faces takes its place on caps of the box, where the gradient
    vanishes, and where it points inwards, as it may when a part is thinner than the differences.
    """
    box, step = sampler.lattice.box, sampler.lattice.step
    gradient = differences(mesh.vertices, sampler, 0.5)
    length = np.linalg.norm(gradient, axis=1)
    normals = -gradient / np.where(length == 0, 1, length)[:, None]
    around = mesh.vertex_normals()
    doubtful = (length <= 1e-6 * np.median(length)) | ((normals * around).sum(axis=1) <= 0)
    if sampler.closed:
        near = 1e-6 * step
        doubtful |= ((mesh.vertices <= box.low + near) | (mesh.vertices >= box.high - near)).any(axis=1)
    return np.where(doubtful[:, None], around, normals)


def differences(points: Float[np.ndarray, "n 3"], sampler: Sampler, reach: float) -> Float[np.ndarray, "n 3"]:
    """Gradients by central differences, `reach` finest cells to either side.

    Beyond the box the field means nothing: differences become one-sided there.
    """
    box, gradient = sampler.lattice.box, np.empty_like(points)
    for axis in range(3):
        way = np.zeros(3)
        way[axis] = reach * sampler.lattice.step[axis]
        ahead, behind = np.minimum(points + way, box.high), np.maximum(points - way, box.low)
        change = sampler.values(ahead).astype(np.float64) - sampler.values(behind)
        gradient[:, axis] = change / np.maximum(ahead[:, axis] - behind[:, axis], np.finfo(float).tiny)
        sampler.report((axis + 1) / 3)
    return gradient
