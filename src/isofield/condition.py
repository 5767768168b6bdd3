"""What is known: a condition is a function of space.

`condition.at(points)` returns the feature that applies at each point. A field asks its
condition and nothing else, so systems that differ in what they know share their fields.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from isofield.ops.coordinates import AXES, Placement, Volume
from isofield.ops.hash_grid import Levels, encode
from isofield.ops.interpolate import corners, interpolate

Features = Callable[[Float[Tensor, "n 3"]], Float[Tensor, "#n c"]]


@runtime_checkable
class Condition(Protocol):
    """Anything that gives a feature at each point."""

    def at(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b #n c"]:
        """Features at the points; a global code returns one row, left to broadcast."""
        ...

    def bind(self) -> Features:
        """`at` for the only item of a batch of one, on rows of points, prepared for speed."""
        return lambda points: self.at(points[None])[0]


@dataclass(frozen=True)
class Code(Condition):
    """One vector for the whole shape, the same at every point."""

    vector: Float[Tensor, "b c"]

    def at(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b 1 c"]:
        """The code, left to broadcast."""
        return self.vector[:, None]


@dataclass(frozen=True)
class LocalFeatures(Condition):
    """The sum of what feature planes and a feature grid say at a point."""

    maps: Mapping[str, Float[Tensor, "b c *cells"]]
    """By name, of AXES: planes (b c R R) and the grid (b c R R R), the first coordinate last."""
    placement: Placement
    mode: str = "bilinear"
    """Or 'nearest'."""

    def at(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n c"]:
        """Features at the points."""
        read = [
            interpolate(self.maps[name], self.placement.coordinates(points, name), self.mode)
            for name in AXES
            if name in self.maps
        ]
        return torch.stack(read).sum(0)

    def bind(self) -> Features:
        """`at` on rows: one table of all cells, one weighted sum of its rows per point."""
        flat = {name: self.maps[name][0].flatten(1).T for name in AXES if name in self.maps}
        size = {name: tuple(self.maps[name].shape[:1:-1]) for name in flat}
        if self.mode != "bilinear" or any(min(s) < 2 for s in size.values()):
            return super().bind()
        table = torch.cat(list(flat.values())).contiguous()
        starts = [0, *torch.tensor([len(f) for f in flat.values()]).cumsum(0).tolist()]

        def features(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
            index, weight = [], []
            for name, start in zip(flat, starts, strict=False):
                where, share = corners(self.placement.coordinates(points[None], name)[0], size[name])
                index.append(where + start)
                weight.append(share)
            return embedding_bag(
                torch.cat(index, 1), table, per_sample_weights=torch.cat(weight, 1), mode="sum"
            )

        return features

    def within(self, query: Volume) -> "LocalFeatures":
        """The same condition, valid in a part of its volume only, to be kept in little memory."""
        whole, sizes = self.placement, {m.shape[-1] for m in self.maps.values()}
        if not isinstance(whole, Volume) or len(sizes) > 1:
            return self
        steps = max(sizes) - 1
        count = ceil(query.side / whole.side * steps) + 2  # cells from below the query to above it
        if count > steps:
            return self
        first = torch.floor((query.low - whole.low) / whole.side * steps).long().clamp(0, steps + 1 - count)
        part = Volume(whole.low + whole.side * first / steps, whole.side * (count - 1) / steps)
        maps = dict(self.maps)
        for name, full in maps.items():
            cut = full
            for place, axis in enumerate(AXES[name]):  # the first coordinate is the last axis
                cut = cut.narrow(-1 - place, int(first[axis]), count)
            maps[name] = cut.clone()
        return LocalFeatures(maps, part, self.mode)


@dataclass(frozen=True)
class HashFeatures(Condition):
    """What a multiresolution hash grid over one shape says at a point."""

    table: Float[Tensor, "rows c"]
    levels: Levels
    placement: Placement

    def at(self, points: Float[Tensor, "1 n 3"]) -> Float[Tensor, "1 n c"]:
        """Features of all levels at the points, side by side."""
        return encode(self.table, self.placement.coordinates(points, "grid")[0], self.levels)[None]


@dataclass(frozen=True)
class JoinedFeatures(Condition):
    """Several conditions, their features side by side."""

    parts: Sequence[Condition]

    def at(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n c"]:
        """Features at the points."""
        return torch.cat([part.at(points) for part in self.parts], -1)

    def bind(self) -> Features:
        """Each part bound."""
        bound = [part.bind() for part in self.parts]
        return lambda points: torch.cat([features(points) for features in bound], -1)


@dataclass(frozen=True)
class PointFeatures(Condition):
    """Features that sit on points, averaged by distance."""

    points: Float[Tensor, "b n 3"]
    features: Float[Tensor, "b n c"]
    radius: float | None = 0.2
    """Weights are exp(-d^2 / radius^2); None: 1 / d."""

    def at(self, points: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m c"]:
        """Weighted means of all features."""
        exact = "donot_use_mm_for_euclid_dist"  # the fast way is wrong by 1e-4 next to a point
        distance = torch.cdist(points, self.points, compute_mode=exact) + 1e-5
        if self.radius is None:
            weight = normalize(1 / distance, p=1, dim=-1)
        else:  # softmax is the normalised exponential that can't underflow far away
            weight = torch.softmax(-((distance / self.radius) ** 2), -1)
        return weight @ self.features
