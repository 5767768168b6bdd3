"""Occupancy batches from a data set in the ONet layout: a noisy sparse cloud and labelled points each.

As the official training: 3,000 points with noise 0.005 seen, 2,048 uniform points asked
(arXiv:2003.04618, section 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from isofield.batch import OccupancyBatch
from isofield.data.chosen import chosen
from isofield.data.shapenet import TIE_NOISE, Item, items
from isofield.observation import PointCloud

NEAR = "points_surface.npz"
"""Where the points near the surface are."""


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
    """Points of the clouds; 0 for none."""
    noise: float = 0.005
    """Standard deviation of the cloud's noise; the object's box has edge 1."""
    points: int = 2048
    """Labelled points per model."""
    mirror: bool = False
    """Show every other model, by chance, mirrored from left to right."""
    surface: int = 0
    """Points on the surface per model, for systems that learn from them; 0 for none."""
    solid: bool = False
    """Give the 32^3 voxels, for systems that learn to make them."""
    near: int = 0
    """Labelled points per model near its surface, beside the others; 0 for none."""

    @classmethod
    def of(
        cls,
        data: Path,
        seed: int,
        size: int,
        cloud_size: int = 3000,
        held: int = 20,
        only: Sequence[str] = (),
        **choices: Any,
    ) -> "OccupancySource":
        """The training part of a data set, and as many models of its validation part.

        Args:
            data: Folder of the data set.
            seed: Of all draws.
            size: Models in a batch.
            cloud_size: Points of the clouds.
            held: Models of the validation part to measure on.
            only: Models that a catalogue calls by one of these words (`chosen`); all if empty.
            choices: Other fields.

        Raises:
            InputError: The folder is no data set, one of its parts is missing, or no model fits `only`.
        """
        models = chosen(data, items(data, "train"), only)
        validation = chosen(data, items(data, "val", none_ok=True), only, none_ok=True)
        step = max(1, len(validation) // held)
        return cls(models, validation[::step][:held], seed, size, cloud_size, **choices)

    def batch(self, step: int, rank: int, world: int) -> OccupancyBatch:
        """The rank's share of the step's batch; raises InputError for a damaged file."""
        mine = [self._sample(step * self.size + index) for index in share(self.size, rank, world)]
        return collate(mine)

    def held_out(self) -> list[Known]:
        """What to measure on: the same clouds and points every time."""
        return [self._known(index, item) for index, item in enumerate(self.held)]

    def _sample(self, number: int) -> OccupancyBatch:
        """The sample with this number, counted over all steps, as a batch of one."""
        epoch, place = divmod(number, len(self.models))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.models))
        draw = np.random.default_rng([self.seed, 1, number])
        item = self.models[order[place]]
        seen = self._seen(item, draw)
        points, inside = labelled(item, draw, self.points)
        mirrored = self.mirror and bool(draw.random() < 0.5)
        side = np.array([-1 if mirrored else 1, 1, 1], np.float32)
        surface = rows(side * on_surface(item, draw, self.surface)) if self.surface else None
        full = rows(item.voxels().occupied[:: int(side[0])]) if self.solid else None
        index = torch.tensor([order[place]])
        known = OccupancyBatch(None, rows(side * points), rows(inside), full, item=index, surface=surface)
        if self.near:
            close, within = labelled(item, draw, self.near, NEAR)
            known = replace(known, near=rows(side * close), near_inside=rows(within))
        return known if seen is None else replace(known, **self._shown(seen, mirrored))

    def _seen(self, item: Item, draw: np.random.Generator) -> Any:
        """What the system sees of a model: a noisy cloud, or nothing."""
        if not self.cloud_size:
            return None
        places = on_surface(item, draw, self.cloud_size)
        return PointCloud(places + self.noise * draw.standard_normal(places.shape))

    def _shown(self, seen: Any, mirrored: bool) -> dict[str, Tensor]:
        """The observation as a field of the batch."""
        side = np.array([-1 if mirrored else 1, 1, 1], np.float32)
        return {"cloud": rows(side * seen.points)}

    def _known(self, index: int, item: Item) -> Known:
        draw = np.random.default_rng([self.seed, 2, index])
        return Known(item.name, self._measured(item, draw), *labelled(item, draw, 10_000))

    def _measured(self, item: Item, draw: np.random.Generator) -> Any:
        """What the system sees of a model that is held out."""
        return self._seen(item, draw)


@dataclass(frozen=True)
class UnseenSource(OccupancySource):
    """Labelled points alone, for systems that see nothing; measured by their losses."""

    def validate(self, system: Any) -> dict[str, float]:
        """Losses per point on what is held out, and the bound that they make; the same draws every time."""
        known = [
            labelled(item, np.random.default_rng([self.seed, 2, index]), self.points)
            for index, item in enumerate(self.held)
        ]
        if not known:
            return {}
        torch.manual_seed(self.seed)
        batch = collate([OccupancyBatch(None, rows(points), rows(inside)) for points, inside in known])
        losses = {name: float(loss) / self.points for name, loss in system.losses(batch).items()}
        return {**losses, "bound": -sum(losses.values())}


@dataclass(frozen=True)
class ObjectSource(OccupancySource):
    """Labelled points and the object's number, for systems with a code per object."""

    def held_out(self) -> list[Known]:
        """The first objects by number."""
        return [
            replace(self._known(index, self.models[index]), observation=index)
            for index in range(min(20, len(self.models)))
        ]


def labelled(
    item: Item, draw: np.random.Generator, count: int, file: str = "points.npz"
) -> tuple[Float[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """Some of a model's labelled points, those of `file`.

    As the official loader: moved off the raster of float16, on which labels may be a rounding wrong.
    """
    if not count:
        return np.zeros((0, 3)), np.zeros(0, bool)
    all_points = item.occupied(file)
    pick = draw.integers(len(all_points.points), size=count)
    points = all_points.points[pick] + TIE_NOISE * draw.standard_normal((count, 3))
    return points, all_points.inside[pick]


def on_surface(item: Item, draw: np.random.Generator, count: int) -> Float[np.ndarray, "n 3"]:
    """Some of a model's surface points, exact."""
    surface = item.cloud(with_normals=False).points
    return surface[draw.integers(len(surface), size=count)]


def rows(array: np.ndarray) -> Tensor:
    """The array in float32, as a batch of one."""
    return torch.from_numpy(array.astype(np.float32))[None]


def collate(samples: Sequence[OccupancyBatch]) -> OccupancyBatch:
    """One batch of batches that know the same things."""
    columns: dict[str, Any] = {
        f.name: [getattr(sample, f.name) for sample in samples] for f in fields(OccupancyBatch)
    }
    joined: dict[str, Any] = {
        name: None if parts[0] is None else torch.cat(parts) for name, parts in columns.items()
    }
    return OccupancyBatch(**joined)
