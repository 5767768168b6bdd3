"""Training samples of the indicator network: degraded clouds, solved, with known occupancy.

Each model of an ONet-layout data set gives several variants: another density, noise, rotation,
view, hole. A variant is a pure function of (seed, model, variant); solved once, then kept on
disk beside the data set.
"""

import zlib
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from isofield.batch import SolvedBatch, SolvedClouds
from isofield.data.degrade import Degradation, degraded, random_rotation
from isofield.data.shapenet import items
from isofield.ops.indicator import (
    CELLS_PER_SPACING,
    MARGIN,
    feature_side,
    indicator_of,
    oriented_normals,
)
from isofield.ops.neighbourhood import neighbourhood
from isofield.system import System

SIDES = (32, 24, 40, 32, 48, 24, 32, 40, 32, 16, 48, 32)
"""Cells along an edge in each variant; the density of its points follows."""
VERSION = 2
"""Changes when samples are made differently, so that old ones are not used."""


@dataclass(frozen=True)
class SolvedSample:
    """One solved cloud with queries, all in the unit cube."""

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    scatter: Float[np.ndarray, " n"]
    indicator: Float[np.ndarray, "r r r"]
    queries: Float[np.ndarray, "m 3"]
    base: Float[np.ndarray, " m"]
    inside: Bool[np.ndarray, " m"]

    def save(self, path: Path) -> None:
        """Write the sample in fixed point: 16 bits in space, 8 bits for directions."""
        from isofield.data.atomic import atomic_write

        path.parent.mkdir(parents=True, exist_ok=True)
        fixed = lambda x: np.round(x * 65535).astype(np.uint16)  # noqa: E731
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                points=fixed(self.points),
                normals=np.round(self.normals * 127).astype(np.int8),
                scatter=self.scatter.astype(np.float16),
                indicator=self.indicator.astype(np.float16),
                queries=fixed(self.queries),
                base=self.base.astype(np.float16),
                inside=np.packbits(self.inside),
            )

    @classmethod
    def load(cls, path: Path) -> "SolvedSample":
        with np.load(path) as z:
            a = {k: z[k] for k in z.files}
        place = lambda x: x.astype(np.float32) / 65535  # noqa: E731
        return cls(
            points=place(a["points"]),
            normals=a["normals"].astype(np.float32) / 127,
            scatter=a["scatter"].astype(np.float32),
            indicator=a["indicator"].astype(np.float32),
            queries=place(a["queries"]),
            base=a["base"].astype(np.float32),
            inside=np.unpackbits(a["inside"])[: len(a["queries"])].astype(bool),
        )


def solve_sample(model: Path, variant: int, seed: int, queries: int = 16_384) -> SolvedSample:
    """One variant of one model; half of the queries lie near the surface."""
    draw = np.random.default_rng([seed, zlib.crc32(f"{model.parent.name}/{model.name}".encode()), variant])
    surface, normals = _surface(model)
    side = SIDES[variant % len(SIDES)]
    spacing = CELLS_PER_SPACING / side * MARGIN * draw.uniform(0.8, 1.3)
    points = degraded(surface, normals, Degradation.drawn(draw, surface, spacing), draw)
    known, inside = _queries(model, queries, draw)
    turn = random_rotation(draw) if draw.random() < 0.5 else np.eye(3)
    return _solved(points @ turn.T, known @ turn.T, inside, side)


def solve_held_out(model: Path, count: int, noise: float, queries: int = 16_384) -> SolvedSample:
    """A plain scan of a model for validation, upright; queries are uniform."""
    draw = np.random.default_rng(0)
    surface, _ = _surface(model)
    points = surface[draw.choice(len(surface), count, replace=False)].astype(np.float64)
    points += noise * draw.standard_normal(points.shape)
    z = np.load(model / "points.npz")
    inside = np.unpackbits(z["occupancies"])[:queries].astype(bool)
    return _solved(points, z["points"][:queries].astype(np.float64), inside)


def _solved(
    points: Float[np.ndarray, "n 3"],
    known: Float[np.ndarray, "m 3"],
    inside: Bool[np.ndarray, " m"],
    side: int | None = None,
) -> SolvedSample:
    """The cloud in its cube, solved; without `side` the cells follow the spacing."""
    low, high = points.min(axis=0), points.max(axis=0)
    longest, centre = MARGIN * (high - low).max(), (low + high) / 2
    unit = ((points - centre) / longest + 0.5).astype(np.float32)
    known = (known - centre) / longest + 0.5
    within = ((known > 0.01) & (known < 0.99)).all(axis=1)
    known, inside = known[within].astype(np.float32), inside[within]
    x = torch.from_numpy(unit)
    near = neighbourhood(x)
    side = feature_side(near.spacing) if side is None else side
    outwards = oriented_normals(x, near)
    indicator = indicator_of(x, outwards, near, 2 * side)
    return SolvedSample(
        points=unit,
        normals=outwards.numpy(),
        scatter=(near.scatter * side).numpy(),
        indicator=indicator.grid.numpy(),
        queries=known,
        base=indicator.at(torch.from_numpy(known)).numpy(),
        inside=inside,
    )


def _surface(model: Path) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    cloud = np.load(model / "pointcloud.npz")
    return cloud["points"].astype(np.float32), cloud["normals"].astype(np.float32)


