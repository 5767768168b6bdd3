"""Points to mesh, side by side with screened Poisson: quality and CPU seconds.

    python benchmarks/points.py --mesh armadillo=armadillo.obj --baseline-python /path/to/venv/bin/python

The protocol: the mesh's box is centred and its longest edge scaled to 1; input samples are drawn with
seed 1, noise with seed 2, and all measures are those of isofield.metrics (docs/metrics.md). Cases:
3,000 points with noise 0.005; 100,000 clean points; the same with exact normals; 300 noisy points on
request. Each method is a process of its own. Its CPU seconds are counted beyond the start of the
interpreter and its imports: a second process imports the same modules and does nothing else, the
least of `--repeat` runs each. The baselines estimate and orient their own normals, which counts.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isofield.cli.run_record import sha256, versions
from isofield.data.mesh import read_mesh
from isofield.geometry.sampling import sample_surface
from isofield.metrics import Truth, measure
from isofield.metrics.table import without_nan

HERE = Path(__file__).parent
CASES = {
    "n300_noisy": (300, 0.005, False),
    "n3k_noisy": (3_000, 0.005, False),
    "n100k_clean": (100_000, 0.0, False),
    "n100k_clean_normals": (100_000, 0.0, True),
}
DEFAULT_CASES = ("n3k_noisy", "n100k_clean", "n100k_clean_normals")


@dataclass(frozen=True)
class Method:
    """A program that turns a PLY of points into a PLY mesh."""

    name: str
    python: str
    words: tuple[str, ...]
    """With {in} and {out} for the files."""


def methods(args: argparse.Namespace) -> list[Method]:
    """Ours and, if there is an environment for them, the baselines."""
    options = tuple(args.options.split())
    ours = ("isofield", "reconstruct", "{in}", "-o", "{out}", "--no-report", "--quiet", *options)
    found = [Method("isofield", sys.executable, ours)]
    if args.baseline_python:
        for name in args.baseline or ("open3d", "pymeshlab"):
            words = ("poisson", name, "{in}", "{out}", str(args.depth))
            found.append(Method(f"{name}_poisson_d{args.depth}", args.baseline_python, words))
    return found


def write_points(path: Path, points: np.ndarray, normals: np.ndarray | None) -> None:
    """Binary PLY of 32-bit floats, as scanners write them."""
    columns = ["x", "y", "z"] + (["nx", "ny", "nz"] if normals is not None else [])
    rows = points if normals is None else np.concatenate([points, normals], axis=1)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
    header += "".join(f"property float {c}\n" for c in columns) + "end_header\n"
    path.write_bytes(header.encode() + np.ascontiguousarray(rows, "<f4").tobytes())


def child(python: str, words: list[str]) -> tuple[float, float, subprocess.CompletedProcess]:
    """CPU and wall seconds of a process and its own children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [python, str(HERE / "child.py"), *words], capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, done


def timed(method: Method, source: Path, target: Path, repeat: int) -> dict:
    """Least CPU and wall seconds of the runs, and of those that only import; `error` if one fails."""
    modules = target.with_suffix(".modules.json")
    words = [w.replace("{in}", str(source)).replace("{out}", str(target)) for w in method.words]
    runs = []
    for _ in range(repeat):
        cpu, wall, done = child(method.python, ["run", str(modules), *words])
        if done.returncode:
            lines = (done.stderr + done.stdout).strip().splitlines()
            return {"error": (lines or [f"exit code {done.returncode}"])[-1][:300]}
        runs.append((cpu, wall))
    bare = [child(method.python, ["imports", str(modules)])[:2] for _ in range(repeat)]
    total, imports = min(c for c, _ in runs), min(c for c, _ in bare)
    return {
        "cpu_seconds_beyond_imports": max(total - imports, 0.0),
        "cpu_seconds_total": total,
        "cpu_seconds_imports": imports,
        "wall_seconds_total": min(w for _, w in runs),
        "wall_seconds_imports": min(w for _, w in bare),
    }


def compare(name: str, path: Path, args: argparse.Namespace) -> list[dict]:
    """Rows of all cases and methods on one mesh."""
    truth, _ = Truth.of(read_mesh(path))
    assert truth.mesh is not None
    rows = []
    for case in args.case or DEFAULT_CASES:
        count, sigma, with_normals = CASES[case]
        points, normals = sample_surface(truth.mesh, count, 1)
        points = points + sigma * np.random.default_rng(2).standard_normal(points.shape)
        for method in methods(args):
            with tempfile.TemporaryDirectory() as folder:
                source, target = Path(folder) / "points.ply", Path(folder) / "mesh.ply"
                write_points(source, points, normals if with_normals else None)
                row = {"mesh": name, "case": case, "method": method.name}
                row |= timed(method, source, target, args.repeat)
                if "error" not in row:
                    try:
                        row |= measure(read_mesh(target), truth)
                    except ValueError as error:
                        row["error"] = str(error)
            rows.append(row)
            print(line(row), flush=True)
    return rows


def line(row: dict) -> str:
    """One row for people."""
    head = f"{row['mesh']:<16} {row['case']:<20} {row['method']:<20}"
    if "error" in row:
        return f"{head} {row['error']}"
    return (
        f"{head} IoU {row['iou']:.4f}  Chamfer-L1 {row['chamfer_l1']:.5f}  NC {row['normal_consistency']:.4f}"
        f"  F@0.005 {row['fscore_0.005']:.3f}  CPU {row['cpu_seconds_beyond_imports']:.2f} s"
        f"  {'closed' if row['closed'] else 'open'}"
    )


def main() -> int:
    """Exit code 1 if any method failed on any case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mesh", action="append", required=True, metavar="NAME=PATH")
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--baseline-python", help="python of an environment with open3d and pymeshlab")
    parser.add_argument("--baseline", action="append", choices=["open3d", "pymeshlab"])
    parser.add_argument("--depth", type=int, default=8, help="octree depth of the baselines")
    parser.add_argument("--options", default="", help="further words for isofield reconstruct")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "points.json")
    args = parser.parse_args()
    about = {
        "versions": versions(), "platform": platform.platform(), "processors": os.cpu_count(),
        "load": os.getloadavg(), "repeat": args.repeat, "options": args.options,
    }  # fmt: skip
    rows, meshes = [], {}
    for spec in args.mesh:
        name, path = spec.split("=", 1)
        meshes[name] = {"sha256": sha256(Path(path))}
        rows += compare(name, Path(path), args)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(
            json.dumps(without_nan({"about": about, "meshes": meshes, "rows": rows}), indent=1) + "\n"
        )
    return int(any("error" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
