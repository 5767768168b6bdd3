"""Completion beside reconstruction of what was seen alone, on scans of one side of held-out chairs.

    python benchmarks/complete.py [--data datasets/furniture] [-o benchmarks/results/complete.json]

Each held-out chair is seen by one camera from a random side, 20 degrees above the floor. Measured on the half
that it does not see: distance from the true surface there to the result, from the result's surface there to
the truth, and their mean, where the longest edge of the whole is 1. `gauss` reconstructs from the same points
with the same sensor.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from isofield.data.chosen import chosen
from isofield.data.half_scan import half_scan
from isofield.data.judging import clearest
from isofield.data.models import find_models
from isofield.data.sampling import normalised
from isofield.data.shapenet import items
from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.geometry import Mesh
from isofield.geometry.sampling import sample_surface
from isofield.metrics.surface import to_triangles
from isofield.systems.completion import CompletionConfig, complete
from isofield.systems.stored import load_system, ready_system

ROOT = Path(__file__).resolve().parent.parent
COUNT = 50_000
CHAIRS = ("chair", "armchair")
"""What models are called that are measured."""
UNSEEN = 0.03
"""What is farther than this from every point of the scan was not seen."""


def main() -> int:
    """Exit code 0 when all is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--downloads", type=Path, default=ROOT / "datasets" / "downloads")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--meshes", type=Path, help="folder to write scans and results to")
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "benchmarks" / "results" / "complete.json"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    held = [
        item
        for part in ("val", "test")
        for item in chosen(args.data, items(args.data, part), CHAIRS, none_ok=True)
    ][: args.limit]
    archives = sorted(args.downloads.glob("**/*.sh3f"))
    models = {(model.category, model.id): model for model in find_models(archives)}
    system = ready_system("deepsdf") if args.weights is None else load_system(args.weights, "deepsdf")
    gauss, rows = ready_system("gauss"), []
    for number, item in enumerate(held):
        mesh = clearest(normalised(models[item.category, item.id].read())[0], number).mesh
        azimuth = float(np.random.default_rng([7, number]).uniform(0, 360))
        scan = half_scan(mesh, azimuth, seed=number)
        row: dict[str, Any] = {"model": item.name, "azimuth": round(azimuth, 1), "points": len(scan)}
        start = time.perf_counter()
        found = complete(system, scan, CompletionConfig())
        row["complete"] = measured(found.scene, mesh, scan) | {"seconds": time.perf_counter() - start}
        start = time.perf_counter()
        row["gauss"] = measured(gauss.reconstruct(scan), mesh, scan) | {
            "seconds": time.perf_counter() - start
        }
        rows.append(row)
        said = {k: {n: round(v, 4) for n, v in row[k].items()} for k in ("complete", "gauss")}
        print(item.name, said, flush=True)
        if args.meshes:
            write(args.meshes, item.id, scan, {"complete": found.scene, "gauss": gauss.reconstruct(scan)})
        args.output.write_text(json.dumps({"rows": rows, "means": means(rows)}, indent=1) + "\n")
    print(json.dumps(means(rows), indent=1))
    return 0


def measured(scene: Any, truth: Mesh, scan: Any) -> dict[str, float]:
    """Distances on the unseen half, both ways; infinite without a surface."""
    tree = cKDTree(scan.points)
    true = sample_surface(truth, COUNT, 3)[0]
    true = true[tree.query(true)[0] > UNSEEN]
    try:
        mesh = extract_mesh(scene.inside, scene.box, resolution=96).transformed(scene.world_from_scene)
    except InputError:
        return {"chamfer": float("inf"), "accuracy": float("inf"), "completeness": float("inf")}
    made = sample_surface(mesh, COUNT, 4)[0]
    made = made[tree.query(made)[0] > UNSEEN]
    back = float(to_triangles(true, mesh).mean())
    forth = float(to_triangles(made, truth).mean()) if len(made) else back
    return {"chamfer": (forth + back) / 2, "accuracy": forth, "completeness": back}


def means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over the models, and how often completion is better."""
    keys = ("chamfer", "accuracy", "completeness", "seconds")
    found: dict[str, Any] = {
        name: {key: float(np.mean([row[name][key] for row in rows])) for key in keys}
        for name in ("complete", "gauss")
    }
    better = [row["complete"]["chamfer"] < row["gauss"]["chamfer"] for row in rows]
    return {**found, "models": len(rows), "better": int(np.sum(better))}


def write(folder: Path, name: str, scan: Any, scenes: dict[str, Any]) -> None:
    """The scan and the meshes, to look at."""
    from isofield.data import write_mesh, write_points

    folder.mkdir(parents=True, exist_ok=True)
    write_points(folder / f"{name}.scan.ply", scan)
    for kind, scene in scenes.items():
        mesh = extract_mesh(scene.inside, scene.box, resolution=96).transformed(scene.world_from_scene)
        write_mesh(folder / f"{name}.{kind}.ply", mesh)


if __name__ == "__main__":
    sys.exit(main())
