"""Held-out furniture: IoU on uniform points against the winding number, a system beside Poisson.

    python benchmarks/furniture.py datasets/furniture --system gauss --baseline-python /path/to/python

Each model of the test split is seen as 300, 3,000 and 100,000 points with noise 0.005 of its longest
edge, without normals; the same draw for every method. The system runs in this process, Poisson in
processes of its own. Means are over objects; the table in the JSON has means over classes too. The
organic shapes that recipes/weights.py adds to the data set are not furniture and stay out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from points import HERE, write_points

from isofield.cli import main as isofield
from isofield.data.shapenet import categories, items

NOT_FURNITURE = {"organic"}


def evaluated(words: list[str]) -> dict:
    """What `isofield evaluate` finds, as its JSON table.

    Raises:
        RuntimeError: It has failed; the reason is on the screen.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.json"
        if isofield(["evaluate", *words, "-o", str(table), "--quiet"]):
            raise RuntimeError("isofield evaluate has failed")
        return json.loads(table.read_text())


def system(args: argparse.Namespace, count: int) -> dict:
    """Rows and means of the system."""
    words = ["--system", args.system, "--truth", str(args.dataset), *common(args, count)]
    return evaluated(words + (["--weights", str(args.weights)] if args.weights else []))


def poisson(args: argparse.Namespace, count: int, method: str) -> dict:
    """Rows and means of a baseline: one process per model."""
    found = items(args.dataset, args.split, rooms(args.dataset))
    with tempfile.TemporaryDirectory() as folder:
        limit = min(args.limit or len(found), len(found))
        for item in [found[i * len(found) // limit] for i in range(limit)]:
            source = Path(folder) / "points.ply"
            target = Path(folder) / "made" / item.category / f"{item.id}.ply"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_points(source, item.scan(count, args.noise).points, None)
            words = [args.baseline_python, str(HERE / "poisson.py"), method, str(source), str(target)]
            subprocess.run([*words, str(args.depth)], capture_output=True, check=False)
        words = [str(Path(folder) / "made"), "--truth", str(args.dataset), *common(args, count)]
        return evaluated(words)


def rooms(dataset: Path) -> list[str]:
    """Categories of furniture."""
    return [name for name in categories(dataset) if name not in NOT_FURNITURE]


def common(args: argparse.Namespace, count: int) -> list[str]:
    """Options of `isofield evaluate` that are the same for all methods."""
    words = ["--split", args.split, "--points", str(count), "--noise", str(args.noise), "--voids", args.voids]
    words += [] if args.limit is None else ["--limit", str(args.limit)]
    return words + [word for name in rooms(args.dataset) for word in ("--category", name)]


def main() -> int:
    """Exit code 0; failures of single models are rows with a reason and IoU 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--system", default="gauss")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--points", type=int, action="append", help="points seen; 300, 3000 and 100000")
    parser.add_argument("--noise", type=float, default=0.005)
    parser.add_argument("--limit", type=int, help="so many models, evenly spread over the split")
    parser.add_argument("--voids", choices=["free", "filled"], default="free")
    parser.add_argument("--baseline-python", help="python of an environment with open3d and pymeshlab")
    parser.add_argument("--baseline", action="append", choices=["open3d", "pymeshlab"])
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "furniture.json")
    args = parser.parse_args()
    baselines = (args.baseline or ["open3d"]) if args.baseline_python else []
    results = {}
    for count in args.points or (300, 3_000, 100_000):
        for name in (args.system, *baselines):
            found = system(args, count) if name == args.system else poisson(args, count, name)
            label = name if name == args.system else f"{name}_poisson_d{args.depth}"
            results[f"{label}/{count}"] = found
            means = found["summary"]["mean_over_objects"]
            print(
                f"{label:<20} {count:>7} points: IoU {means['iou']:.4f} over objects,"
                f" {found['summary']['mean_over_classes']['iou']:.4f} over classes,"
                f" {found['summary']['failed']} of {found['summary']['objects']} failed",
                flush=True,
            )
            args.output.parent.mkdir(parents=True, exist_ok=True)
            args.output.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
