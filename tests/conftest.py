"""Shapes made from formulas, and a system that reconstructs one of them exactly."""

import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import settings

from isofield.observation import PointCloud

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("untimed")


@pytest.fixture
def sphere_cloud() -> PointCloud:
    """2,000 points on a sphere of radius 3 around (10, -4, 2), coloured by direction."""
    normals = np.random.default_rng(0).normal(size=(2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(3 * normals + [10, -4, 2], colours=(normals + 1) / 2)


@pytest.fixture
def ball_system(monkeypatch) -> str:
    """Name of a system that takes every cloud for a ball; what `auto` chooses while it is there."""
    import torch

    from isofield import systems
    from isofield.cli import reconstruct
    from isofield.observation import unit_from_world
    from isofield.scene import Scene
    from isofield.system import System

    class BallConfig:
        pass

    class Ball(System):
        def __init__(self, config: BallConfig) -> None:
            super().__init__()

        def reconstruct(self, observation: PointCloud) -> Scene:
            return Scene(
                world_from_scene=unit_from_world(observation.points).inverse(),
                inside=lambda p: 0.5 - p.norm(dim=1),
                colour=lambda p: p + 0.5,
                confidence=lambda p: (p[:, 2] > 0).to(torch.float32),
                resolution=32,
                notes={"radius": 0.5},
            )

    module = ModuleType("ball_for_tests")
    module.Ball, module.BallConfig = Ball, BallConfig
    Ball.__module__ = module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(systems.SYSTEMS, "ball", (module.__name__, "Ball"))
    monkeypatch.setattr(reconstruct, "AUTO", "ball")
    monkeypatch.setattr(reconstruct, "AUTO_OPEN", "ball")
    return "ball"
