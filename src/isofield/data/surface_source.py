"""Batches for systems that give a surface instead of an inside: measured by the Chamfer distance."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isofield.batch import OccupancyBatch
from isofield.data.occupancy import OccupancySource
from isofield.scene import Scene

SAMPLES = 10_000
"""Points of the truth, and at most of the answer."""


@dataclass(frozen=True)
class SurfaceSource:
    """What another source shows, with points on the surfaces and no labelled ones."""

    source: OccupancySource

    @classmethod
    def over(cls, source: OccupancySource, surface: int) -> "SurfaceSource":
        """The source with so many points on each surface."""
        return cls(replace(source, points=0, surface=surface))

    def batch(self, step: int, rank: int, world: int) -> OccupancyBatch:
        """The rank's share of the step's batch; raises InputError for a damaged file."""
        return self.source.batch(step, rank, world)

    def validate(self, system: Any) -> dict[str, float]:
        """Mean Chamfer-L1 distance of what is held out, and its negative, which is the better the larger."""
        items = {item.name: item for item in (*self.source.held, *self.source.models)}
        distances = []
        for known in self.source.held_out():
            truth = items[known.name].cloud(with_normals=False).points[:SAMPLES]
            distances.append(chamfer_l1(surface_points(system.reconstruct(known.observation)), truth))
        if not distances:
            return {}
        mean = float(np.mean(distances))
        return {"chamfer_l1": mean, "closeness": -mean}


def surface_points(scene: Scene) -> Float[np.ndarray, "n 3"]:
    """Points of an explicit scene, in the frame of the input: drawn from its mesh, or as they are.

    Raises:
        TypeError: The scene is neither mesh nor points.
    """
    if scene.mesh is not None:
        return scene.world_from_scene.apply(scene.mesh.sampled(SAMPLES)[0])
    if scene.points is None:
        raise TypeError("the scene has neither mesh nor points")
    return scene.world_from_scene.apply(scene.points)


def chamfer_l1(predicted: Float[np.ndarray, "n 3"], truth: Float[np.ndarray, "m 3"]) -> float:
    """Mean distance to the nearest point of the other set, averaged over both directions."""
    from scipy.spatial import cKDTree

    forth, _ = cKDTree(truth).query(predicted)
    back, _ = cKDTree(predicted).query(truth)
    return float((forth.mean() + back.mean()) / 2)
