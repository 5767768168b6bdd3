"""Cameras found from pictures alone, against those that are known: how far off, in what time.

    python benchmarks/found_cameras.py PHOTOS [--every 2] [--most 20] [--threads 2]

PHOTOS has cameras that we read. The pictures are copied without them. Centres are compared after the best
similarity, as shares of the diagonal of their box; rotations after the same turn, in degrees.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from isofield.data.photos import find_shots
from isofield.data.structure import find_cameras

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--most", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    shots = find_shots(args.photos).shots[:: args.every][: args.most]
    with tempfile.TemporaryDirectory() as place:
        bare = Path(place) / "bare"
        bare.mkdir()
        for shot in shots:
            shutil.copy(shot.image, bare)
        start, used = time.perf_counter(), time.process_time()
        model, said = find_cameras(bare, Path(place) / "work", threads=args.threads)
        record: dict[str, Any] = {
            "pictures": len(shots),
            "threads": args.threads,
            "seconds": round(time.perf_counter() - start, 1),
            "processor_seconds": round(time.process_time() - used, 1),
            "said": said,
        }
        found = {shot.name: shot for shot in find_shots(model).shots}
    pairs = [(found[shot.name], shot) for shot in shots if shot.name in found]
    record |= {"found": len(pairs)} | compared(
        *(np.stack([p[k].camera_from_world for p in pairs]) for k in (0, 1))
    )
    record["focal_ratio"] = round(pairs[0][0].lens.fx / pairs[0][1].lens.fx, 5)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "found_cameras.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def compared(found: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """Errors after the similarity of Umeyama (1991) that takes the found centres to the known."""
    places, truth = (-np.einsum("nji,nj->ni", p[:, :, :3], p[:, :, 3]) for p in (found, known))
    a, b = places - places.mean(0), truth - truth.mean(0)
    left, lengths, right = np.linalg.svd(b.T @ a)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(signs) @ right
    scale = (lengths * signs).sum() / (a**2).sum()
    off = np.linalg.norm(scale * a @ turn.T - b, axis=1) / np.linalg.norm(np.ptp(truth, axis=0))
    traces = np.einsum("nij,kj,nik->n", found[:, :, :3], turn, known[:, :, :3])
    degrees = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
    values = {"centre_mean": off.mean(), "centre_max": off.max(), "degrees_mean": degrees.mean()}
    return {name: round(float(v), 6) for name, v in (values | {"degrees_max": degrees.max()}).items()}


if __name__ == "__main__":
    main()
