"""Trains the DeepSDF of seats that ships and that `isofield complete` uses: part of `make weights`.

    python recipes/deepsdf.py [--data datasets/furniture] [--run runs/deepsdf]

The data set needs signed distances, which `make data` writes. Running it again goes on where it stopped.
Weights are written in half precision, and without the codes of the training shapes, to
src/isofield/weights/deepsdf.safetensors. The network is smaller than the paper's, and a code has 64 numbers:
68 seats do not fill more.
"""

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "src" / "isofield" / "weights" / "deepsdf.safetensors"
SEATS = ("chair", "armchair", "stool", "seat", "sofa", "couch", "bench")
STEPS = 4000
CONFIG = {
    "code_size": 64,
    "widths": "256,256,256,256,256,256,256,256",
    "dropout": "",
    "samples": 2048,
    "only": ",".join(SEATS),
}


def main() -> int:
    """Exit code of the training; the weights are written when it ends well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "deepsdf")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=0, help="0 for one per processor")
    args = parser.parse_args()
    from isofield.cli import main as isofield

    chosen = [f"--set={key}={value}" for key, value in CONFIG.items()]
    words = [
        *["train", "deepsdf", str(args.data), "-o", str(args.run), *chosen],
        *["--steps", str(args.steps), "--batch-size", "8", "--learning-rate", "0.001", "--weight-decay", "0"],
        *["--ema", "None", "--preview-every", "None", "--validate-every", "500"],
        *["--threads", str(args.threads), "--save-minutes", "5"],
    ]
    return isofield(words) or ship(args)


def ship(args: argparse.Namespace) -> int:
    """Write what was learned, in half precision and without the training shapes' codes."""
    from onet import steps_of

    from isofield.systems.deepsdf import DeepSDF
    from isofield.systems.stored import load_system
    from isofield.training.weights import save_weights

    if steps_of(args.run) < args.steps:
        return 130  # stopped by hand: the same command goes on
    learned = load_system(args.run / "weights.safetensors", "deepsdf")
    assert isinstance(learned, DeepSDF)
    config = replace(learned.config, objects=0)
    half = {name: tensor.half() for name, tensor in learned.field.state_dict(prefix="field.").items()}
    save_weights(WEIGHTS, "deepsdf", asdict(config), half)
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
