"""A point cloud in any frame -> its solved indicator, ready for a Scene or a network.

    clean (outliers, thinning, noise) -> unit cube -> orientation -> Poisson, screened

What the grid can use decides what is kept: clouds denser than the finest grid, or noisier than
they are dense, are averaged in cells first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from isofield.errors import InputError
from isofield.geometry import Box, Similarity
from isofield.observation import PointCloud, unit_from_world
from isofield.ops.cells import cell_keys
from isofield.ops.gauss import GaussSolver, settle
from isofield.ops.indicator import MARGIN, Indicator, even, oriented_normals, solve_indicator
from isofield.ops.neighbourhood import Neighbourhood, neighbourhood
from isofield.ops.outliers import far_off, outliers
from isofield.scene import Colour, Confidence
from isofield.thinning import grid_thin

LARGEST = 448
"""Cells along the finest grid: 448^3 floats are 360 MB."""
FINEST = 0.7 * MARGIN / LARGEST
"""Edge of the cells in which points are averaged where the grid could not use more of them; the box has 1."""
WORTHWHILE = 0.25
"""Extent without outliers, over that with them, below which the rest deserves a closer look."""
FINE, FINE_POINTS = 320, 300_000
"""Cells along the finest grid of smaller clouds: finer ones cost more than they show."""
NOISY = 0.36
"""Scatter over spacing above which a cloud is noise rather than detail; clean ones have 0.15-0.3."""
AVERAGE = 24
"""Points in an average; more bend thin parts inwards, fewer leave noise."""
SPARSE = 1.5
"""Largest local spacing, over the cloud's, that counts as surface."""
ACROSS = 2.5
"""How much farther a place seems along the normal of the nearest point than beside it."""
LINE = 400.0
"""Longest over second principal extent above which points are a line."""
UNEVEN = 6.0
"""Spacing where points are sparse over that where they are dense, above which density is evened out."""
MANY = 400_000
"""Points above which a cloud is thinned to what the finest grid can use."""
FEW = 30_000
"""Points that decide the orientation of all others."""


