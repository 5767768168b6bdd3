"""Where points fall on feature planes and in feature grids, by the conventions of ConvONet.

A placement maps points to coordinates u in [0, 1], two on a plane and three in a grid. Points
are put into cell floor(u R), while features are read at u (R - 1) (see `interpolate`): the
half cell between the two belongs to the trained networks and is kept.
"""

from dataclasses import dataclass
from math import pi
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Plane = Literal["xz", "xy", "yz"]

AXES: dict[str, list[int]] = {"grid": [0, 1, 2], "xz": [0, 2], "xy": [0, 1], "yz": [1, 2]}
"""Coordinates that each feature map spans; the first one is the fastest in memory."""


@runtime_checkable
class Placement(Protocol):
    """How feature maps lie in space."""

    def coordinates(self, points: Float[Tensor, "b n 3"], name: str) -> Float[Tensor, "b n d"]:
        """Coordinates in [0, 1] on the map `name`, one of AXES."""
        ...

    def cells(self, points: Float[Tensor, "b n 3"], name: str, resolution: int) -> Int[Tensor, "b n"]:
        """Index of the cell of each point, first coordinate fastest; resolution^d means nowhere."""
        ...


@dataclass(frozen=True)
class PaddedCube:
    """Maps that cover the cube of side 1 + padding around the origin.

    Points outside fall onto the border. Planes and grids keep different small gaps to the
    last cell's end, 1e-5 and 1e-3.
    """

    padding: float = 0.1

    def coordinates(self, points: Float[Tensor, "b n 3"], name: str) -> Float[Tensor, "b n d"]:
        """See `Placement`."""
        gap = 1e-3 if name == "grid" else 1e-5
        unit = points[..., AXES[name]] / (1 + self.padding + gap) + 0.5
        return torch.where(unit >= 1, 1 - gap, unit).clamp(min=0)

    def cells(self, points: Float[Tensor, "b n 3"], name: str, resolution: int) -> Int[Tensor, "b n"]:
        """See `Placement`; no point is nowhere."""
        return flat_index(self.coordinates(points, name), resolution)


@dataclass(frozen=True)
class Volume:
    """Maps that cover an axis-aligned cube somewhere in a scene."""

    low: Float[Tensor, "3"]
    """Corner with the smallest coordinates."""
    side: float

    @classmethod
    def centred(cls, side: float) -> "Volume":
        """The volume around the origin."""
        return cls(torch.full((3,), -side / 2), side)

    def coordinates(self, points: Float[Tensor, "b n 3"], name: str) -> Float[Tensor, "b n d"]:
        """See `Placement`; outside the volume they leave [0, 1]."""
        return ((points - self.low.to(points)) / self.side)[..., AXES[name]]

    def cells(self, points: Float[Tensor, "b n 3"], name: str, resolution: int) -> Int[Tensor, "b n"]:
        """See `Placement`; points outside the volume are nowhere, on every map."""
        unit = self.coordinates(points, "grid")
        outside = ((unit < 0) | (unit >= 1)).any(-1)
        axes = AXES[name]
        return flat_index(unit[..., axes], resolution).masked_fill(outside, resolution ** len(axes))


def flat_index(unit: Float[Tensor, "b n d"], resolution: int) -> Int[Tensor, "b n"]:
    """Cell floor(u R) as one number, the first coordinate fastest."""
    whole = (unit * resolution).long()
    strides = torch.tensor([resolution**k for k in range(unit.shape[-1])], device=unit.device)
    return (whole * strides).sum(-1)


@dataclass(frozen=True)
class LocalCoordinates:
    """Position inside a voxel, the same for every voxel: what lets crops be moved freely."""

    unit: float
    """Edge of a voxel."""
    octaves: int = 0
    """0: the position in [0, 1)^3; else its sines and cosines at 2^0 .. 2^(octaves - 1) half turns."""

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return 6 * self.octaves or 3

    def __call__(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n d"]:
        local = torch.remainder(points, self.unit) / self.unit
        if not self.octaves:
            return local
        local = 2 * local - 1
        waves = [f(2.0**k * pi * local) for k in range(self.octaves) for f in (torch.sin, torch.cos)]
        return torch.cat(waves, -1)
