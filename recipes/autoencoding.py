"""Trains seven representations on the same furniture with the same budget: which keeps an unseen shape?

    python recipes/autoencoding.py [SYSTEM ...] [--data datasets/furniture] [--runs runs/autoencoding]

The data set is that of `make data`, its training part, every model as it is. Each system has as many steps
as it makes in 15 to 27 minutes on one processor core while the other is busy, too, with networks smaller
than the papers'. Running it again goes on where it stopped; two calls for different systems take two
cores. benchmarks/unseen.py measures what comes of it on the test part.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOUD = 300
"""Exact points of the surface that systems see which read clouds."""


@dataclass(frozen=True)
class Recipe:
    """What differs between the systems."""

    steps: int
    """That took 15 to 27 minutes on one core."""
    config: dict[str, object]
    batch_size: int = 16
    learning_rate: float = 1e-3


SEEN = {"cloud_size": CLOUD, "noise": 0.0}
CODED = {"code_size": 256, "encoder_width": 128, **SEEN}
RECIPES = {
    "onet": Recipe(2600, {**CODED, "field_width": 128, "points": 512}),
    "deepsdf": Recipe(
        3000,
        {
            "code_size": 128,
            "widths": ",".join(8 * ["256"]),
            "dropout": "",
            "samples": 512,
            "fit_steps": 400,
            "fit_samples": 1000,
        },
    ),
    "imnet": Recipe(
        2600,
        {"field_width": 32, "voxel_width": 8, "points": 512, "epochs_16": 16, "epochs_32": 16},
        learning_rate=3e-3,
    ),
    "ldif": Recipe(
        3300,
        {
            **SEEN,
            "symmetric": 0,
            "points": 256,
            "near": 256,
            "local_points": 64,
            "inside_weight": 10,
            "near_weight": 1,
        },
        batch_size=8,
    ),
    "voxel_decoder": Recipe(3000, {**CODED, "width": 64}),
    "atlasnet": Recipe(3300, {"code_size": 256, **SEEN, "width": 128, "points": 1000}),
    "psgn": Recipe(3800, {**CODED, "made": 1024, "points": 1024}),
}


def main() -> int:
    """Exit code of the first training that did not end well, or 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"among {', '.join(RECIPES)}; all")
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "autoencoding")
    parser.add_argument("--steps", type=int, help="of every system, to try it out")
    parser.add_argument("--threads", type=int, default=1, help="of one training")
    args = parser.parse_args()
    unknown = [name for name in args.systems if name not in RECIPES]
    if unknown:
        parser.error(f"{unknown[0]} is not compared; choose among {', '.join(RECIPES)}")
    return next((code for name in args.systems or RECIPES if (code := trained(name, args))), 0)


def trained(name: str, args: argparse.Namespace) -> int:
    """Exit code of one training."""
    from isofield.cli import main as isofield

    recipe = RECIPES[name]
    start, cpu = time.perf_counter(), time.process_time()
    code = isofield(
        [
            *["train", name, str(args.data), "-o", str(args.runs / name)],
            *[f"--set={key}={value}" for key, value in recipe.config.items()],
            *["--steps", str(args.steps or recipe.steps), "--batch-size", str(recipe.batch_size)],
            *["--learning-rate", str(recipe.learning_rate), "--weight-decay", "0", "--ema", "None"],
            *["--preview-every", "None", "--validate-every", "1000", "--save-minutes", "2"],
            *["--threads", str(args.threads)],
        ]
    )
    spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    if (args.runs / name).is_dir():
        with open(args.runs / name / "spent.jsonl", "a") as lines:
            lines.write(json.dumps(spent) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
