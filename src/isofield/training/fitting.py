"""Training on shapes that are known completely: batches, and how near the surface a system has come."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isofield.data import write_mesh
from isofield.data.shape_source import ShapeSource
from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.observation import PointCloud
from isofield.scene import Scene
from isofield.system import System

MEASURED = 2_000
"""Points of a surface on which the error is estimated."""
MOST_SHAPES = 8
"""Shapes on which it is estimated."""
PREVIEW = 96
"""Cells of the preview."""


@dataclass(frozen=True)
class Fitting:
    """A source of batches that also tells how the fit goes, in the units of the files."""

    source: ShapeSource

    def batch(self, step: int, rank: int, world: int) -> Any:
        """The step's batch."""
        return self.source.batch(step, rank, world)

    def scene(self, system: System, number: int) -> Scene:
        """What the system knows of a shape, in the frame of its file."""
        shape = self.source.shapes[number]
        shown = shape.cloud(self.source.cloud_size) if system.wants is PointCloud else number
        scene = system.reconstruct(shown)
        return replace(scene, world_from_scene=shape.world_from_unit @ scene.world_from_scene)

    def validate(self, system: System) -> dict[str, float]:
        """Estimated mean distance from the surfaces to what the system knows.

        `error` is in the files' units, `error_percent` in hundredths of the longest edge.
        """
        shapes = self.source.shapes[:MOST_SHAPES]
        errors = [self._error(system, number) for number in range(len(shapes))]
        edges = [shape.world_from_unit.scale for shape in shapes]
        shares = [error / edge for error, edge in zip(errors, edges, strict=True)]
        return {"error": float(np.mean(errors)), "error_percent": 100 * float(np.mean(shares))}

    def _error(self, system: System, number: int) -> float:
        shape, scene = self.source.shapes[number], self.scene(system, number)
        surface = shape.samples.surface
        some = surface[:: max(1, len(surface) // MEASURED)].astype(np.float64)
        local = scene.world_from_scene.inverse().apply(shape.world_from_unit.apply(some))
        distance = estimated_distance(scene, torch.from_numpy(local).float())
        return float(distance.mean()) * scene.world_from_scene.scale

    def preview(self, system: System, step: int, folder: Path) -> None:
        """The first shape, coarsely, in the frame of its file; nothing while it has no surface."""
        scene = self.scene(system, 0)
        if scene.inside is None:
            return
        try:
            mesh = extract_mesh(scene.inside, scene.box, resolution=PREVIEW)
        except InputError:
            return
        write_mesh(folder / f"{step:09d}.ply", mesh.transformed(scene.world_from_scene))


def estimated_distance(scene: Scene, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """Distance from points near a surface to it, to first order: |f| / |gradient of f|.

    No more than the longest edge of the scene's box, for where the field is flat.

    Raises:
        InputError: The scene has no `inside`.
    """
    if scene.inside is None:
        raise InputError("there is no surface to measure the distance to")
    with torch.enable_grad():
        moved = points.detach().clone().requires_grad_()
        values = scene.inside(moved)
        (slope,) = torch.autograd.grad(values.sum(), moved)
    most = float(scene.box.extent.max())
    return (values.detach().abs() / slope.norm(dim=1).clamp(min=1e-12)).clamp(max=most)
