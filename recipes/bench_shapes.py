"""Trains the decoder that benchmarks/extraction.py meshes: seven shapes from formulas, one code each.

    python recipes/bench_shapes.py [--out datasets/bench_shapes.safetensors] [--steps 6000]

The representation-power experiment of Occupancy Networks (arXiv:1812.03828, section 4.1) in small: the
decoder of the paper's size (5 blocks of 256, conditional batch normalisation) and a free code per
shape, no encoder. Thin and disconnected parts are among the shapes, for that is where extraction
goes wrong. Running it again goes on where it stopped. The file holds the official key names
of a network whose encoder is a table, one row per shape in the order of SHAPES.
"""

import argparse
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from isofield.official.onet import official_from_onet
from isofield.systems.onet import ONet, ONetConfig

CODE = 256
NEAR = 0.02
"""Half of the points are drawn from this far around the surface."""
SOFT = 0.004
"""Distance over which the logit changes by one; half a cell of a 128^3 grid."""


def box(p: Tensor, centre: tuple[float, ...], half: tuple[float, ...]) -> Tensor:
    """Signed distance to a box, negative inside."""
    q = (p - torch.tensor(centre)).abs() - torch.tensor(half)
    return q.clamp(min=0).norm(dim=1) + q.amax(1).clamp(max=0)


def ring(p: Tensor, centre: tuple[float, ...], axis: int, radius: float, tube: float) -> Tensor:
    """Signed distance to a torus around a coordinate axis."""
    q = p - torch.tensor(centre)
    around = q[:, [k for k in range(3) if k != axis]].norm(dim=1) - radius
    return torch.hypot(around, q[:, axis]) - tube


def ball(p: Tensor, centre: tuple[float, ...], radii: tuple[float, ...]) -> Tensor:
    """About the distance to an ellipsoid, exact for a ball."""
    size = torch.tensor(radii)
    q = (p - torch.tensor(centre)) / size
    length = q.norm(dim=1).clamp(min=1e-6)
    return length * (length - 1) / (q / size).norm(dim=1).clamp(min=1e-6)


def torus(p: Tensor) -> Tensor:
    """One handle."""
    return ring(p, (0, 0, 0), 2, 0.33, 0.12)


def gyroid(p: Tensor) -> Tensor:
    """A ball's share of a gyroid's solid side: many handles."""
    x, y, z = (11.0 * p).unbind(1)
    wave = x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()
    return torch.maximum(wave / 16, p.norm(dim=1) - 0.45)


def table(p: Tensor) -> Tensor:
    """A thin top on four thin legs."""
    parts = [box(p, (0, 0, 0.3), (0.48, 0.3, 0.022))]
    parts += [box(p, (x, y, -0.07), (0.022, 0.022, 0.37)) for x in (-0.43, 0.43) for y in (-0.25, 0.25)]
    return torch.stack(parts).amin(0)


def plates(p: Tensor) -> Tensor:
    """Two tilted plates, each about as thick as a cell of a 32^3 grid."""
    a, b = math.cos(0.4), math.sin(0.4)
    q = torch.stack([a * p[:, 0] - b * p[:, 2], p[:, 1], b * p[:, 0] + a * p[:, 2]], dim=1)
    return torch.minimum(box(q, (0, 0, 0.12), (0.4, 0.4, 0.018)), box(q, (0, 0, -0.12), (0.4, 0.3, 0.014)))


def balls(p: Tensor) -> Tensor:
    """Many small balls, none of which touches another."""
    parts = [
        ball(p, (0.24 * x, 0.24 * y, 0.24 * z), (r, r, r))
        for k, (x, y, z) in enumerate(itertools.product((-1, 0, 1), repeat=3))
        for r in [0.04 + 0.004 * (k * 7 % 13)]
    ]
    return torch.stack(parts).amin(0)


def chain(p: Tensor) -> Tensor:
    """Three rings that hold each other without touching."""
    rings = [ring(p, (0.25 * k, 0, 0), 1 + k % 2, 0.2, 0.035) for k in (-1, 0, 1)]
    return torch.stack(rings).amin(0)


def rabbit(p: Tensor) -> Tensor:
    """A body, a head, long ears, feet and a tail, smoothly joined."""
    parts = [
        ball(p, (0, 0, -0.2), (0.24, 0.2, 0.24)),
        ball(p, (0.16, 0, 0.08), (0.15, 0.13, 0.13)),
        ball(p, (0.1, 0.08, 0.3), (0.05, 0.03, 0.17)),
        ball(p, (0.1, -0.08, 0.3), (0.05, 0.03, 0.17)),
        ball(p, (0.22, 0.13, -0.4), (0.14, 0.06, 0.06)),
        ball(p, (0.22, -0.13, -0.4), (0.14, 0.06, 0.06)),
        ball(p, (-0.26, 0, -0.25), (0.07, 0.07, 0.07)),
    ]
    return -0.015 * torch.logsumexp(-torch.stack(parts) / 0.015, 0)


SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    shape.__name__: shape for shape in (torus, gyroid, table, plates, balls, chain, rabbit)
}
"""Name -> signed distance (or nearly), negative inside."""


def uniform(count: int, draw: torch.Generator) -> Tensor:
    """Points of the box that is meshed."""
    return (torch.rand(count, 3, generator=draw) - 0.5) * 1.1


def near_points(shape: Callable[[Tensor], Tensor], count: int, draw: torch.Generator) -> Tensor:
    """Points close to the surface, evenly by area."""
    found: list[Tensor] = []
    while sum(map(len, found)) < count:
        points = uniform(200_000, draw)
        found.append(points[shape(points).abs() < NEAR])
    return torch.cat(found)[:count]


def soft(distance: Tensor) -> Tensor:
    """Occupancy, blurred over SOFT: the logit to be learned falls evenly across the surface."""
    return torch.sigmoid(-distance / SOFT)


class Points:
    """Batches: per shape half uniform points and half from a store near the surface."""

    def __init__(self, per_shape: int, stored: int = 200_000) -> None:
        draw = torch.Generator().manual_seed(0)
        self.half = per_shape // 2
        self.near = [near_points(shape, stored, draw) for shape in SHAPES.values()]
        self.inside = [soft(shape(points)) for shape, points in zip(SHAPES.values(), self.near, strict=True)]

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Points (shapes n 3) and how far they are inside, the same for the same step."""
        draw = torch.Generator().manual_seed(step + 1)
        points, inside = [], []
        for shape, near, known in zip(SHAPES.values(), self.near, self.inside, strict=True):
            anywhere = uniform(self.half, draw)
            rows = torch.randint(len(near), (self.half,), generator=draw)
            points.append(torch.cat([anywhere, near[rows]]))
            inside.append(torch.cat([soft(shape(anywhere)), known[rows]]))
        return torch.stack(points), torch.stack(inside)


def survey(system: ONet, side: int = 64) -> dict[str, dict]:
    """IoU on a grid, and parts of the mesh beside those of the formula's mesh."""
    from isofield.extract import extract_mesh
    from isofield.geometry import Box
    from isofield.geometry.mesh_checks import check_mesh
    from isofield.ops.query import query

    system.eval()
    axis = np.linspace(-0.5, 0.5, side)
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    found = {}
    for k, (name, shape) in enumerate(SHAPES.items()):
        bound = system.field.bind(system.encoder(torch.tensor([k])))
        ours, truth = query(bound, nodes) >= 0, query(shape, nodes) < 0
        meshes = [
            check_mesh(extract_mesh(f, Box.cube(1.1), resolution=128, project=0, normals=None))
            for f in (bound, lambda p, shape=shape: -shape(p))
        ]
        found[name] = {
            "iou": round(float((ours & truth).sum() / (ours | truth).sum()), 4),
            "parts": [m.components for m in meshes],
            "euler": [m.euler for m in meshes],
        }
    system.train()
    return found


def main() -> None:
    """Train, or go on, and write the weights."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=root / "datasets" / "bench_shapes.safetensors")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--points", type=int, default=512, help="per shape and step")
    parser.add_argument("--rate", type=float, default=1e-3, help="falls to zero along a half cosine")
    args = parser.parse_args()
    torch.manual_seed(0)
    system = ONet(ONetConfig(sees="object", objects=len(SHAPES), code_size=CODE))
    optimiser = torch.optim.Adam(system.parameters())
    state_file, first = args.out.with_suffix(".state.pt"), 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        system.load_state_dict(state["system"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    source, everyone = Points(args.points), torch.arange(len(SHAPES))
    start = time.time()
    for step in range(first, args.steps):
        optimiser.param_groups[0]["lr"] = args.rate * (0.5 + 0.5 * math.cos(math.pi * step / args.steps))
        points, inside = source.batch(step)
        loss = binary_cross_entropy_with_logits(system.field(points, system.encoder(everyone)), inside)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0:
            print(f"{step} loss {loss:.4f} {time.time() - start:.0f} s", flush=True)
        if (step + 1) % 1000 == 0 or step + 1 == args.steps:
            torch.save(
                {
                    "system": system.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                },
                state_file,
            )
            save_file(official_from_onet(system), args.out)
            print(survey(system), flush=True)


if __name__ == "__main__":
    main()
