"""Trains a tiny network on the occupancy of a sphere: a script that tests start and kill.

python sphere_run.py RUN STEPS [KEY=JSON ...]
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from isofield.data.occupancy import share
from isofield.system import System
from isofield.training.loop import train
from isofield.training.options import TrainOptions
from isofield.training.run_folder import RunFolder
from isofield.training.state import seed_step


class Ball(System):
    """An MLP that learns which points lie in the sphere of radius 0.4."""

    def __init__(self, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 1),
        )

    @property
    def judged_by(self) -> str:
        """What `BallPoints` measures."""
        return "accuracy"

    def losses(self, batch: Any) -> dict[str, Tensor]:
        points, inside = batch
        return {"occupancy": binary_cross_entropy_with_logits(self.layers(points)[:, 0], inside)}


@dataclass
class BallPoints:
    """Uniform points of a cube with their occupancy; `broken` steps hold NaN."""

    seed: int = 0
    size: int = 64
    broken: frozenset[int] = frozenset()

    def batch(self, step: int, rank: int, world: int) -> tuple[Tensor, Tensor]:
        points = (
            np.random.default_rng([self.seed, step]).uniform(-0.5, 0.5, (self.size, 3)).astype(np.float32)
        )
        inside = (np.linalg.norm(points, axis=1) < 0.4).astype(np.float32)
        if step in self.broken:
            points[0] = np.nan
        mine = share(self.size, rank, world)
        return torch.from_numpy(points[mine.start : mine.stop]), torch.from_numpy(
            inside[mine.start : mine.stop]
        )

    def validate(self, system: System) -> dict[str, float]:
        """Share of points on the right side."""
        points, inside = self.batch(10**6, 0, 1)
        right = (system.layers(points)[:, 0] > 0) == (inside > 0.5)
        torch.rand(7)  # a careless hook must not disturb the training
        return {"accuracy": right.float().mean().item()}


def config(options: TrainOptions, **more: Any) -> dict[str, Any]:
    """What the run folder records."""
    from dataclasses import asdict

    plain = json.loads(json.dumps(asdict(options)))
    return {"system": "ball", "config": more, "data": "ball", "options": plain, "versions": {}}


if __name__ == "__main__":
    given = dict(setting.split("=", 1) for setting in sys.argv[3:])
    values = {key: json.loads(value) for key, value in given.items()}
    dropout = values.pop("dropout", 0.0)
    options = TrainOptions(steps=int(sys.argv[2]), threads=1, device="cpu", batch_size=64, **values)
    seed_step(options.seed, 0)
    train(
        Ball(dropout=dropout),
        BallPoints(options.seed),
        RunFolder(Path(sys.argv[1]), config(options)),
        options,
    )
