"""Batches of solved samples: a random model, variant and symmetry of the cube for each item."""

from dataclasses import dataclass, replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from isofield.batch import SolvedBatch, SolvedClouds
from isofield.data.occupancy import Known, share
from isofield.data.shapenet import Item, items
from isofield.data.solved import SIDES, VERSION, SolvedSample, solve_held_out, solve_sample
from isofield.system import System

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

    def move(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return ((points - 0.5) @ m.T + 0.5).astype(np.float32)

    return replace(
        sample,
        points=move(sample.points),
        normals=(sample.normals @ m.T).astype(np.float32),
        indicator=np.ascontiguousarray(grid),
        queries=move(sample.queries),
    )


@dataclass(frozen=True)
class SolvedSource:
    """Batches of solved samples; every batch has one number of cells."""

    models: tuple[Path, ...]
    cache: Path
    seed: int
    size: int
    """Samples of 32^3 cells in a batch; finer ones come in smaller, coarser in larger batches."""
    measured: tuple[Path, ...] = ()
    """Models that validation measures; none, and nothing is measured."""
    variants: int = 6
    """Variants of each model in use; up to len(SIDES) differ in kind."""
    queries: int = 4_096

    @classmethod
    def of(cls, data: Path, split: str, seed: int, size: int) -> "SolvedSource":
        """All models of a split of an ONet-layout data set; samples are kept in `data`.solved beside it."""
        known = [item.folder for item in items(data, "val", none_ok=True)]
        return cls(
            tuple(item.folder for item in items(data, split)),
            data.with_name(data.name + ".solved"),
            seed,
            size,
            tuple(known[:: max(1, len(known) // 32)]),
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
        count = 2 * max(1, round(self.size * (32 / side) ** 2.5 / 2))
        chosen = []
        for _ in range(count):
            model, variant = int(draw.integers(len(self.models))), same[draw.integers(len(same))]
            chosen.append((model, variant, int(draw.integers(48)), int(draw.integers(2**31))))
        return collate([self._drawn(*chosen[i]) for i in share(count, rank, world)])

    def validate(self, system: System) -> dict[str, float]:
        """Mean IoU of held-out models on uniform points: 3,000 points, noise 0.005, no normals."""
        if not self.measured:
            return {}
        learned, solved = [], []
        for model in self.measured:
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

    def held_out(self) -> list[Known]:
        """The same scans as a user would have them, to look at."""
        every = [Item(folder.parent.name, folder.name, folder) for folder in self.measured]
        known = [(item, item.occupied()) for item in every]
        return [
            Known(item.name, item.scan(3_000, 0.005), occupied.points.astype(np.float64), occupied.inside)
            for item, occupied in known
        ]

    def _drawn(self, model: int, variant: int, symmetry: int, seed: int) -> SolvedSample:
        sample = self.sample(model, variant)
        pick = np.random.default_rng(seed).choice(len(sample.queries), self.queries)
        queries = {name: getattr(sample, name)[pick] for name in ("queries", "base", "inside")}
        return turned(replace(sample, **queries), symmetry)


def iou(a: Bool[np.ndarray, " m"], b: Bool[np.ndarray, " m"]) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else 1.0


def collate(samples: list[SolvedSample]) -> SolvedBatch:
    """Samples of equal grids as one batch."""

    def joined(name: str) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([getattr(sample, name) for sample in samples]))

    def stacked(name: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))

    counts = torch.tensor([len(sample.points) for sample in samples])
    item = torch.arange(len(samples)).repeat_interleave(counts)
    clouds = SolvedClouds(joined("points"), joined("normals"), joined("scatter"), item, stacked("indicator"))
    return SolvedBatch(clouds, stacked("queries"), stacked("base"), stacked("inside").float())
