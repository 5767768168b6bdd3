"""Trains the weights that ship: `make weights`.

    python recipes/weights.py [--data datasets/furniture] [--run runs/indicator] [--steps 60000]

Furniture (`make data`) and organic shapes from formulas (recipes/shapes.py) teach the indicator
network. Running it again goes on where it stopped; `--steps` may be raised later. What is learned
so far is written, in half precision, to src/isofield/weights/indicator.safetensors.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "src" / "isofield" / "weights" / "indicator.safetensors"


def main() -> int:
    """Exit code of the training; the weights are written when it ends well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--shapes", type=Path, default=ROOT / "datasets" / "shapes")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "indicator")
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=0, help="0 for one per processor")
    args = parser.parse_args()
    from isofield.cli import main as isofield

    shapes = [sys.executable, str(ROOT / "recipes" / "shapes.py"), str(args.shapes), "--count", "150"]
    subprocess.run(shapes, check=True)
    code = isofield(["prepare", str(args.shapes), "-o", str(args.data)])
    return code or isofield(training(args)) or ship(args.run)


def training(args: argparse.Namespace) -> list[str]:
    """The arguments of the training."""
    return [
        *("train", "indicator", str(args.data), "-o", str(args.run)),
        *("--steps", str(args.steps), "--learning-rate", "1e-3", "--schedule", "cosine"),
        *("--batch-size", "4", "--precision", "bf16", "--ema", "0.998"),
        *("--validate-every", "1000", "--preview-every", "None", "--threads", str(args.threads)),
    ]


def ship(run: Path) -> int:
    """Write the run's averaged weights in half precision to where `reconstruct` finds them."""
    from isofield.training.weights import load_weights, save_weights

    learned = load_weights(run / "weights.safetensors")
    half = {name: tensor.half() for name, tensor in learned.tensors.items()}
    SHIPPED.parent.mkdir(parents=True, exist_ok=True)
    save_weights(SHIPPED, learned.system, learned.config, half)
    print(f"{SHIPPED}: {SHIPPED.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