@dataclass(frozen=True)
class SolvedCloud:
    """What Gauss' theorem knows about a cloud."""

    cloud: PointCloud
    """The points used, in the scene's frame: the box of the input's points fills [-0.5, 0.5]."""
    world_from_scene: Similarity
    points: Float[Tensor, "n 3"]
    """The same points in the unit cube of the solver."""
    normals: Float[Tensor, "n 3"]
    """Unit normals, outwards."""
    near: Neighbourhood
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def box(self) -> Box:
        """The points' box with room for what lies beyond them."""
        room = min(max(0.03, 3 * self.near.spacing * MARGIN), 0.1)
        return Box.around(self.cloud.points).padded(room)

    def confidence(self) -> Confidence:
        """1 up to two spacings from the points, falling to 0 at six; 1/2 at four.

        Lengths along a point's normal count `ACROSS` times: nothing supports what runs beside a
        sheet or around a line of points. The spacing is that of the points around, but neither
        below the cloud's nor above both `SPARSE` times it and what half of the surface has:
        parts far from the scanner are surface too, single points aren't.
        """
        tree, spacing = cKDTree(self.cloud.points), self.near.spacing
        local = self.near.area.sqrt()
        local = local.clamp(spacing, max(SPARSE * spacing, half_of_area(local))) * MARGIN
        points = torch.from_numpy(self.cloud.points).float()

        def at(p: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            distance, nearest = (torch.from_numpy(a) for a in tree.query(p.numpy(), workers=-1))
            off = ((p - points[nearest]) * self.normals[nearest]).sum(1)
            length = (distance.float() ** 2 + (ACROSS**2 - 1) * off**2).sqrt()
            return (1.5 - length / (4 * local[nearest])).clamp(0, 1)

        return at

    def colour(self) -> Colour | None:
        """Colour of the nearest points, weighted by their distance."""
        if self.cloud.colours is None:
            return None
        tree, colours = cKDTree(self.cloud.points), torch.from_numpy(self.cloud.colours).float()

        def at(p: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
            distance, index = tree.query(p.numpy(), min(4, len(colours)), workers=-1)
            distance = torch.from_numpy(np.atleast_2d(distance.T).T).float()
            weight = 1 / (distance**2 + (0.1 * self.near.spacing) ** 2)
            weight = weight / weight.sum(1, keepdim=True)
            return (colours[torch.from_numpy(np.atleast_2d(index.T).T)] * weight[..., None]).sum(1)

        return at


def half_of_area(local: Float[Tensor, " n"]) -> float:
    """The local spacing that half of the surface stays below; no dense place can pull it down."""
    ascending = local.sort().values
    share = ascending.double().square().cumsum(0)
    return float(ascending[int(torch.searchsorted(share, share[-1] / 2))])


def cube(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """From the scene's frame into the solver's unit cube."""
    return points / MARGIN + 0.5


Noise = Callable[[PointCloud, dict[str, object]], tuple[PointCloud, Float[Tensor, "n 3"], Neighbourhood]]
"""What is done about noise: the cloud to use, its points in the unit cube, and their neighbourhoods."""


def solve_cloud(cloud: PointCloud, noise: Noise | None = None) -> SolvedCloud:
    """Outliers dropped, density reduced to what can be used, normals found and turned outwards.

    Args:
        cloud: In any frame.
        noise: What is done about noise; left out, it is averaged away.

    Raises:
        InputError: Fewer than ten points are left, or they lie along a line.
    """
    notes: dict[str, object] = {"points": len(cloud)}
    cloud, scene_from_world = cleaned(cloud, notes)
    if len(cloud) < 10:
        raise InputError(f"only {len(cloud)} points are left without outliers; a surface needs at least ten")
    if line_likeness(cloud) > LINE:
        raise InputError(
            "the points lie along a line, so there is no surface; scan more, or cut away what is far off"
        )
    cloud, points, near = (noise or without_noise)(cloud, notes)
    normals = outward_normals(cloud, points, near, notes)
    notes["spacing"] = near.spacing * MARGIN / scene_from_world.scale
    notes["scatter"] = float(near.scatter.median()) * MARGIN / scene_from_world.scale
    return SolvedCloud(cloud, scene_from_world.inverse(), points, normals, near, notes)


def cleaned(cloud: PointCloud, notes: dict[str, object]) -> tuple[PointCloud, Similarity]:
    """What the finest grid can use of the cloud, in its unit box, without outliers; and the map there.

    Points so far off that the grid would see nothing of the rest are dropped first, and the rest
    is looked at again.
    """
    scene_from_world, far = Similarity(), far_off(cloud.points)
    cloud, dropped = cloud[~far], int(far.sum())
    while True:
        unit = unit_from_world(cloud.points)
        cloud, scene_from_world = cloud.transformed(unit), unit @ scene_from_world
        kept = thinned(without_repeats(cloud, notes), notes)
        stray = outliers(kept.points)
        left = kept[~stray]
        if not stray.any() or not len(left) or np.ptp(left.points, axis=0).max() > WORTHWHILE:
            break
        near = Box.around(left.points).padded(FINEST).contains(cloud.points)
        if near.all():
            break
        dropped += int((~near).sum())
        cloud = cloud[near]
        notes.pop("thinned", None)
        notes.pop("repeated", None)
    if dropped or stray.any():
        notes["outliers"] = dropped + int(stray.sum())
    if not stray.any() or not len(left):
        return left, scene_from_world
    unit = unit_from_world(left.points)
    return left.transformed(unit), unit @ scene_from_world


def line_likeness(cloud: PointCloud) -> float:
    """Longest over second principal extent of the cloud."""
    centred = cloud.points - cloud.points.mean(axis=0)
    _, second, first = np.linalg.eigvalsh(centred.T @ centred)
    return float(np.sqrt(first / max(second, 1e-300)))


def thinned(cloud: PointCloud, notes: dict[str, object]) -> PointCloud:
    """The cloud, averaged in cells if it is larger or denser than the finest grid can use."""
    if len(cloud) <= MANY and not too_dense(cloud, FINEST):
        return cloud
    cloud = grid_thin(cloud, FINEST)
    notes["thinned"] = len(cloud)
    return cloud


def without_repeats(cloud: PointCloud, notes: dict[str, object]) -> PointCloud:
    """The cloud with equal points (to a millionth of its size) merged: they pretend to be a dense place."""
    keys = np.sort(cell_keys(cloud.points, 1e-6))
    repeats = int((keys[1:] == keys[:-1]).sum())
    if not repeats:
        return cloud
    notes["repeated"] = repeats
    return grid_thin(cloud, 1e-6)


def too_dense(cloud: PointCloud, finest: float) -> bool:
    """Whether points are denser than the finest grid can use, mostly or, unevenly, in some places."""
    places = np.random.default_rng(0).choice(len(cloud), min(len(cloud), 4_000), replace=False)
    k = min(11, len(cloud))
    tenth = cKDTree(cloud.points).query(cloud.points[places], [k], workers=-1)[0]
    sparse, middle, dense = np.quantile(tenth * np.sqrt(np.pi / (k - 1)), (0.9, 0.5, 0.1))
    return bool(middle < finest or sparse > UNEVEN * dense)


def without_noise(
    cloud: PointCloud, notes: dict[str, object]
) -> tuple[PointCloud, Float[Tensor, "n 3"], Neighbourhood]:
    """The cloud averaged in cells that grow until the points lie on a surface rather than around it."""
    for _ in range(8):
        points = cube(torch.from_numpy(cloud.points)).float()
        near = neighbourhood(points)
        if len(cloud) < 2_000 or not is_noisy(points, near):
            break
        cloud = averaged(cloud, 1.6 * near.spacing * MARGIN)
        notes["averaged"] = len(cloud)
    return cloud, points, near


def averaged(cloud: PointCloud, cell: float) -> PointCloud:
    """One point per cell, at the mean of the points around it.

    Means within the cells alone would leave the few points of the fringe as far off as they are;
    neighbours draw them to where most points lie.
    """
    thin = grid_thin(cloud, cell)
    _, nearest = cKDTree(cloud.points).query(thin.points, min(AVERAGE, len(cloud)), workers=-1)
    return replace(thin, points=cloud.points[nearest].mean(axis=1))


def is_noisy(points: Float[Tensor, "n 3"], near: Neighbourhood) -> bool:
    """Whether points lie around a surface rather than on it.

    What scatters may be the curvature of thin parts, too: from 8 to 16 neighbours, sag grows 2.7
    times (measured on cylinders), noise of any size less than 1.8.
    """
    scatter = float(near.scatter.median())
    if scatter < NOISY * near.spacing:
        return False
    return scatter < 2.2 * float(neighbourhood(points, 8).scatter.median())


def outward_normals(
    cloud: PointCloud, points: Float[Tensor, "n 3"], near: Neighbourhood, notes: dict[str, object]
) -> Float[Tensor, "n 3"]:
    """Unit normals: those given if their signs agree, else turned by sensors, else by Gauss fields."""
    if cloud.normals is not None:
        given = torch.from_numpy(cloud.normals).float()
        known = given.norm(dim=1) > 0.5
        agree = (
            float(((given * near.normal).sum(1).abs() > 0.5)[known].float().mean()) if known.any() else 0.0
        )
        if known.all() and agree > 0.6 and consistent(points, given):
            notes["orientation"] = "normals of the file"
            return outside_out(points, given, near, notes)
        notes["normals"] = "ignored: they disagree with the points or with each other"
    if cloud.sensors is not None:
        towards = torch.from_numpy(cloud.sensors - cloud.points).float()
        notes["orientation"] = "sensor positions"
        return torch.where((towards * near.normal).sum(1, keepdim=True) < 0, -near.normal, near.normal)
    notes["orientation"] = "Gauss field"
    if len(points) <= FEW:
        return oriented_normals(points, near)
    few = torch.from_numpy(np.sort(np.random.default_rng(0).choice(len(points), FEW, replace=False)))
    sub = neighbourhood(points[few])
    chosen = oriented_normals(points[few], sub)
    solver = GaussSolver(points[few], even(2.3 / sub.spacing, 48, 128))
    chi = solver.indicator(chosen * sub.area[:, None], solver.kernel(1.5))
    all_points = GaussSolver(points, solver.side)
    slope = (all_points.splines.gather_gradient(chi) * near.normal).sum(1, keepdim=True)
    normals = torch.where(slope > 0, -near.normal, near.normal)
    return settle(all_points, normals, near.area, (1.5, 1.0))


def consistent(points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> bool:
    """Whether neighbouring normals mostly point to the same side."""
    few = np.random.default_rng(0).choice(len(points), min(len(points), 4_000), replace=False)
    _, nearest = cKDTree(points.numpy()).query(points[few].numpy(), 4)
    same = (normals[few][:, None] * normals[torch.from_numpy(nearest[:, 1:])]).sum(2) > 0
    return float(same.float().mean()) > 0.85


def outside_out(
    points: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    near: Neighbourhood,
    notes: dict[str, object],
) -> Float[Tensor, "n 3"]:
    """The normals, all turned round if they enclose the outside."""
    solver = GaussSolver(points, 64)
    chi = solver.indicator(normals * near.area[:, None], solver.kernel(1.0))
    level = (solver.splines.gather(chi) * near.area).sum() / near.area.sum()
    corners = chi[:: solver.side - 1, :: solver.side - 1, :: solver.side - 1].mean()
    if corners > level:
        notes["orientation"] = "normals of the file, turned round: they pointed inwards"
        return -normals
    return normals


def indicator_for(solved: SolvedCloud) -> Indicator:
    """The finest indicator that the points support: several cells per spacing, or about one if dense."""
    spacing = solved.near.spacing
    largest = FINE if len(solved.points) < FINE_POINTS else LARGEST
    side = even(min(2.3 / spacing, max(128.0, 0.9 / spacing)), 64, largest)
    cells = spacing * side
    dense = cells < 1.5
    return solve_indicator(
        solved.points,
        solved.normals,
        solved.near.area,
        side,
        blur=max(0.7 * cells, 0.7),
        reach=1.5 if dense else cells,
        iterations=6,
    )
