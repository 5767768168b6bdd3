"""What systems keep of furniture they have not seen, all trained with the same budget.

    python benchmarks/unseen.py [SYSTEM ...] [--data datasets/furniture] [--runs runs/autoencoding]

Measures what recipes/autoencoding.py trained on models of the test part, by `isofield evaluate`: the same
exact points of each surface for all that see clouds (DeepSDF, whose codes are fitted to distances, gets their
normals, too), the 32^3 voxels for IM-NET. `gauss`, which learns nothing, sees the same points. Systems that
were measured before stay in the file of results.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from furniture import HERE, evaluated, rooms

from isofield.data import atomic_write
from isofield.system import System
from isofield.systems.stored import load_system

ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "recipes"))
from autoencoding import CLOUD, RECIPES  # noqa: E402

KEPT = ("iou_field", "chamfer_l1", "normal_consistency", "fscore_0.01")
"""Measures in the file of results."""
UNTRAINED = "gauss"


def main() -> int:
    """Exit code 0; failures of single models are rows without numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM")
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "autoencoding")
    parser.add_argument("--limit", type=int, help="so many models, evenly spread over the test part")
    parser.add_argument("--meshes", type=Path, help="folder to write the meshes and points to")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "unseen.json")
    args = parser.parse_args()
    for name in args.systems or (UNTRAINED, *RECIPES):
        found = measured(name, args)
        before = json.loads(args.output.read_text()) if args.output.exists() else {}
        with atomic_write(args.output) as path:
            path.write_text(json.dumps(before | {name: found}, indent=1) + "\n")
        print(name, json.dumps({key: value for key, value in found.items() if key != "rows"}), flush=True)
    return 0


def measured(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """What is told about one system: its size, its training, means over the models, and a row for each."""
    words = ["--system", name, "--truth", str(args.data), "--points", str(CLOUD), "--noise", "0"]
    words += [word for room in rooms(args.data) for word in ("--category", room)]
    words += [] if args.limit is None else ["--limit", str(args.limit)]
    words += [] if args.meshes is None else ["--meshes", str(args.meshes / name)]
    about: dict[str, Any] = {}
    if name != UNTRAINED:
        run = args.runs / name
        words += ["--weights", str(run / "weights.safetensors")]
        about = told(run, load_system(run / "weights.safetensors", name))
    words += ["--normals"] if name == "deepsdf" else []
    table = evaluated(words)
    means = table["summary"]["mean_over_objects"]
    about |= {"models": len(table["rows"]), "failed": table["summary"]["failed"]}
    about |= {key: round(means[key], 5) for key in KEPT if key in means}
    about["seconds"] = round(sum(row.get("cpu_seconds", 0) for row in table["rows"]) / len(table["rows"]), 2)
    return about | {"rows": [kept(row) for row in table["rows"]]}


def told(run: Path, system: System) -> dict[str, Any]:
    """Size of the network and of a shape's code, and what the training took."""
    lines = (run / "spent.jsonl").read_text().splitlines()
    options = json.loads((run / "config.json").read_text())["options"]
    return {
        "parameters": sum(parameter.numel() for parameter in system.parameters()),
        "numbers_per_shape": numbers(system),
        "steps": options["steps"],
        "batch_size": options["batch_size"],
        "training_cpu_seconds": round(sum(json.loads(line)["cpu_seconds"] for line in lines)),
    }


def numbers(system: System) -> int:
    """Of which a shape consists, once the network is known."""
    config: Any = system.config
    elements = getattr(config, "elements", None)
    return config.code_size if elements is None else elements * (config.size + config.code_size)


def kept(row: dict[str, Any]) -> dict[str, Any]:
    """A model's row, its numbers rounded."""
    found = {key: round(row[key], 5) for key in KEPT if row.get(key) is not None}
    why = {"reason": row["reason"]} if row.get("reason") else {}
    return {"model": f"{row['class']}/{row['name']}", **found, **why}


if __name__ == "__main__":
    sys.exit(main())
