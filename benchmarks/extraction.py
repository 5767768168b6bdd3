"""Mesh extraction beside the usual way of doing it, in one run.

    python recipes/bench_shapes.py                     (once: the decoder, about an hour on one core)
    python benchmarks/extraction.py [-o benchmarks/results/extraction.json] [--plot FILE.svg]

Whole extractions of seven trained shapes, the usual way (peer_onet.py) at its default batch of
100,000 points and at a tuned one of 1,000 beside ours, in turns; each the best of its repeats.
Then marching cubes alone, the bounds of trained networks, and the growth of time and memory.
Ratios above 1 mean that isofield is faster. Run it where nothing else runs; the load is written down.
"""

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
BATCHES = {"peer_100k": 100_000, "peer_1k": 1_000}
GROWTH = (64, 128, 256, 512, 1024)


class Counted:
    """A field that counts its points and seconds."""

    def __init__(self, inside: Callable[[Tensor], Tensor]) -> None:
        self.inside, self.points, self.seconds = inside, 0, 0.0

    def __call__(self, points: Tensor) -> Tensor:
        start = perf_counter()
        values = self.inside(points)
        self.points, self.seconds = self.points + len(points), self.seconds + perf_counter() - start
        return values


def load_average() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]


def ours(inside: Callable[[Tensor], Tensor], resolution: int, **options):
    from isofield.extract import extract_mesh
    from isofield.geometry import Box

    return extract_mesh(inside, Box.cube(1.1), resolution=resolution, project=0, normals=None, **options)


def whole(weights: Path, resolutions: list[int], repeats: int) -> Iterator[dict]:
    """One row per resolution and shape: seconds of each way, points, and whether the meshes agree."""
    from peer_onet import Peer
    from safetensors.torch import load_file

    from isofield.condition import Code
    from isofield.official.onet import infer_config, onet_from_official

    state = load_file(weights)
    peer, system = Peer(state), onet_from_official(state, infer_config(state))
    for resolution in resolutions:
        for name, code in zip(shapes(), state["encoder.weight"], strict=True):
            peers = {
                key: partial(peer.extract, code[None], resolution, batch) for key, batch in BATCHES.items()
            }
            # Binding is part of our work: it is done anew each time.
            row = side_by_side(
                peers, lambda code=code: Counted(system.field.bind(Code(code[None]))), resolution, repeats
            )
            yield {"shape": name, "resolution": resolution} | row


def side_by_side(peers: dict, bind: Callable[[], Counted], resolution: int, repeats: int) -> dict:
    best: dict[str, float] = {}
    row: dict = {}
    meshes: dict = {}
    for _ in range(repeats):
        for key, run in peers.items():
            start = perf_counter()
            meshes[key], times = run()
            seconds = perf_counter() - start
            if seconds < best.get(key, np.inf):
                best[key] = seconds
                row[f"stages_{key}"] = {
                    stage: round(getattr(times, stage), 3) for stage in ("network", "bookkeeping", "marching")
                }
            row["points_mise"] = sum(times.rounds)
        start = perf_counter()
        field = bind()
        meshes["ours"] = ours(field, resolution)
        seconds = perf_counter() - start
        if seconds < best.get("ours", np.inf):
            best["ours"], row["seconds_ours_in_field"] = seconds, round(field.seconds, 3)
        row["points_ours"] = field.points
    row |= {f"seconds_{key}": round(value, 3) for key, value in best.items()}
    row |= {f"ratio_{key.removeprefix('peer_')}": best[key] / best["ours"] for key in peers}
    row["share_of_mise"] = row["points_ours"] / row["points_mise"]
    return row | agreement(meshes["ours"], meshes["peer_1k"], resolution)


