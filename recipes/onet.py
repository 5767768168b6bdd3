"""Trains the occupancy networks that ship: `make weights`.

    python recipes/onet.py points|image|generative [--data datasets/furniture] [--run runs/onet_points]

points       300 noisy points -> shape, all furniture
image        a picture of 128 x 128 pixels -> shape, all furniture
generative   nothing -> chairs and tables

Running it again goes on where it stopped. The weights that the validation found best are written, in half
precision and with the level of their surface chosen on the validation part, to
src/isofield/weights/onet_*.safetensors. Networks are smaller than the paper's: so many models of so
few kinds do not fill its 6 to 14 million numbers, and weights in the package stay small.
"""

import argparse
import json
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
    kept: str = "best.safetensors"
    """Which file of the run ships."""
    chooses_level: bool = True
    """Whether the validation part chooses the level of the surface, instead of the papers' 0.2."""


RECIPES = {
    "points": Recipe(
        5000,
        {"code_size": 256, "encoder_width": 128, "field_width": 128, "points": 512, "mirror": True},
        kept="weights.safetensors",
        chooses_level=False,
    ),
    "image": Recipe(
        6000,
        {"sees": "image", "code_size": 128, "encoder_width": 32, "field_width": 128, "points": 512}
        | {"image_size": 128, "mirror": True},
        weight_decay=0.05,
        kept="weights.safetensors",
    ),
    "generative": Recipe(
        2600,
        {"sees": "nothing", "code_size": 0, "latent_size": 16, "field": "simple", "field_width": 128}
        | {"field_blocks": 4, "points": 512, "mirror": True, "only": "chair,armchair,table"},
        learning_rate=2e-3,
        kept="weights.safetensors",
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

    recipe = RECIPES[args.kind]
    args.steps = args.steps or recipe.steps
    return isofield(words(args, recipe)) or ship(args, recipe)


def words(args: argparse.Namespace, recipe: Recipe) -> list[str]:
    """The arguments of the training."""
    chosen = [f"--set={key}={value}" for key, value in recipe.config.items()]
    return [
        *["train", "onet", str(args.data), "-o", str(args.run), *chosen],
        *["--steps", str(args.steps), "--batch-size", str(recipe.batch_size)],
        *["--learning-rate", str(recipe.learning_rate), "--weight-decay", str(recipe.weight_decay)],
        *["--ema", "None", "--preview-every", "None", "--validate-every", "300"],
        *["--threads", str(args.threads), "--save-minutes", "5"],
    ]


def ship(args: argparse.Namespace, recipe: Recipe) -> int:
    """Write what was learned in half precision to where `reconstruct` finds it."""
    from isofield.training.weights import load_weights, save_weights

    if steps_of(args.run) < args.steps:
        return 130  # stopped by hand: the same command goes on
    learned = load_weights(args.run / recipe.kept)
    config = learned.config | (level(args, recipe) if recipe.chooses_level else {})
    if config["sees"] == "nothing" and (bare := bare_draws(args, recipe, config["threshold"])):
        print(f"draws {bare} of the first 8 are empty: what was learned stays in {args.run}, nothing ships")
        return 0
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in learned.tensors.items()
    }
    path = WEIGHTS / f"onet_{args.kind}.safetensors"
    save_weights(path, learned.system, config, half)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


def bare_draws(args: argparse.Namespace, recipe: Recipe, level: float) -> list[int]:
    """Which of the first draws of a generative network are empty."""
    from onet_level import empty_draws

    from isofield.systems.stored import load_system

    return empty_draws(load_system(args.run / recipe.kept), level)


def steps_of(run: Path) -> int:
    """Steps that the run made."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return max((json.loads(line)["step"] for line in lines), default=0)


def level(args: argparse.Namespace, recipe: Recipe) -> dict[str, float]:
    """The config's threshold, chosen on the validation part."""
    from onet_level import chosen_level

    from isofield.systems.stored import load_system

    best, means = chosen_level(load_system(args.run / recipe.kept), args.data)
    print("level  mean IoU\n" + "\n".join(f"{level:5.2f}  {mean:.4f}" for level, mean in means.items()))
    return {"threshold": best}


if __name__ == "__main__":
    sys.exit(main())
