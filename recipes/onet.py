"""Trains the occupancy networks that ship: `make weights`.

    python recipes/onet.py points|image|generative [--data datasets/furniture] [--run runs/onet_points]

points       300 noisy points -> shape, all furniture
image        a picture of 112 x 112 pixels -> shape, all furniture
generative   nothing -> chairs and tables

Running it again goes on where it stopped. What is learned is written, in half precision, to
src/isofield/weights/onet_*.safetensors. Networks are smaller than the paper's: so many models of so
few kinds do not fill its 6 to 14 million numbers, and weights in the package stay small.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "src" / "isofield" / "weights"


@dataclass(frozen=True)
class Recipe:
    """What differs between the trainings."""

    steps: int
    config: dict[str, object]
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.01


RECIPES = {
    "points": Recipe(
        5000, {"code_size": 256, "encoder_width": 128, "field_width": 128, "points": 512, "mirror": True}
    ),
    "image": Recipe(
        3200,
        {"sees": "image", "code_size": 64, "encoder_width": 24, "field_width": 128, "field_blocks": 3}
        | {"points": 384, "image_size": 112, "mirror": True, "crop": 0.45, "vary": 1.0, "dropout": 0.3, "held": 80},
        weight_decay=0.2,
    ),
    "generative": Recipe(
        6000,
        {"sees": "nothing", "code_size": 0, "latent_size": 64, "field": "simple", "field_width": 128}
        | {"points": 1024, "mirror": True, "only": "chair,armchair,table"},
    ),
}


def main() -> int:
    """Exit code of the training; the weights are written when it ends well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=RECIPES)
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--run", type=Path, help="runs/onet_KIND")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=0, help="0 for one per processor")
    args = parser.parse_args()
    args.run = args.run or ROOT / "runs" / f"onet_{args.kind}"
    from isofield.cli import main as isofield

    return isofield(words(args, RECIPES[args.kind])) or ship(args)


def words(args: argparse.Namespace, recipe: Recipe) -> list[str]:
    """The arguments of the training."""
    chosen = [f"--set={key}={value}" for key, value in recipe.config.items()]
    return [
        *["train", "onet", str(args.data), "-o", str(args.run), *chosen],
        *["--steps", str(args.steps or recipe.steps), "--batch-size", str(recipe.batch_size)],
        *["--learning-rate", str(recipe.learning_rate), "--weight-decay", str(recipe.weight_decay)],
        *["--ema", "None", "--preview-every", "None", "--validate-every", "250"],
        *["--threads", str(args.threads), "--save-minutes", "5"],
    ]


def ship(args: argparse.Namespace) -> int:
    """Write what was learned in half precision to where `reconstruct` finds it."""
    from isofield.training.weights import load_weights, save_weights

    learned = load_weights(args.run / "weights.safetensors")
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in learned.tensors.items()
    }
    path = WEIGHTS / f"onet_{args.kind}.safetensors"
    save_weights(path, learned.system, learned.config, half)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
