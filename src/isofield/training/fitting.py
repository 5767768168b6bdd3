"""Training on shapes that are known completely: batches, and how near the surface a system has come."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree

from isofield.data import write_mesh, write_points
from isofield.data.sampling import SIDE
from isofield.data.shape_source import ShapeSource
from isofield.errors import InputError
from isofield.extract import surface_of
from isofield.geometry import Box, Similarity
from isofield.metrics.surface import to_triangles
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
    edge: float = 1.0
    """Longest edge of a shape in the system's scenes."""

    def batch(self, step: int, rank: int, world: int) -> Any:
        """The step's batch."""
        return self.source.batch(step, rank, world)

    def scene(self, system: System, number: int) -> Scene:
        """What the system knows of a shape, in the frame of its file."""
        shape = self.source.shapes[number]
        shown = shape.cloud(self.source.cloud_size) if self.source.cloud_size else number
        scene = system.reconstruct(shown)
        back = shape.world_from_unit @ Similarity(1 / self.edge) @ scene.world_from_scene
        box = scene.box if self.edge == 1 else Box.cube(SIDE * self.edge)
        return replace(scene, box=box, world_from_scene=back)

    def validate(self, system: System) -> dict[str, float]:
        """Estimated mean distance from the surfaces to what the system knows.

        `estimated_error` is in the files' units, `estimated_percent` in hundredths of the longest edge.
        """
        shapes = self.source.shapes[:MOST_SHAPES]
        errors = [self._error(system, number) for number in range(len(shapes))]
        edges = [shape.world_from_unit.scale for shape in shapes]
        shares = [error / edge for error, edge in zip(errors, edges, strict=True)]
        return {"estimated_error": float(np.mean(errors)), "estimated_percent": 100 * float(np.mean(shares))}

    def _error(self, system: System, number: int) -> float:
        shape, scene = self.source.shapes[number], self.scene(system, number)
        surface = shape.samples.surface
        some = surface[:: max(1, len(surface) // MEASURED)].astype(np.float64)
        local = scene.world_from_scene.inverse().apply(shape.world_from_unit.apply(some))
        return float(estimated_distance(scene, local).mean()) * scene.world_from_scene.scale

    def preview(self, system: System, step: int, folder: Path) -> None:
        """The first shape, coarsely, in the frame of its file; nothing while it has no surface."""
        scene = self.scene(system, 0)
        path, back = folder / f"{step:09d}.ply", scene.world_from_scene
        if scene.points is not None:
            write_points(path, PointCloud(back.apply(scene.points)))
            return
        try:
            mesh = surface_of(scene, PREVIEW)
        except InputError:
            return
        write_mesh(path, mesh.transformed(back))


def estimated_distance(scene: Scene, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Distance from points near a surface to what a scene, in its own frame, has there.

    Of functions it is of first order, |f| / |gradient of f|, and no more than the longest edge of the box,
    for where the field is flat. To triangles and points it is exact.
    """
    if scene.mesh is not None:
        return to_triangles(points, scene.mesh)
    if scene.inside is None:
        assert scene.points is not None
        return cKDTree(scene.points).query(points)[0]
    with torch.enable_grad():
        moved = torch.from_numpy(points).float().requires_grad_()
        values = scene.inside(moved)
        (slope,) = torch.autograd.grad(values.sum(), moved)
    most = float(scene.box.extent.max())
    return (values.detach().abs() / slope.norm(dim=1).clamp(min=1e-12)).clamp(max=most).double().numpy()
