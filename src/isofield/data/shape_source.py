"""Batches of one or a few shapes that are known completely, to fit a system to them.

From each mesh are drawn points near the surface and everywhere, with exact distances and the winding
number's sign; points on the surface are drawn anew for each batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isofield.batch import DistanceBatch, OccupancyBatch
from isofield.data.sampling import NEAR, SIDE
from isofield.geometry.boundary import Boundary
from isofield.geometry.mesh import Mesh
from isofield.geometry.sampling import sample_surface
from isofield.geometry.similarity import Similarity
from isofield.observation import PointCloud

SHARES = (0.1, 0.8)
"""Of a batch's points: on the surface, and near it; the rest is uniform. With more on the surface, distances
flatten around it and the zero level wanders."""
PROBES = 10_000
"""Points that tell whether all faces are surface."""
NOISE = 0.005
"""Of the clouds that networks see; longest edge 1."""


@dataclass(frozen=True)
class ShapeSamples:
    """What is known of one shape; its box is centred and its longest edge 1."""

    surface: Float[np.ndarray, "n 3"]
    near: Float[np.ndarray, "m 3"]
    near_sdf: Float[np.ndarray, " m"]
    uniform: Float[np.ndarray, "k 3"]
    uniform_sdf: Float[np.ndarray, " k"]

    @classmethod
    def of(
        cls, mesh: Mesh, seed: int, surface: int = 400_000, near: int = 300_000, uniform: int = 50_000
    ) -> "ShapeSamples":
        """Samples of a mesh that is normalised to the unit box.

        Args:
            mesh: What is within its shape is left out.
            seed: Of all draws.
            surface: Points on the surface; 100,000 where parts of the mesh are within the shape.
            near: Points near the surface.
            uniform: Points in the cube of side 1.1.

        Raises:
            InputError: The mesh encloses nothing.
            ValueError: The mesh has no area.
        """
        boundary = Boundary.of(mesh, seed + 1, PROBES)
        if boundary.is_whole:
            on, _ = sample_surface(mesh, surface, seed)
        else:
            boundary = Boundary.of(mesh, seed)
            on = boundary.points
        draw = np.random.default_rng([seed, 1])
        base = on[draw.integers(len(on), size=near)]
        sigma = 10 ** draw.uniform(*NEAR, (near, 1))
        close = np.clip(base + sigma * draw.standard_normal((near, 3)), -SIDE / 2, SIDE / 2)
        anywhere = draw.uniform(-SIDE / 2, SIDE / 2, (uniform, 3))
        places = np.concatenate([close, anywhere])
        sdf = boundary.signed_distance(places)
        single = (array.astype(np.float32) for array in (on, close, sdf[:near], anywhere, sdf[near:]))
        return cls(*single)


@dataclass(frozen=True)
class Shape:
    """One shape to be fitted."""

    name: str
    samples: ShapeSamples
    world_from_unit: Similarity = field(default_factory=Similarity)
    """Back to the frame and units of its file."""

    def cloud(self, count: int, seed: int = 0) -> PointCloud:
        """What a system that sees points is shown: noisy, in the unit box."""
        return PointCloud(_noisy(self.samples.surface, count, np.random.default_rng(seed)).astype(np.float64))


@dataclass(frozen=True)
class ShapeSource:
    """Batches of known shapes, each a function of the seed and the step."""

    shapes: Sequence[Shape]
    learns: Literal["distance", "occupancy"]
    """What the system learns from."""
    seed: int
    size: int
    """Shapes in a batch; a shape may come more than once."""
    points: int
    """Labelled points per shape; half of occupancies are near the surface."""
    cloud_size: int = 0
    """Points of the clouds that the system sees; 0 for none."""
    near: int = 0
    """Occupancies near the surface apart from the others, which are uniform then; 0 for none."""
    surface: int = 0
    """Points on the surface, for systems that learn from them; 0 for none."""

    def batch(self, step: int, rank: int, world: int) -> DistanceBatch | OccupancyBatch:
        """The step's batch."""
        draw = np.random.default_rng([self.seed, step])
        order = [(step * self.size + k) % len(self.shapes) for k in range(self.size)]
        shapes, item = [self.shapes[k].samples for k in order], torch.tensor(order)
        if self.learns == "distance":
            points, sdf = _stacked([self._distances(shape, draw) for shape in shapes])
            return DistanceBatch(points, sdf, item, 1 + step * self.size // len(self.shapes))
        close = 0 if self.near else self.points // 2
        known = OccupancyBatch(
            None, *_stacked([_occupancies(s, draw, close, self.points) for s in shapes]), item=item
        )
        if self.cloud_size:
            known = replace(known, cloud=_rows([_noisy(s.surface, self.cloud_size, draw) for s in shapes]))
        if self.near:
            near, inside = _stacked([_occupancies(s, draw, self.near, self.near) for s in shapes])
            known = replace(known, near=near, near_inside=inside)
        if self.surface:
            known = replace(known, surface=_rows([_some(s.surface, self.surface, draw) for s in shapes]))
        return known

    def _distances(self, shape: ShapeSamples, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        on, near = (round(share * self.points) for share in SHARES)
        which = draw.integers(len(shape.surface), size=on)
        close = draw.integers(len(shape.near), size=near)
        anywhere = draw.integers(len(shape.uniform), size=self.points - on - near)
        points = np.concatenate([shape.surface[which], shape.near[close], shape.uniform[anywhere]])
        sdf = np.concatenate([np.zeros(on, np.float32), shape.near_sdf[close], shape.uniform_sdf[anywhere]])
        return points, sdf


def _occupancies(
    shape: ShapeSamples, draw: np.random.Generator, near: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """So many labelled points, so many of them near the surface."""
    close = draw.integers(len(shape.near), size=near)
    anywhere = draw.integers(len(shape.uniform), size=count - near)
    points = np.concatenate([shape.near[close], shape.uniform[anywhere]])
    sdf = np.concatenate([shape.near_sdf[close], shape.uniform_sdf[anywhere]])
    return points, (sdf < 0).astype(np.float32)


def _rows(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def _stacked(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    first, second = zip(*pairs, strict=True)
    return _rows(first), _rows(second)


def _some(
    surface: Float[np.ndarray, "n 3"], count: int, draw: np.random.Generator
) -> Float[np.ndarray, "m 3"]:
    return surface[draw.integers(len(surface), size=count)]


def _noisy(
    surface: Float[np.ndarray, "n 3"], count: int, draw: np.random.Generator
) -> Float[np.ndarray, "m 3"]:
    """Points of a surface as a scanner might see them."""
    return _some(surface, count, draw) + NOISE * draw.standard_normal((count, 3), np.float32)
