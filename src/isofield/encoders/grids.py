"""Nothing -> condition: feature grids of many sizes that are learnt for one shape.

Three ways to keep them: a hash table (arXiv:2201.05989), dense grids, and three planes per size
(as in arXiv:2003.04618, but learnt directly). Each has the same cells along an edge.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isofield.condition import HashFeatures, JoinedFeatures, LocalFeatures
from isofield.ops.coordinates import PaddedCube, Placement
from isofield.ops.hash_grid import Levels

SPREAD = 1e-4
"""Features start within so much of zero, as published."""
SPREAD_PLANES = 0.1
"""Planes are added up; they start apart, for where all are alike no gradient tells them apart."""


class HashGrid(nn.Module):
    """One table for the corners of all levels."""

    def __init__(self, levels: Levels, channels: int, placement: Placement | None = None) -> None:
        super().__init__()
        self.levels, self.placement = levels, placement or PaddedCube()
        self.table = nn.Parameter(_drawn(levels.starts[-1], channels, spread=SPREAD))

    def forward(self) -> HashFeatures:
        return HashFeatures(self.table, self.levels, self.placement)


class DenseGrids(nn.Module):
    """A grid of R^3 corners for each level."""

    def __init__(self, sizes: Sequence[int], channels: int, placement: Placement | None = None) -> None:
        super().__init__()
        self.placement = placement or PaddedCube()
        self.grids = nn.ParameterList(_drawn(1, channels, *[n + 1] * 3, spread=SPREAD) for n in sizes)

    def forward(self) -> JoinedFeatures:
        return JoinedFeatures([LocalFeatures({"grid": grid}, self.placement) for grid in self.grids])


class TriPlanes(nn.Module):
    """Three planes of R^2 corners for each level, whose features are added up."""

    def __init__(self, sizes: Sequence[int], channels: int, placement: Placement | None = None) -> None:
        super().__init__()
        self.placement = placement or PaddedCube()
        self.planes = nn.ModuleList(
            nn.ParameterDict(
                {name: _drawn(1, channels, n + 1, n + 1, spread=SPREAD_PLANES) for name in ("xz", "xy", "yz")}
            )
            for n in sizes
        )

    def forward(self) -> JoinedFeatures:
        return JoinedFeatures([LocalFeatures(dict(each.items()), self.placement) for each in self.planes])  # type: ignore[operator]


KINDS: dict[str, Callable[..., Any]] = {"dense": DenseGrids, "planes": TriPlanes}
"""Those that need no hash."""


def feature_grids(
    kind: str, levels: Levels, channels: int, placement: Placement | None = None
) -> HashGrid | DenseGrids | TriPlanes:
    """The grids of one kind: hash, dense or planes."""
    if kind == "hash":
        return HashGrid(levels, channels, placement)
    return KINDS[kind](levels.cells, channels, placement)


def _drawn(*shape: int, spread: float) -> Tensor:
    return torch.rand(*shape) * 2 * spread - spread
