"""Occupancy batches from a data set in the ONet layout: a noisy sparse cloud and labelled points each.

As the official training: 3,000 points with noise 0.005 seen, 2,048 uniform points asked
(arXiv:2003.04618, section 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from isofield.batch import OccupancyBatch
from isofield.data.shapenet import TIE_NOISE, Item, items
from isofield.observation import PointCloud


@dataclass(frozen=True)
class Known:
    """Something held out: what a system sees of it, and what it should find."""

    name: str
    observation: Any
    points: Float[np.ndarray, "n 3"]
    """In the frame of the observation."""
    inside: Bool[np.ndarray, " n"]


def share(size: int, rank: int, world: int) -> range:
    """Which items of a global batch belong to the rank.

    Raises:
        ValueError: The batch can't be split evenly.
    """
    if size % world:
        raise ValueError(f"a batch of {size} can't be split evenly over {world} ranks")
    each = size // world
    return range(rank * each, (rank + 1) * each)


@dataclass(frozen=True)
class OccupancySource:
    """Batches of random models of one data set; every epoch takes each model once."""

    models: Sequence[Item]
    held: Sequence[Item]
    """Models to measure on, not to learn from."""
    seed: int
    size: int
    """Models in a batch, over all ranks."""
    cloud_size: int = 3000
    noise: float = 0.005
    """Standard deviation of the cloud's noise; the object's box has edge 1."""
    points: int = 2048
    """Labelled points per model."""

    @classmethod
    def of(
        cls, data: Path, seed: int, size: int, cloud_size: int = 3000, held: int = 20
    ) -> "OccupancySource":
        """The training part of a data set, and as many models of its validation part.

        Raises:
            InputError: The folder is no data set, or one of its parts is missing.
        """
        validation = items(data, "val", none_ok=True)
        step = max(1, len(validation) // held)
        return cls(items(data, "train"), validation[::step][:held], seed, size, cloud_size)

    def batch(self, step: int, rank: int, world: int) -> OccupancyBatch:
        """The rank's share of the step's batch; raises InputError for a damaged file."""
        mine = [self._sample(step * self.size + index) for index in share(self.size, rank, world)]
        cloud, points, inside = (torch.from_numpy(np.stack(part)) for part in zip(*mine, strict=True))
        return OccupancyBatch(cloud, points, inside)

    def held_out(self) -> list[Known]:
        """What to measure on: the same clouds and points every time."""
        return [self._known(index, item) for index, item in enumerate(self.held)]

    def _sample(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cloud, points and labels of the sample with this number, counted over all steps."""
        epoch, place = divmod(number, len(self.models))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.models))
        draw = np.random.default_rng([self.seed, 1, number])
        known = self._drawn(self.models[order[place]], draw, self.points)
        cloud = known.observation.points.astype(np.float32)
        return cloud, known.points.astype(np.float32), known.inside.astype(np.float32)

    def _known(self, index: int, item: Item) -> Known:
        return self._drawn(item, np.random.default_rng([self.seed, 2, index]), 10_000)

    def _drawn(self, item: Item, draw: np.random.Generator, count: int) -> Known:
        surface = item.cloud().points
        cloud = surface[draw.integers(len(surface), size=self.cloud_size)]
        cloud = cloud + self.noise * draw.standard_normal(cloud.shape)
        labelled = item.occupied()
        pick = draw.integers(len(labelled.points), size=count)
        # as the official loader: off the raster of float16, on which labels may be a rounding wrong
        points = labelled.points[pick] + TIE_NOISE * draw.standard_normal((count, 3))
        return Known(item.name, PointCloud(cloud), points, labelled.inside[pick])
