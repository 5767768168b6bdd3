"""Certified extraction beside the default: `python benchmarks/certified.py FIELD.npz ...`.

Prints one JSON line per field and resolution: CPU seconds (the least of several interleaved runs), points
evaluated, cells bounded, and whether the two meshes are the same. `--bounds` instead shows how tight
the bounds are and what they cost, for groups of several sizes.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from isofield.extract import extract_mesh
from isofield.extract.certified import BLOCK, certified_cells, certified_grid
from isofield.extract.lattice import Lattice
from isofield.extract.sampler import Sampler
from isofield.geometry import Mesh
from isofield.ops.bounds import bound
from isofield.systems.field_file import read_scene


class Counted:
    """A field that counts the points it is asked for."""

    def __init__(self, path: Path) -> None:
        scene = read_scene(path)
        self.field, self.box, self.count = scene.inside, scene.box, 0
        self.layers = self.field.layers

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        self.count += len(points)
        return self.field(points)


def compare(path: Path, resolution: int, runs: int) -> dict[str, object]:
    field = Counted(path)
    ways = {
        "default": lambda **kw: extract_mesh(field, field.box, resolution=resolution, **kw),
        "certified": lambda **kw: extract_mesh(field, field.box, resolution=resolution, certified=True, **kw),
    }
    row: dict[str, object] = {"field": path.stem, "resolution": resolution}
    meshes: dict[str, Mesh] = {}
    for label, options in (("surface", {"project": 0, "normals": None}), ("whole", {})):
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(runs):
            for name, extract in ways.items():
                field.count, start = 0, time.process_time()
                mesh = extract(**options)
                seconds[name].append(time.process_time() - start)
                row[f"{label}_{name}_points"] = field.count
                if label == "surface":
                    meshes[name] = mesh
        row |= {f"{label}_{name}_seconds": round(min(values), 2) for name, values in seconds.items()}
    row["same"] = sorted(map(tuple, np.round(meshes["default"].vertices, 6))) == sorted(
        map(tuple, np.round(meshes["certified"].vertices, 6))
    )
    return row | stages(field, resolution)


def stages(field: Counted, resolution: int) -> dict[str, object]:
    """Where the time of the certified way goes."""
    sampler = Sampler(field, Lattice.over(field.box, resolution, BLOCK), closed=True)
    start = time.process_time()
    blocks = certified_cells(field, sampler.lattice, BLOCK)
    middle = time.process_time()
    certified_grid(sampler, blocks)
    return {
        "bounded_cells": blocks.bounded,
        "blocks": len(blocks.cells),
        "bounds_seconds": round(middle - start, 2),
        "grid_seconds": round(time.process_time() - middle, 2),
    }


def tightness(path: Path, cells: int, group: int) -> dict[str, object]:
    """The gap between the planes near the surface, in cells, and the cost of a cell in evaluations."""
    field = Counted(path)
    lattice = Lattice.over(field.box, cells)
    found = certified_cells(field, lattice, 0).cells
    low, high = lattice.positions(found), lattice.positions(found + 1)
    centre, half = (torch.tensor(x, dtype=torch.float32) for x in ((low + high) / 2, (high - low) / 2))
    start = time.process_time()
    planes = bound(field.layers, centre, half, group)
    cost = (time.process_time() - start) / len(found)
    with torch.inference_mode():
        points = centre.repeat(1 + 100_000 // len(centre), 1)
        start = time.process_time()
        field(points)
    each = (time.process_time() - start) / len(points)
    gap = (planes.high - planes.low) / (2 * planes.slope.norm(dim=1))
    return {
        "field": path.stem,
        "cells": cells,
        "group": group,
        "median_gap": round(gap.median().item(), 2),
        "microseconds": round(1e6 * cost, 1),
        "evaluations": round(cost / each, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fields", type=Path, nargs="+")
    parser.add_argument("--resolution", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--bounds", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for path in options.fields:
        if options.bounds:
            for cells in (32, 64, 128):
                for group in (1, 8, 32, 64):
                    print(json.dumps(tightness(path, cells, group)), flush=True)
        else:
            for resolution in options.resolution:
                print(json.dumps(compare(path, resolution, options.runs)), flush=True)


if __name__ == "__main__":
    main()
