"""Clouds of a million points and more: seconds and peak memory of the whole command.

    python benchmarks/large.py armadillo.obj [--points 1000000 --points 10000000]

Points are drawn from the mesh by area, without normals. Each run is a process of its own on two
threads; the peak is its largest resident set, as the kernel counts it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from points import HERE, write_points

from isofield.data.mesh import read_mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.geometry.sampling import sample_surface


def measured(source: Path, count: int, threads: int) -> dict:
    """One run.

    Raises:
        RuntimeError: It has failed; its last words are the message.
    """
    points, _ = sample_surface(read_mesh(source), count, 1)
    with tempfile.TemporaryDirectory() as folder:
        scan, target = Path(folder) / "points.ply", Path(folder) / "mesh.ply"
        write_points(scan, points, None)
        del points
        words = ["reconstruct", str(scan), "-o", str(target), "--quiet", "--threads", str(threads)]
        start = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-m", "isofield", *words])
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise RuntimeError(f"{count} points: exit status {os.waitstatus_to_exitcode(status)}")
        mesh = read_mesh(target)
        return {
            "points": count,
            "wall_seconds": wall,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_memory_bytes": usage.ru_maxrss * 1024,
            "faces": len(mesh.faces),
            "closed": check_mesh(mesh).is_closed,
        }


def main() -> int:
    """Exit code 0; each row is written as soon as it is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--points", type=int, action="append", help="1,000,000 and 10,000,000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "large.json")
    args = parser.parse_args()
    rows = []
    for count in args.points or (1_000_000, 10_000_000):
        rows.append(measured(args.mesh, count, args.threads))
        print(json.dumps(rows[-1]), flush=True)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps({"mesh": args.mesh.stem, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
