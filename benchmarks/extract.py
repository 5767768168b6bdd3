"""Extraction against the usual way: the whole grid evaluated, then skimage's marching cubes.

    python benchmarks/extract.py [-o extract.json] [--resolutions 128 256]

One run, one process, the same thread count for both; seconds are CPU seconds of the better of
two runs. A network stands for costly fields, a torus for cheap ones. Ratios above 1 mean that
isofield is faster.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from isofield.extract import extract_mesh
from isofield.extract.simplify import simplify
from isofield.geometry import Box, Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.ops.query import query

BOX = Box.cube(1.1)


def torus(p: torch.Tensor) -> torch.Tensor:
    return 0.12 - ((p[:, :2].norm(dim=1) - 0.32) ** 2 + p[:, 2] ** 2).sqrt()


def network() -> Callable[[torch.Tensor], torch.Tensor]:
    """The torus, with two layers of 128 in front that change nothing but the cost."""
    torch.manual_seed(0)
    first, second = torch.randn(3, 128) / 2, torch.randn(128, 128) / 12
    return lambda p: torus(p) + 1e-9 * torch.relu(torch.relu(p @ first) @ second).sum(dim=1)


def dense(inside: Callable, resolution: int) -> Mesh:
    from skimage.measure import marching_cubes

    axis = np.linspace(-0.55, 0.55, resolution + 1, dtype=np.float32)
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    values = query(inside, nodes).reshape((resolution + 1,) * 3)
    vertices, faces, _, _ = marching_cubes(values, 0.0)
    return Mesh(vertices * 1.1 / resolution - 0.55, faces[:, ::-1].astype(np.int64))


def seconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(2):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def measure(name: str, inside: Callable, resolution: int) -> dict:
    evaluated = 0

    def counted(p: torch.Tensor) -> torch.Tensor:
        nonlocal evaluated
        evaluated += len(p)
        return inside(p)

    mesh = extract_mesh(counted, BOX, resolution=resolution, project=0, normals=None)
    plain = seconds(lambda: extract_mesh(inside, BOX, resolution=resolution, project=0, normals=None))
    projected = seconds(lambda: extract_mesh(inside, BOX, resolution=resolution, normals=None))
    full = seconds(lambda: extract_mesh(inside, BOX, resolution=resolution))
    peer = seconds(lambda: dense(inside, resolution))
    return {
        "field": name,
        "resolution": resolution,
        "faces": len(mesh.faces),
        "points": evaluated,
        "share_of_dense": evaluated / (resolution + 1) ** 3,
        "seconds": plain,
        "seconds_projected": projected,
        "seconds_projected_normals": full,
        "seconds_dense_skimage": peer,
        "ratio": peer / plain,
        "ratio_projected": peer / projected,
        "seconds_check": seconds(lambda: check_mesh(mesh)),
        "seconds_simplify_10000": seconds(lambda: simplify(mesh, 10_000)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", type=Path, help="JSON file to write")
    parser.add_argument("--resolutions", type=int, nargs="+", default=[128, 256])
    args = parser.parse_args()
    extract_mesh(torus, BOX, resolution=16)  # imports and the table of cases
    rows = [
        measure(name, f, r)
        for r in args.resolutions
        for name, f in (("torus", torus), ("network", network()))
    ]
    text = json.dumps({"threads": torch.get_num_threads(), "rows": rows}, indent=1)
    if args.o:
        args.o.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
