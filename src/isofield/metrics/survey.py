"""What a point cloud is like: spacing, noise, outliers, normals, open or closed.

Everything local is measured at a sample of the points, against all of them; the answers are medians and
shares, so a few thousand places are enough.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.observation import PointCloud
from isofield.ops.cells import cell_keys, one_per_cell

PLACES = 5_000
"""Points at which local things are measured."""
NEAR = 32
"""Neighbours of a local fit: more than five times the unknowns of a quadric."""
MOST = 1_000_000
"""Points in the search tree; of larger clouds whole blocks are taken, so that the spacing stays."""
EVEN = 20_000
"""Points, about, that remain to look for edges of the surface."""
GAP, STRICT_GAP = 2.09, 2.6
"""Free angle around a point, in radians, beyond which it lies on an edge."""
ONE_HEIGHT = 0.3
"""Share of the whole height that a place of the map may span in terrain."""
ALONE = 2.5
"""How many times farther from its neighbours than these from theirs an outlier is."""
SHEET = 0.3
"""Thickness against width up to which sparse points may be a surface."""


@dataclass(frozen=True)
class Survey:
    """Statistics of a cloud; lengths in its units, shares in [0, 1]."""

    points: int
    looked_at: int
    """Points among which neighbours were searched: all, or those of a sample of blocks."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    duplicates: int
    """Points that repeat another one exactly."""
    spacing: float
    """Side of the square that each point has for itself on the surface, by its 10th neighbour; median."""
    nearest: float
    """Distance to the nearest other point; median."""
    unevenness: float
    """Spacing where points are sparse (90th percentile) over that where they are dense (10th)."""
    noise: float
    """Standard deviation of the points off the local surface; NaN below a hundred points."""
    outliers: float
    """Share of points far off their neighbours, or in thin clouds that are no surface."""
    rim: float
    """Length of the surface's edge times its extent over its area: 0 if closed, above 1 if open."""
    rim_strict: float
    """The same by a stricter rule, which thin parts don't deceive but which misses short edges."""
    relief: float
    """Thinnest over longest principal extent: near 0 for sheets such as terrain."""
    layers: float
    """Height range (z) above one place, median over a map, to that of all: near 0 for terrain."""
    normals_agree: float | None = None
    """Share of neighbours whose normals point to the same side; None without normals."""
    normals_fit: float | None = None
    """Median cosine between the normals and the local surface's."""
    normals_out: float | None = None
    """Share of the enclosed volume, from -1 (normals point inwards) to 1 (outwards)."""

    @property
    def closedness(self) -> str:
        """'closed', 'open', or 'unclear': holes, or parts about as thin as the spacing.

        The limits separate views and halves of nine meshes from the meshes, at 1,000 to 100,000 points.
        """
        if self.rim < 0.8 or (self.rim < 1.6 and self.rim_strict < 0.45):
            return "closed"
        if self.layers < ONE_HEIGHT and self.rim > 1:  # terrain, or a view along z
            return "open"
        return "open" if self.rim > 2.5 and self.rim_strict > 1.5 else "unclear"

    @property
    def extent(self) -> tuple[float, ...]:
        return tuple(h - lo for lo, h in zip(self.low, self.high, strict=True))


