"""How far each system comes in which time when it learns one shape by heart, in two threads.

    python benchmarks/fit.py armadillo.obj [-o benchmarks/results/fit.json] [--systems grid onet ...]

A curve of (seconds of steps, estimated error in percent of the longest edge) for each system, with its own
recipe, and the exact error of its mesh at the end. `grid` is fitted in its three ways of keeping features.
Sampling and measuring are not counted in the curve; `whole` is the wall time of the command for `grid`, from
its start to the written mesh.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isofield.cli.fit import read_shape, sampled
from isofield.cli.run_record import as_json
from isofield.extract import surface_of
from isofield.metrics.both_ways import BothWays
from isofield.system import System
from isofield.systems import system_class
from isofield.systems.fits import FITS
from isofield.training.fitting import Fitting
from isofield.training.loop import train
from isofield.training.run_folder import RunFolder
from isofield.training.state import seed_step

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Timed(Fitting):
    """A fitting that notes when it was measured, its own time left out."""

    curve: list[tuple[float, float]] = field(default_factory=list)
    clock: dict[str, float] = field(default_factory=lambda: {"spent": 0.0, "start": time.perf_counter()})

    def validate(self, system: System) -> dict[str, float]:
        now = time.perf_counter()
        found = super().validate(system)
        self.curve.append((now - self.clock["start"] - self.clock["spent"], found["estimated_percent"]))
        self.clock["spent"] += time.perf_counter() - now
        return found


def fitted(name: str, path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """One system's row."""
    recipe, mesh = FITS[name], read_shape(path)
    shape = sampled(path, mesh, 0)
    options = replace(recipe.options, threads=torch.get_num_threads(), preview_every=None)
    options = replace(options, validate_every=max(1, options.steps // 24))
    config = replace(recipe.config(1), **values)
    seed_step(0, 0)
    system = system_class(name)(config)
    plainly = recipe.fitting([shape], 0, options.batch_size)
    fitting = Timed(plainly.source, plainly.edge)
    with tempfile.TemporaryDirectory() as folder:
        record = {"system": name, "config": as_json(config), "data": str(path), "options": {}, "versions": {}}
        train(system, fitting, RunFolder(Path(folder) / "run", record), options, quiet=True)
    scene = fitting.scene(system, 0)
    back = scene.world_from_scene
    points = scene.points
    made = surface_of(scene).transformed(back) if points is None else back.apply(points)
    exact = BothWays.of(made, mesh).numbers(float(np.ptp(mesh.vertices, axis=0).max()))
    parameters = sum(parameter.numel() for parameter in system.parameters())
    return {
        "steps": options.steps,
        "seconds": fitting.curve[-1][0],
        "parameters": parameters,
        "error_percent": exact["error_percent"],
        "curve": [[round(t, 3), round(e, 5)] for t, e in fitting.curve],
    }


def whole(path: Path) -> dict[str, float]:
    """Wall time of the command, and the error it says."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "isofield", "fit", str(path), "-o", f"{folder}/fit", "--json"]
        start = time.perf_counter()
        said = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "error_percent": next(iter(said["shapes"].values()))["error_percent"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mesh", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "benchmarks" / "results" / "fit.json")
    parser.add_argument("--systems", nargs="+", default=[*FITS, "grid, dense", "grid, planes"])
    args = parser.parse_args()
    torch.set_num_threads(2)
    results = json.loads(args.output.read_text()) if args.output.exists() else {}
    results["mesh"] = args.mesh.stem
    rows = results.setdefault("rows", {})
    for name in args.systems:
        system, _, features = name.partition(", ")
        rows[name] = fitted(system, args.mesh, {"features": features} if features else {})
        print(name, {k: v for k, v in rows[name].items() if k != "curve"}, flush=True)
        args.output.write_text(json.dumps(results, indent=1) + "\n")
    if "grid" in args.systems:
        results["whole"] = whole(args.mesh)
        args.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
