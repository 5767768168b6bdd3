"""Vertices and normals on the level set itself."""

import numpy as np
from jaxtyping import Bool, Float

from isofield.extract.marching import Surface
from isofield.extract.sampler import Sampler
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
    lattice = sampler.lattice
    inner, outer = lattice.positions(surface.inner), lattice.positions(surface.outer)
    free = np.isfinite(surface.outer_value)
    share = np.ones(len(inner))
    share[free] = _crossings(
        sampler, inner[free], outer[free], surface.inner_value[free], surface.outer_value[free], steps
    )
    count = len(surface.number)
    vertices = np.zeros((count, 3)) if seam is None else np.concatenate([np.zeros((count, 3)), seam])
    vertices[surface.number[: len(inner)]] = inner + share[:, None] * (outer - inner)
    vertices[surface.number[len(inner) :]] = _middles(vertices, surface.loops)
    return vertices[:count]


def _crossings(
    sampler: Sampler,
    inner: Float[np.ndarray, "e 3"],
    outer: Float[np.ndarray, "e 3"],
    inner_value: Float[np.ndarray, " e"],
    outer_value: Float[np.ndarray, " e"],
    steps: int,
) -> Float[np.ndarray, " e"]:
    """Where the field is zero, as a share of the way from the inner to the outer end."""
    # a: the newest point, b: the last one of the other sign, c: the one before.
    a, b, a_value, b_value = np.ones(len(inner)), np.zeros(len(inner)), outer_value, inner_value
    share = np.clip(inner_value / (inner_value - outer_value), MARGIN, 1 - MARGIN)
    size = inner_value - outer_value
    for left in reversed(range(steps if len(inner) else 0)):
        value = sampler.values(inner + share[:, None] * (outer - inner)).astype(np.float64)
        sampler.report(1 - (left + 1) / (steps + 1))
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
    gradient = np.empty_like(mesh.vertices)
    for axis in range(3):
        reach = np.zeros(3)
        reach[axis] = step[axis] / 2
        # Beyond the box the field means nothing: differences become one-sided there.
        ahead, behind = (
            np.minimum(mesh.vertices + reach, box.high),
            np.maximum(mesh.vertices - reach, box.low),
        )
        change = sampler.values(ahead).astype(np.float64) - sampler.values(behind)
        gradient[:, axis] = change / np.maximum(ahead[:, axis] - behind[:, axis], np.finfo(float).tiny)
        sampler.report((axis + 1) / 3)
    length = np.linalg.norm(gradient, axis=1)
    normals = -gradient / np.where(length == 0, 1, length)[:, None]
    around = mesh.vertex_normals()
    doubtful = (length <= 1e-6 * np.median(length)) | ((normals * around).sum(axis=1) <= 0)
    if sampler.closed:
        near = 1e-6 * step
        doubtful |= ((mesh.vertices <= box.low + near) | (mesh.vertices >= box.high - near)).any(axis=1)
    return np.where(doubtful[:, None], around, normals)
