"""Batches of points with signed distances: half of them outside, half inside, drawn anew in every step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isofield.batch import DistanceBatch
from isofield.data.occupancy import share
from isofield.data.sdf_samples import SdfSamples, read_sdf_samples, sdf_files
from isofield.errors import InputError

MEASURED = 20
"""Shapes to measure on, evenly over the training set."""
NEAR = 0.1
"""Distance within which points tell whether the surface is in its place."""


@dataclass(frozen=True)
class SdfSource:
    """Batches of random shapes of one training set; every epoch takes each shape once."""

    files: dict[str, Path]
    """By name; a shape's number is its place."""
    seed: int
    size: int
    """Shapes in a batch, over all ranks."""
    samples: int = 16384
    """Points per shape."""

    @classmethod
    def of(
        cls,
        data: Path,
        seed: int,
        size: int,
        samples: int = 16384,
        split: str = "",
        only: Sequence[str] = (),
    ) -> "SdfSource":
        """The training part of a folder, as `sdf_files` finds it; raises InputError as it does."""
        if samples < 2:
            raise InputError(f"samples {samples} is too few; give 2 or more, one for each side")
        return cls(sdf_files(data, split, only), seed, size, samples)

    def batch(self, step: int, rank: int, world: int) -> DistanceBatch:
        """The rank's share of the step's batch; raises InputError for a damaged file."""
        numbers = [step * self.size + index for index in share(self.size, rank, world)]
        chosen = [self._shape(number) for number in numbers]
        rows = [
            self._read(shape).drawn(np.random.default_rng([self.seed, 1, number]), self.samples)
            for number, shape in zip(numbers, chosen, strict=True)
        ]
        known = torch.from_numpy(np.stack(rows))
        epoch = step * self.size // len(self.files) + 1
        return DistanceBatch(known[..., :3], known[..., 3], torch.tensor(chosen), epoch)

    def validate(self, system: Any) -> dict[str, float]:
        """Clamped error and right sides near the surface, at the same points every time, of learned codes."""
        shapes = range(0, len(self.files), max(1, len(self.files) // MEASURED))[:MEASURED]
        errors, right = [], []
        for shape in shapes:
            rows = self._read(shape).drawn(np.random.default_rng([self.seed, 2, shape]), 10_000)
            scene = system.field.bind(system.table(torch.tensor([shape])))
            found, sdf = scene(torch.from_numpy(rows[:, :3])), torch.from_numpy(rows[:, 3])
            near = sdf.abs() < NEAR
            clamp = system.config.clamp
            errors.append(float((found.clamp(-clamp, clamp) - sdf.clamp(-clamp, clamp)).abs().mean()))
            right.append(float(((found > 0) == (sdf > 0))[near].float().mean()))
        return {"distance": float(np.mean(errors)), "side": float(np.nanmean(right))}

    def _shape(self, number: int) -> int:
        """Number of the shape that a sample, counted over all steps, is of."""
        epoch, place = divmod(number, len(self.files))
        return int(np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.files))[place])

    def _read(self, shape: int) -> SdfSamples:
        return read_sdf_samples(list(self.files.values())[shape])