def agreement(mine, theirs, resolution: int) -> dict:
    """Topology of both meshes, and how far vertices on grid edges lie from the other mesh's."""
    from scipy.spatial import cKDTree

    from isofield.geometry.mesh_checks import check_mesh

    checks = check_mesh(mine), check_mesh(theirs)
    places = [(mesh.vertices / 1.1 + 0.5) * resolution for mesh in (mine, theirs)]
    # Vertices in the middle of ambiguous cells are a matter of taste; those on edges are not.
    places = [p[(np.abs(p - np.round(p)) < 1e-3).sum(axis=1) >= 2] for p in places]
    apart = max(cKDTree(a).query(b)[0].max() for a, b in (places, places[::-1]))
    return {
        "components": [c.components for c in checks],
        "euler": [c.euler for c in checks],
        "equal_topology": checks[0].components == checks[1].components and checks[0].euler == checks[1].euler,
        "deviation_voxels": float(apart),
        "sound": [c.is_sound for c in checks],
    }


def marching(repeats: int, resolution: int = 256) -> list[dict]:
    """Ours on the active cells beside scikit-image on the whole grid, for the formulas of the shapes."""
    from skimage.measure import marching_cubes

    from isofield.extract.lattice import Lattice
    from isofield.extract.marching import march
    from isofield.extract.mise import bricks_of
    from isofield.extract.project import place_vertices
    from isofield.extract.sampler import Sampler
    from isofield.geometry import Box
    from isofield.ops.query import query

    lattice = Lattice.over(Box.cube(1.1), resolution)
    places = lattice.positions(np.argwhere(np.ones((resolution + 1,) * 3, bool)))
    rows = []
    for name, shape in shapes().items():
        dense = -query(shape, places).reshape((resolution + 1,) * 3)
        active, sampler = bricks_of(dense), Sampler(shape, lattice, closed=False)

        def one(active=active, sampler=sampler) -> int:
            surface = march(active)
            place_vertices(surface, sampler, 0)
            return len(surface.faces)

        runs = {"ours": one, "skimage": lambda dense=dense: len(marching_cubes(dense, 0.0)[1])}
        rows.append({"shape": name, "resolution": resolution} | in_turns(runs, max(repeats, 3)))
        rows[-1]["ratio"] = rows[-1]["seconds_skimage"] / rows[-1]["seconds_ours"]
    return rows


def in_turns(runs: dict[str, Callable[[], object]], repeats: int) -> dict:
    """The best of the repeats, and what each run gives."""
    best, given = dict.fromkeys(runs, np.inf), {}
    for _ in range(repeats):
        for key, run in runs.items():
            start = perf_counter()
            given[key] = run()
            best[key] = min(best[key], perf_counter() - start)
    return {f"seconds_{key}": round(value, 4) for key, value in best.items()} | given


def shapes() -> dict[str, Callable[[Tensor], Tensor]]:
    """The formulas that the decoder was trained with."""
    sys.path.insert(0, str(ROOT / "recipes"))
    from bench_shapes import SHAPES

    return SHAPES


def certified(repeats: int, folder: Path | None, resolution: int = 256) -> list[dict]:
    """Proven extraction beside the default, on trained networks in files."""
    from isofield.extract import extract_mesh
    from isofield.systems.field_file import read_scene

    rows = []
    for path in sorted(folder.glob("sdf_mlp_*.npz")) if folder else []:
        scene = read_scene(path)
        options = {"box": scene.box, "resolution": resolution, "project": 0, "normals": None}
        runs = {
            "default": lambda scene=scene, options=options: len(extract_mesh(scene.inside, **options).faces),
            "certified": lambda scene=scene, options=options: len(
                extract_mesh(scene.inside, certified=True, **options).faces
            ),
        }
        rows.append({"field": path.stem, "resolution": resolution} | in_turns(runs, repeats))
        rows[-1]["ratio"] = rows[-1]["seconds_default"] / rows[-1]["seconds_certified"]
    return rows


def growth_child(resolution: int) -> dict:
    """Seconds and memory of one extraction in a process of its own.

    Memory is the peak while it runs above what a first, small one has left behind: imports, the table of
    cases, threads.
    """
    shape = shapes()["rabbit"]
    inside = Counted(lambda p: -shape(p))
    ours(inside, 32)
    gc.collect()
    before, inside.points, start = reset_peak_memory(), 0, perf_counter()
    mesh = ours(inside, resolution)
    seconds = perf_counter() - start
    return {
        "resolution": resolution,
        "seconds": round(seconds, 3),
        "memory_bytes": peak_memory() - before,
        "points": inside.points,
        "faces": len(mesh.faces),
    }