def survey(cloud: PointCloud, seed: int = 0) -> Survey:
    """Statistics of a cloud of finite points; about a second for 100,000 points.

    Raises:
        ValueError: There are fewer than ten different points.
    """
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    distinct = _distinct(cloud.points)
    if len(distinct) < 10:
        raise ValueError(f"{len(distinct)} different points are too few to measure")
    duplicates = len(cloud) - len(distinct)
    part, inner = _blocks(cloud.points, distinct, seed)
    points = cloud.points[part] - (low + high) / 2  # far-away origins cost digits
    places = _places(np.flatnonzero(inner), seed)
    local = _Local(points, places)
    noise = _noise(local, seed)
    spacing = float(np.median(local.spacing))
    area = len(distinct) * spacing**2
    centred = cloud.points[distinct[:: 1 + len(distinct) // (2 * MOST)]] - (low + high) / 2
    rim, strict = _rim(centred, area, spacing, noise)
    return Survey(
        points=len(cloud),
        looked_at=len(part),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        duplicates=duplicates,
        spacing=spacing,
        nearest=float(np.median(local.distances[:, 1])),
        unevenness=float(np.divide(*np.quantile(local.spacing, (0.9, 0.1)))),
        noise=noise,
        outliers=local.outliers(),
        rim=rim,
        rim_strict=strict,
        relief=_relief(points),
        layers=height_layers(centred, spacing),
        **({} if cloud.normals is None else _normals(points, cloud.normals[part], local)),
    )


def _distinct(points: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " m"]:
    """Indices of the first of equal points, ascending; told by a 64-bit hash of the coordinates."""
    bits = np.ascontiguousarray(points + 0.0).view(np.uint64)  # -0.0 + 0.0 = 0.0
    factors = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
    key = np.zeros(len(points), np.uint64)
    for axis in range(3):
        key = (key ^ (key >> np.uint64(29))) * factors[axis] + bits[:, axis] * factors[axis - 1]
        key ^= key >> np.uint64(32)
    return np.sort(np.unique(key, return_index=True)[1])


def _blocks(
    points: Float[np.ndarray, "n 3"], among: Int[np.ndarray, " m"], seed: int
) -> tuple[Int[np.ndarray, " k"], Bool[np.ndarray, " k"]]:
    """At most about `MOST` points in whole blocks, and which of them are well inside a block."""
    if len(among) <= MOST:
        return among, np.ones(len(among), bool)
    chosen = points[among]
    low, side = chosen.min(axis=0), float(np.ptp(chosen, axis=0).max()) / 24
    keys = cell_keys(chosen, side)
    numbers, counts = np.unique(keys, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    take = order[: max(1, int(np.searchsorted(np.cumsum(counts[order]), MOST)))]
    keep = np.isin(keys, numbers[take])
    place = (chosen[keep] - low) / side % 1.0
    inner = (np.abs(place - 0.5) < 0.35).all(axis=1)
    return among[keep], inner if inner.sum() > 100 else np.ones(int(keep.sum()), bool)


def _places(candidates: Int[np.ndarray, " m"], seed: int) -> Int[np.ndarray, " k"]:
    if len(candidates) <= PLACES:
        return candidates
    return np.sort(np.random.default_rng(seed).choice(candidates, PLACES, replace=False))


class _Local:
    """Neighbourhoods of some places."""

    def __init__(
        self, points: Float[np.ndarray, "n 3"], places: Int[np.ndarray, " m"], near: int = NEAR
    ) -> None:
        from scipy.spatial import cKDTree

        self.points, self.places = points, places
        self.tree = cKDTree(points)
        near = min(near + 1, len(points))
        self.distances, self.neighbours = self.tree.query(points[places], k=near)
        self.tenth = self.distances[:, min(10, near - 1)]
        # n points in a disc of radius r have pi r^2 / n each.
        self.spacing = self.tenth * np.sqrt(np.pi / min(10, near - 1))

    def frames(self, count: int | None = None) -> tuple[Float[np.ndarray, "m k 3"], Float[np.ndarray, "m 3"]]:
        """Offsets to the nearest `count` points along their principal axes, and the normals."""
        around = self.points[self.neighbours[:, :count]]
        centred = around - around.mean(axis=1, keepdims=True)
        scaled = centred / np.maximum(self.distances[:, -1], 1e-300)[:, None, None]
        axes = np.linalg.eigh(np.einsum("mki,mkj->mij", scaled, scaled))[1][:, :, ::-1]
        return (around - around[:, :1]) @ axes, axes[:, :, 2]

    def outliers(self) -> float:
        """Points alone among denser ones, and points in thin clouds that are no surface.

        Compared with the neighbours' own distances, so that sparse parts of a surface are no outliers.
        """
        wide = self.tenth / np.median(self.tenth)
        suspects = np.flatnonzero(wide > 2)
        if not len(suspects):
            return 0.0
        around = self.neighbours[suspects, 1:11]
        k = min(11, len(self.points))
        theirs = self.tree.query(self.points[around.ravel()], k=k)[0][:, -1].reshape(around.shape)
        alone = self.tenth[suspects] > ALONE * np.median(theirs, axis=1)
        thick = self._thickness(suspects) > SHEET
        return float((alone | (thick & (wide[suspects] > 4))).sum() / len(self.places))

    def _thickness(self, which: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Smallest over largest spread of the sixteen points around: a half or so in a volume."""
        around = self.points[self.neighbours[which, :16]] - self.points[self.places[which], None]
        around = around / np.maximum(self.distances[which, -1], 1e-300)[:, None, None]
        spread = np.linalg.svd(around - around.mean(axis=1, keepdims=True), compute_uv=False)
        return spread[:, 2] / np.maximum(spread[:, 0], 1e-300)


def _noise(local: _Local, seed: int) -> float:
    """Standard deviation of the points off smooth surfaces; NaN below a hundred points.

    Quadrics are fitted to 32 and to 16 neighbours. What they miss of the shape grows as the square of
    the number (variance, about; measured on four meshes), what they miss of the noise does not: the
    difference tells both apart. Where noise is as large as the spacing there is no surface to
    fit; a random quarter of the points has twice the spacing.
    """
    points, places = local.points, local.places
    sigma = float("nan")
    while len(points) >= 100:
        wide, tight = _misfit(local, NEAR), _misfit(local, NEAR // 2)
        sigma = float(np.sqrt(max(0.0, (4 * tight**2 - wide**2) / 3)))
        if sigma < 0.4 * np.median(local.spacing) or len(points) < 8_000:
            break
        points = points[np.random.default_rng(seed).random(len(points)) < 0.25]
        places = _places(np.arange(len(points)), seed)
        local = _Local(points, places)
    return sigma


def _misfit(local: _Local, count: int) -> float:
    """Median over the places of the root mean square residual of a quadric through `count` neighbours."""
    around = local.points[local.neighbours[:, :count]]
    size = np.maximum(local.distances[:, count - 1], 1e-300)
    scaled = (around - around.mean(axis=1, keepdims=True)) / size[:, None, None]
    axes = np.linalg.eigh(np.einsum("mki,mkj->mij", scaled, scaled))[1][:, :, ::-1]
    u, v, w = np.moveaxis(scaled @ axes, 2, 0)
    design = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=2)  # (m k 6)
    square = np.einsum("mki,mkj->mij", design, design) + 1e-9 * np.eye(6)
    fit = np.linalg.solve(square, np.einsum("mki,mk->mi", design, w)[:, :, None])
    residual = w - (design @ fit)[:, :, 0]
    return float(np.median(np.sqrt((residual**2).sum(axis=1) / (count - 6)) * size))


def _rim(points: Float[np.ndarray, "n 3"], area: float, spacing: float, noise: float) -> tuple[float, float]:
    """Length of the surface's edge times the extent over the area, by a sensitive and a strict rule.

    A point lies on the edge if, seen along the normal, its neighbours leave an angle free. Scanners
    put points along lines: thinned to an even spacing, they look the same in all directions.
    Single points, at creases or thin parts, don't make an edge: some of the neighbours must agree.
    """
    cell = max(1.5 * spacing, np.sqrt(area / EVEN), 3 * np.nan_to_num(noise))
    thin = points[one_per_cell(points, cell)]
    if len(thin) < 100:
        return float("nan"), float("nan")
    local = _Local(thin, np.arange(len(thin)), 24)
    length = np.ptp(points, axis=0).max() / np.median(local.spacing)
    rules = ((25, GAP), (17, STRICT_GAP))
    loose, strict = (_free_angle(local.frames(count)[0][:, 1:, :2]) > gap for count, gap in rules)
    backed = [edge & (edge[local.neighbours[:, 1:13]].sum(axis=1) >= 3) for edge in (loose, strict)]
    return float(backed[0].mean() * length), float(backed[1].mean() * length)


def _free_angle(offsets: Float[np.ndarray, "m k 2"]) -> Float[np.ndarray, " m"]:
    """Largest angle without a neighbour."""
    angles = np.sort(np.arctan2(offsets[:, :, 1], offsets[:, :, 0]), axis=1)
    return np.diff(angles, axis=1, append=angles[:, :1] + 2 * np.pi).max(axis=1)


def _relief(points: Float[np.ndarray, "n 3"]) -> float:
    step = max(1, len(points) // 100_000)
    some = points[::step]
    low, high = np.quantile(some, (0.01, 0.99), axis=0)  # single points far off don't count
    some = some[((some >= 2 * low - high) & (some <= 2 * high - low)).all(axis=1)]
    some = some - some.mean(axis=0)
    axes = np.linalg.svd(some.T @ some)[0]
    extents = np.ptp(some @ axes, axis=0)
    return float(extents.min() / extents.max())


def height_layers(points: Float[np.ndarray, "n 3"], spacing: float) -> float:
    """Share of the whole height that a place of the map spans: small for terrain, large for objects.

    On a map of 48 cells along its longer side; single points far off don't count.
    """
    side = float(np.ptp(points[:, :2], axis=0).max())
    heights = np.quantile(points[:: max(1, len(points) // 100_000), 2], (0.01, 0.99))
    if not (side > 0 and heights[1] > heights[0]):
        return 0.0
    z = np.clip(points[:, 2], *heights)
    keys = cell_keys(points * (1, 1, 0), max(side / 48, 4 * spacing))
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) > 0])
    ranges = np.maximum.reduceat(z[order], starts) - np.minimum.reduceat(z[order], starts)
    return float(np.median(ranges) / (heights[1] - heights[0]))


def _normals(
    points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], local: _Local
) -> dict[str, float]:
    own = normals[local.places]
    near = normals[local.neighbours[:, 1:9]]
    known = np.linalg.norm(own, axis=1) > 0.5
    if not known.any():
        return {}
    same = np.einsum("mi,mki->mk", own, near)[known]
    fit = np.abs(np.einsum("mi,mi->m", own, local.frames()[1]))[known]
    # Volume by the divergence theorem, against that with all normals turned the same way.
    arm = points[local.places] - points.mean(axis=0)
    flux = np.einsum("mi,mi->m", arm, own) * local.spacing**2
    total = np.abs(flux).sum()
    return {
        "normals_agree": float((same > 0).mean()),
        "normals_fit": float(np.median(fit)),
        "normals_out": float(flux.sum() / total) if total > 0 else 0.0,
    }
