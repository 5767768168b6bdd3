"""Very fine meshes within a given memory.

    python benchmarks/stream.py [--resolution 2048] [--memory 2GB] [-o benchmarks/results/stream.json]

Extracts shapes piece by piece to a PLY in a process of their own, and says the largest memory that the
process ever held and the seconds. A cube is the worst case of its size: whole sides lie in one layer.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPES = ("sphere", "cube", "torus", "gyroid")


def main() -> int:
    """Exit code; prints one line per shape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolution", type=int, default=2048)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--shapes", nargs="+", default=SHAPES, choices=SHAPES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--child", choices=SHAPES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args)))
        return 0
    found = []
    same = ["--resolution", str(args.resolution), "--memory", args.memory, "--threads", str(args.threads)]
    for shape in args.shapes:
        command = [sys.executable, __file__, "--child", shape, *same]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(answer.stdout))
        print(found[-1], flush=True)
    if args.output:
        args.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def measure(args: argparse.Namespace) -> dict[str, object]:
    """One extraction in this process."""
    import torch

    from isofield.data.ply_writing import ply_stream
    from isofield.extract.stream import bytes_of, stream_mesh
    from isofield.geometry import Box

    torch.set_num_threads(args.threads)
    began, pieces = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mesh.ply"
        with ply_stream(path, double=False) as ply:
            for piece in stream_mesh(
                field(args.child), Box.cube(1.0), resolution=args.resolution, memory=bytes_of(args.memory)
            ):
                ply.add(piece.vertices, piece.faces)
                pieces += 1
        size = path.stat().st_size
    return {
        "shape": args.child,
        "resolution": args.resolution,
        "memory": args.memory,
        "vertices": ply.vertices,
        "faces": ply.faces,
        "pieces": pieces,
        "seconds": round(time.perf_counter() - began, 1),
        "peak_gb": round(peak() / 1e9, 3),
        "file_gb": round(size / 1e9, 3),
    }


def peak() -> int:
    """Bytes of memory that this process held at most (Linux)."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def field(shape: str):
    """The shape as a function, positive inside."""
    import torch

    def sphere(p):
        return 0.41 - p.norm(dim=1)

    def cube(p):
        return 0.4 - p.abs().amax(dim=1)

    def torus(p):
        return 0.11 - torch.hypot(torch.hypot(p[:, 0], p[:, 1]) - 0.33, p[:, 2])

    def gyroid(p):
        s, c = torch.sin(20 * p), torch.cos(20 * p)
        waves = s[:, 0] * c[:, 1] + s[:, 1] * c[:, 2] + s[:, 2] * c[:, 0]
        return torch.minimum(waves / 20, sphere(p))

    return {"sphere": sphere, "cube": cube, "torus": torus, "gyroid": gyroid}[shape]


if __name__ == "__main__":
    sys.exit(main())
