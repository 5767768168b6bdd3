"""Makes organic shapes from formulas: training data that nobody owns.

    python recipes/shapes.py OUT --count 160

Each shape is a smooth union of capsules and ellipsoids grown along random branches, some with
dents, some with bumps, meshed by isofield itself. Furniture is flat and thin; these are round,
with fingers and folds. The same seed gives the same shapes.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isofield.data.writing import write_mesh
from isofield.extract import extract_mesh
from isofield.geometry import Box


def smooth_union(distances: Tensor, softness: float) -> Tensor:
    """Smooth minimum over the first axis: -s log sum exp(-d / s)."""
    return -softness * torch.logsumexp(-distances / softness, 0)


def branches(draw: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
    """Capsules (from, to, radius, radius): a body and limbs that fork and taper."""
    parts, tips = [], []
    body = draw.uniform(0.08, 0.2)
    end = draw.standard_normal(3)
    end *= draw.uniform(0.05, 0.25) / np.linalg.norm(end)
    parts.append((-end, end, body, body * draw.uniform(0.7, 1.2)))
    for _ in range(draw.integers(2, 8)):
        start = -end + 2 * end * draw.random()
        tips.append((start, body * draw.uniform(0.25, 0.6), draw.standard_normal(3)))
    for _ in range(draw.integers(4, 24)):
        start, radius, heading = (
            tips.pop(draw.integers(len(tips))) if tips else (end, body / 2, draw.standard_normal(3))
        )
        heading = heading / np.linalg.norm(heading) + 0.5 * draw.standard_normal(3)
        stop = start + heading / np.linalg.norm(heading) * draw.uniform(0.06, 0.25)
        thin = max(radius * draw.uniform(0.55, 0.95), 0.012)
        parts.append((start, stop, radius, thin))
        forks = int(draw.integers(0, 3))
        tips.extend((stop, thin, stop - start + 0.1 * draw.standard_normal(3)) for _ in range(forks))
        if not tips:
            tips.append((stop, thin, stop - start))
    return parts


class Creature:
    """A random organic solid as a function of space, positive inside."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        parts = branches(draw)
        self.a, self.b = (torch.tensor(np.stack([p[i] for p in parts]), dtype=torch.float32) for i in (0, 1))
        self.ra, self.rb = (torch.tensor([p[i] for p in parts], dtype=torch.float32) for i in (2, 3))
        self.softness = float(draw.uniform(0.004, 0.03))
        waves = int(draw.integers(0, 6))
        frequency = draw.uniform(10, 60, (waves, 1))
        self.waves = torch.tensor(draw.standard_normal((waves, 3)) * frequency, dtype=torch.float32)
        self.phase = torch.tensor(draw.uniform(0, 7, waves), dtype=torch.float32)
        self.height = torch.tensor(draw.uniform(0.02, 0.12, waves) / frequency[:, 0], dtype=torch.float32)
        dents = int(draw.integers(0, 4))
        which = draw.integers(len(parts), size=dents)
        side = draw.standard_normal((dents, 3))
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        self.dents = torch.tensor(np.stack([p[0] for p in parts])[which], dtype=torch.float32)
        self.dents += torch.tensor(side, dtype=torch.float32) * self.ra[which, None]
        self.bite = torch.tensor(draw.uniform(0.02, 0.08, dents), dtype=torch.float32)

    @property
    def box(self) -> Box:
        reach = float(torch.maximum(self.ra, self.rb).max()) + 0.1
        return Box.around(torch.cat([self.a, self.b]).double().numpy()).padded(reach)

    def inside(self, points: Tensor) -> Tensor:
        """-(smooth distance to the union), dented and rippled."""
        axis = self.b - self.a
        t = ((points[None] - self.a[:, None]) * axis[:, None]).sum(2) / (axis**2).sum(1)[:, None]
        t = t.clamp(0, 1)
        nearest = self.a[:, None] + t[..., None] * axis[:, None]
        d = (points[None] - nearest).norm(dim=2) - (self.ra[:, None] * (1 - t) + self.rb[:, None] * t)
        distance = smooth_union(d, self.softness)
        if len(self.waves):
            distance = distance + (torch.sin(points @ self.waves.T + self.phase) * self.height).sum(1)
        if len(self.bite):
            bites = self.bite - (points[:, None] - self.dents).norm(dim=2)
            distance = torch.maximum(distance, bites.amax(1))
        return -distance


def main() -> None:
    """Write the shapes that aren't there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=160)
    parser.add_argument("--resolution", type=int, default=160)
    arguments = parser.parse_args()
    folder = arguments.out / "organic"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(arguments.count):
        path = folder / f"organic-{seed:03d}.ply"
        if not path.exists():
            creature = Creature(seed)
            write_mesh(
                path,
                extract_mesh(creature.inside, creature.box, resolution=arguments.resolution, keep="largest"),
            )


if __name__ == "__main__":
    main()
