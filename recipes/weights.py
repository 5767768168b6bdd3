"""Trains the weights that ship: `make weights`.

    python recipes/weights.py [--data datasets/furniture] [--run runs/indicator] [--steps 60000]
    python recipes/weights.py --refine [--steps 1000]

Furniture (`make data`) and organic shapes from formulas (recipes/shapes.py) teach the indicator
network, from random weights or, with --refine, from those that ship now, at a quarter of the learning
rate. Running it again goes on where it stopped; `--steps` may be raised later. What is learned is
written, in half precision, to src/isofield/weights/indicator.safetensors; the curve of the
validation is in metrics.jsonl in the run's folder.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
BLEND = 0.6
"""Share of the refined weights in what ships; the rest is what the refinement started from."""
SHIPPED = ROOT / "src" / "isofield" / "weights" / "indicator.safetensors"


def main() -> int:
    """Exit code of the training; the weights are written when it ends well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--shapes", type=Path, default=ROOT / "datasets" / "shapes")
    parser.add_argument("--run", type=Path, help="runs/indicator, or runs/refined with --refine")
    parser.add_argument("--steps", type=int, help="60000, or 1000 with --refine")
    parser.add_argument("--refine", action="store_true", help="start from the weights that ship")
    parser.add_argument("--threads", type=int, default=0, help="0 for one per processor")
    args = parser.parse_args()
    args.run = args.run or ROOT / "runs" / ("refined" if args.refine else "indicator")
    from isofield.cli import main as isofield

    shapes = [sys.executable, str(ROOT / "recipes" / "shapes.py"), str(args.shapes), "--count", "150"]
    subprocess.run(shapes, check=True)
    code = isofield(["prepare", str(args.shapes), "-o", str(args.data)])
    return code or isofield(training(args)) or ship(args.run)


def training(args: argparse.Namespace) -> list[str]:
    """The arguments of the training."""
    from isofield.training.precision import has_bf16

    fast = has_bf16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    words = ["train", "indicator", str(args.data), "-o", str(args.run), "--batch-size", "4"]
    words += ["--precision", "bf16" if fast else "float32", "--schedule", "cosine"]
    words += ["--preview-every", "None", "--threads", str(args.threads)]
    if not args.refine:
        words += ["--steps", str(args.steps or 60_000), "--learning-rate", "1e-3", "--ema", "0.998"]
        return [*words, "--validate-every", "1000"]
    words += ["--steps", str(args.steps or 1_000), "--learning-rate", "2.5e-4", "--warmup", "100"]
    return [*words, "--ema", "0.995", "--validate-every", "250", "--weights", str(started_from(args.run))]


def start_of(run: Path) -> Path:
    """Where the weights lie that a refined run started from."""
    return run.with_suffix(".start.safetensors")


def started_from(run: Path) -> Path:
    """A copy of the shipped weights beside the run: the same start when it is resumed later."""
    start = start_of(run)
    if not start.exists():
        start.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SHIPPED, start)
    return start


def ship(run: Path) -> int:
    """Write the run's averaged weights in half precision to where `reconstruct` finds them.

    A refined run is blended with what it started from: on what is held out the mean of both
    is better than either.
    """
    from isofield.training.weights import load_weights, save_weights

    learned = load_weights(run / "weights.safetensors")
    tensors = learned.tensors
    if (start := start_of(run)).exists():
        before = load_weights(start).tensors
        tensors = {name: torch.lerp(before[name].float(), new, BLEND) for name, new in tensors.items()}
    SHIPPED.parent.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.half() for name, tensor in tensors.items()}
    save_weights(SHIPPED, learned.system, learned.config, half)
    print(f"{SHIPPED}: {SHIPPED.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
