"""Train a small network to be a shape: `python docs/pictures/networks.py MESH FIELD.npz`.

The network learns the signed distance to a closed mesh and is written as a field file. About two
minutes on one core.
"""

import sys
from pathlib import Path

import igl
import numpy as np
import torch

from isofield.data import read_mesh
from isofield.geometry import Mesh

STEPS, BATCH, POINTS = 2000, 4096, 200_000
WIDTH, LAYERS = 64, 4
FREQUENCY = 20.0
"""By which the first layer's weights are larger than those of the others."""
LARGEST = 0.85
"""Largest coordinate of the shape in the field's cube, whose is 1."""


def centred(mesh: Mesh) -> Mesh:
    """The mesh in the middle of the field's cube."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    return Mesh((mesh.vertices - (low + high) / 2) * (2 * LARGEST / (high - low).max()), mesh.faces)


def samples(mesh: Mesh) -> tuple[torch.Tensor, torch.Tensor]:
    """Points and their signed distances: two thirds near the surface, one third anywhere."""
    draw = np.random.default_rng(0)
    near = mesh.sampled(2 * POINTS // 3)[0]
    near += draw.normal(size=near.shape) * draw.choice([0.01, 0.05], (len(near), 1))
    points = np.concatenate([near, draw.uniform(-1, 1, (POINTS // 3, 3))])
    distance = igl.signed_distance(points, mesh.vertices, mesh.faces)[0]
    return torch.tensor(points).float(), torch.tensor(distance).float()


class Sine(torch.nn.Module):
    """The activation of SIREN (arXiv:2006.09661), its frequency moved into the weights before it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sin()


def learned(points: torch.Tensor, distance: torch.Tensor) -> torch.nn.Sequential:
    """The network after training; errors count for more where the surface is near."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for k in range(LAYERS):
        linear = torch.nn.Linear(WIDTH if k else 3, WIDTH)
        torch.nn.init.uniform_(linear.weight, -1, 1)
        with torch.no_grad():
            linear.weight *= (6 / WIDTH) ** 0.5 if k else FREQUENCY / 3
        layers += [linear, Sine()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(WIDTH, 1))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(points), (BATCH,))
        wrong = (network(points[chosen])[:, 0] - distance[chosen]).abs()
        loss = (wrong / (distance[chosen].abs() + 0.05)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"mean error {wrong.mean():.4f}")
    return network


def write_field(path: Path, network: torch.nn.Sequential) -> None:
    """The layers as arrays whose names say their order and kind."""
    arrays = {}
    for k, layer in enumerate(network):
        if isinstance(layer, torch.nn.Linear):
            arrays[f"{k:04d}.dense.A"] = layer.weight.detach().numpy().T
            arrays[f"{k:04d}.dense.b"] = layer.bias.detach().numpy()
        else:
            arrays[f"{k:04d}.sin._"] = np.zeros(0, np.float32)
    np.savez(path, **arrays)


if __name__ == "__main__":
    write_field(Path(sys.argv[2]), learned(*samples(centred(read_mesh(sys.argv[1])))))