def _queries(
    model: Path, count: int, draw: np.random.Generator
) -> tuple[Float[np.ndarray, "m 3"], Bool[np.ndarray, " m"]]:
    """Points of known occupancy: half uniform, half near the surface."""
    points, inside = [], []
    for name in ("points.npz", "points_surface.npz"):
        path = model / name
        z = np.load(path if path.exists() else model / "points.npz")  # official data has no second file
        every = z["points"]
        pick = draw.choice(len(every), count // 2, replace=False)
        points.append(every[pick].astype(np.float64))
        inside.append(np.unpackbits(z["occupancies"])[: len(every)][pick].astype(bool))
    return np.concatenate(points), np.concatenate(inside)


SYMMETRIES = [
    np.eye(3)[list(order)] * (2.0 * np.array(flips) - 1)[:, None]
    for order in permutations(range(3))
    for flips in product((0, 1), repeat=3)
]
"""The 48 symmetries of the cube."""


def turned(sample: SolvedSample, which: int) -> SolvedSample:
    """The sample seen through one of the cube's 48 symmetries."""
    m = SYMMETRIES[which]
    order = [int(np.flatnonzero(row)[0]) for row in m]
    grid = np.transpose(sample.indicator, order)
    for axis, row in enumerate(m):
        if row.sum() < 0:
            grid = np.flip(grid, axis)
    move = lambda p: ((p - 0.5) @ m.T + 0.5).astype(np.float32)  # noqa: E731
    return SolvedSample(
        points=move(sample.points),
        normals=(sample.normals @ m.T).astype(np.float32),
        scatter=sample.scatter,
        indicator=np.ascontiguousarray(grid),
        queries=move(sample.queries),
        base=sample.base,
        inside=sample.inside,
    )


@dataclass(frozen=True)
class SolvedSource:
    """Batches of solved samples; every batch has one number of cells."""

    models: tuple[Path, ...]
    cache: Path
    seed: int
    size: int
    """Samples of 32^3 cells in a batch; finer ones come in smaller, coarser in larger batches."""
    held_out: tuple[Path, ...] = ()
    """Models that validation measures."""
    variants: int = 6
    """Variants of each model in use; up to len(SIDES) differ in kind."""
    queries: int = 4_096

    @classmethod
    def of(cls, data: Path, split: str, seed: int, size: int) -> "SolvedSource":
        """All models of a split of an ONet-layout data set; samples are kept in `data`.solved beside it."""
        held_out = tuple(item.folder for item in items(data, "val"))[:: max(1, len(items(data, "val")) // 32)]
        return cls(
            tuple(item.folder for item in items(data, split)),
            data.with_name(data.name + ".solved"),
            seed,
            size,
            held_out,
        )

    def sample(self, model: int, variant: int) -> SolvedSample:
        """A sample from the cache, solved now if it isn't there yet."""
        folder = self.models[model]
        path = self.cache / folder.parent.name / folder.name / f"{self.seed}-{variant}.v{VERSION}.npz"
        if not path.exists():
            solve_sample(folder, variant, self.seed).save(path)
        return SolvedSample.load(path)

    def batch(self, step: int, rank: int, world: int) -> SolvedBatch:
        """The rank's share of the batch of this step: a pure function of seed and step."""
        draw = np.random.default_rng([self.seed, 1, step])
        side = SIDES[draw.integers(self.variants)]
        same = [v for v in range(self.variants) if SIDES[v % len(SIDES)] == side]
        count = max(world, round(self.size * (32 / side) ** 2.5 / world) * world)
        chosen = []
        for _ in range(count):
            model, variant = int(draw.integers(len(self.models))), same[draw.integers(len(same))]
            chosen.append((model, variant, int(draw.integers(48)), int(draw.integers(2**31))))
        mine = chosen[rank * count // world : (rank + 1) * count // world]
        return collate([self._drawn(*one) for one in mine])

    def validate(self, system: System) -> dict[str, float]:
        """Mean IoU of held-out models on uniform points: 3,000 points, noise 0.005, no normals."""
        learned, solved = [], []
        for model in self.held_out:
            path = self.cache / "held_out" / model.parent.name / f"{model.name}.v{VERSION}.npz"
            if not path.exists():
                solve_held_out(model, 3_000, 0.005).save(path)
            sample = SolvedSample.load(path)
            batch = collate([sample])
            with torch.inference_mode():
                inside = system.logits(batch)[0].numpy() > 0  # type: ignore[operator]
            learned.append(iou(inside, sample.inside))
            solved.append(iou(sample.base > 0, sample.inside))
        return {"iou": float(np.mean(learned)), "iou_indicator": float(np.mean(solved))}

    def _drawn(self, model: int, variant: int, symmetry: int, seed: int) -> SolvedSample:
        sample = self.sample(model, variant)
        pick = np.random.default_rng(seed).choice(len(sample.queries), self.queries)
        few = SolvedSample(
            sample.points, sample.normals, sample.scatter, sample.indicator,
            sample.queries[pick], sample.base[pick], sample.inside[pick],
        )  # fmt: skip
        return turned(few, symmetry)


def iou(a: Bool[np.ndarray, " m"], b: Bool[np.ndarray, " m"]) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else 1.0


def collate(samples: list[SolvedSample]) -> SolvedBatch:
    """Samples of equal grids as one batch."""
    cat = lambda name: torch.from_numpy(np.concatenate([getattr(s, name) for s in samples]))  # noqa: E731
    stack = lambda name: torch.from_numpy(np.stack([getattr(s, name) for s in samples]))  # noqa: E731
    item: Int[torch.Tensor, " n"] = torch.repeat_interleave(
        torch.arange(len(samples)), torch.tensor([len(s.points) for s in samples])
    )
    clouds = SolvedClouds(cat("points"), cat("normals"), cat("scatter"), item, stack("indicator"))
    return SolvedBatch(clouds, stack("queries"), stack("base"), stack("inside").float())