def reset_peak_memory() -> int:
    """Bytes in use now; from here on `peak_memory` counts anew. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak_memory() -> int:
    """Most bytes in use since the peak was reset."""
    return status("VmHWM")


def status(key: str) -> int:
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith(key))
    return int(line.split()[1]) * 1024


def growth(resolutions: list[int]) -> dict:
    """Rows by resolution, and the exponent of time and memory over the larger ones."""
    rows = []
    for resolution in resolutions:
        words = [sys.executable, __file__, "--growth-child", str(resolution)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout))
    large = [row for row in rows if row["resolution"] >= 256]
    found: dict = {"rows": rows}
    if len(large) > 1:
        size = np.log([row["resolution"] for row in large])
        for key in ("seconds", "memory_bytes", "points"):
            found[f"exponent_{key}"] = float(np.polyfit(size, np.log([row[key] for row in large]), 1)[0])
    return found


def summary(rows: list[dict]) -> dict:
    """Over the shapes of one resolution: geometric means and the worst cases."""
    ratios = {key: [row[key] for row in rows] for key in ("ratio_100k", "ratio_1k")}
    found = {key: float(np.exp(np.mean(np.log(values)))) for key, values in ratios.items()}
    found |= {f"least_{key}": min(values) for key, values in ratios.items()}
    for key in ("peer_100k", "peer_1k", "ours"):
        found[f"seconds_{key}"] = float(np.mean([row[f"seconds_{key}"] for row in rows]))
    share = sum(row["points_ours"] for row in rows) / sum(row["points_mise"] for row in rows)
    return found | {
        "share_of_mise": share,
        "most_share_of_mise": max(row["share_of_mise"] for row in rows),
        "equal_topology": sum(row["equal_topology"] for row in rows),
        "deviation_voxels": max(row["deviation_voxels"] for row in rows),
        "shapes": len(rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", type=Path, help="JSON file to write, after every step")
    parser.add_argument("--plot", type=Path, help="SVG file to write")
    parser.add_argument("--weights", type=Path, default=ROOT / "datasets" / "bench_shapes.safetensors")
    parser.add_argument("--networks", type=Path, help="folder with sdf_mlp_*.npz, for the proven extraction")
    parser.add_argument("--resolutions", type=int, nargs="*", default=[128, 256])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--growth", type=int, nargs="*", default=list(GROWTH))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--growth-child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.growth_child:
        print(json.dumps(growth_child(args.growth_child)))
        return
    run(args)


def run(args: argparse.Namespace) -> None:
    found: dict = {"about": about(), "whole": [], "summary": []}

    def save() -> None:
        found["about"]["load_after"] = load_average()
        if args.o:
            args.o.write_text(json.dumps(found, indent=1) + "\n")

    ours(lambda p: 0.3 - p.norm(dim=1), 16)  # imports and the table of cases
    for threads in args.threads:
        torch.set_num_threads(threads)
        for row in whole(args.weights, args.resolutions, args.repeats):
            row = {"threads": threads, "load": load_average()[0]} | row
            found["whole"].append(row)
            print(json.dumps(row), flush=True)
            save()
        for resolution in args.resolutions:
            rows = [r for r in found["whole"] if r["threads"] == threads and r["resolution"] == resolution]
            found["summary"].append({"threads": threads, "resolution": resolution} | summary(rows))
    found["marching"] = marching(args.repeats)
    found["certified"] = certified(args.repeats, args.networks)
    found["growth"] = growth(args.growth)
    save()
    print(json.dumps({key: value for key, value in found.items() if key != "whole"}, indent=1))
    if args.plot:
        from extraction_plot import plot

        args.plot.write_text(plot(found))


def about() -> dict:
    return {
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "load_before": load_average(),
        "environment": {key: value for key, value in os.environ.items() if key.startswith(("OMP_", "MKL_"))},
    }


if __name__ == "__main__":
    main()
