"""Measures a trained occupancy network beside its baselines and writes its model card.

    python recipes/onet_card.py points|image|generative [--data datasets/furniture] [--run runs/onet_points]

Networks with an observation are measured on the test part by `isofield evaluate --protocol onet`,
beside the nearest training shape by the encoder's code, the best training shape (which only the truth
can tell), and the mean of the training shapes. The generative one is measured by its evidence lower
bound, by what remains of a shape after encoding and decoding, and by how new its samples are. Numbers go to
RUN/card.json, the card to src/isofield/weights/onet_*.md.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "src" / "isofield" / "weights"
OTHERS = {"points": ("gauss", "indicator")}
"""Systems that need no training or come with weights, on the same observations."""


def main() -> int:
    """Exit code 0 when the card is written, 2 with a sentence when something is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("points", "image", "generative"))
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--run", type=Path, help="runs/onet_KIND")
    parser.add_argument("--weights", type=Path, help="what ships; the run's own until then")
    parser.add_argument("--card", type=Path, help="src/isofield/weights/onet_KIND.md")
    parser.add_argument("--limit", type=int, help="only so many test models, to try it out")
    parser.add_argument("--quick", action="store_true", help="IoU alone: no meshes, no distances")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes for the grids")
    args = parser.parse_args()
    args.run = args.run or ROOT / "runs" / f"onet_{args.kind}"
    shipped = WEIGHTS / f"onet_{args.kind}.safetensors"
    args.weights = args.weights or (shipped if shipped.exists() else args.run / "weights.safetensors")
    args.card = args.card or shipped.with_suffix(".md")
    from isofield.errors import InputError

    try:
        card = measured(args)
    except InputError as error:
        print(f"onet_card: {error}", file=sys.stderr)
        return 2
    from onet_card_text import text

    (args.run / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    args.card.write_text(text(args.kind, card), encoding="utf-8")
    print(text(args.kind, card))
    return 0


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """All numbers of the card.

    Raises:
        InputError: Weights or data are missing.
    """
    from onet_generative import generative

    from isofield.metrics.table import without_nan
    from isofield.systems.stored import load_system

    system = load_system(args.weights, "onet")
    about = {
        "config": {name: value for name, value in vars(system.config).items()},
        "training": training(args.run),
        "data": licences(args.data),
        "parameters": sum(parameter.numel() for parameter in system.parameters()),
        "megabytes": args.weights.stat().st_size / 1e6,
    }
    found = generative(args, system) if args.kind == "generative" else conditional(args, system)
    return without_nan({**about, **found})


def training(run: Path) -> dict[str, Any]:
    """Steps that were made and the options that matter, as the run's folder has them."""
    options = json.loads((run / "config.json").read_text(encoding="utf-8"))["options"]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = ("batch_size", "learning_rate", "weight_decay", "schedule", "warmup")
    steps = max((line["step"] for line in lines if "step" in line), default=0)
    best = best_step(lines) if (run / "best.safetensors").exists() else None
    return {"steps": steps, "best": best, **{name: options[name] for name in kept}}


def best_step(lines: list[dict[str, Any]]) -> int | None:
    """The step of the first validation that no other surpassed, by IoU or the bound."""
    measured = [line for line in lines if line.get("kind") == "validation" and line.keys() & {"iou", "bound"}]
    return max(measured, key=lambda line: line.get("iou", line.get("bound")), default={}).get("step")


def licences(data: Path) -> dict[str, Any]:
    """How many models of which licence the data set has, and how many are in its parts."""
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    models = [model for model in manifest["models"] if model["status"] == "ok"]
    counts: dict[str, int] = {}
    for model in models:
        name = " ".join(model["licence"].split()) or "made from formulas by recipes/shapes.py"
        counts[name] = counts.get(name, 0) + 1
    parts = {part: sum(m["split"] == part for m in models) for part in ("train", "val", "test")}
    return {"licences": dict(sorted(counts.items(), key=lambda pair: -pair[1])), **parts}


def conditional(args: argparse.Namespace, system: Any) -> dict[str, Any]:
    """The network and its baselines on the test part."""
    import onet_baselines as baselines

    from isofield.data.chosen import chosen
    from isofield.data.shapenet import items

    if args.quick:
        rows = {"network": [baselines.answered(item, system) for item in some(args)]}
    else:
        rows = {"network": evaluated(args, "onet", args.weights)}
        rows |= {name: evaluated(args, name, None) for name in OTHERS.get(args.kind, ())}
    asked = {f"{row['class']}/{row['name']}" for row in rows["network"]}
    test = [item for item in items(args.data, "test") if item.name in asked]
    train = chosen(args.data, items(args.data, "train"), system.config.only)
    val = items(args.data, "val")
    bits = [baselines.grids(args.data, part, args.jobs) for part in (train, val, test)]
    library = baselines.Library.of(train, bits[0], system.config.mirror)
    find = baselines.retrieval(system, library)
    rows["retrieval"] = [baselines.scored(item, library, find(item), args.quick) for item in test]
    rows["oracle"] = [
        baselines.oracle(item, own, library, args.quick) for item, own in zip(test, bits[2], strict=True)
    ]
    rows["mean_shape"] = baselines.mean_rows(test, library, bits[1])
    rows["mean_of_category"] = baselines.mean_rows_by_category(test, library, val, bits[1])
    return {"test": len(test), "quick": args.quick, "candidates": len(library.bits), **compared(rows)}


def some(args: argparse.Namespace) -> list[Any]:
    """The test models to measure on: all, or so many spread evenly."""
    from isofield.data.shapenet import items

    test = items(args.data, "test")
    count = min(len(test), args.limit or len(test))
    return [test[number * len(test) // count] for number in range(count)]


def compared(rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means of each answer, and on which share of the models the network's is better."""
    from isofield.metrics.table import summary

    own = {(row["class"], row["name"]): row["iou"] for row in rows["network"]}
    better = {
        name: sum(own[row["class"], row["name"]] > row["iou"] for row in other) / len(other)
        for name, other in rows.items()
        if name != "network"
    }
    bare = sum(row.get("empty", row.get("chamfer_l1") is None) for row in rows["network"])
    return {
        "means": {name: summary(part) for name, part in rows.items()},
        "better": better,
        "distances": {name: distances(rows["network"], part) for name, part in rows.items()},
        "without_surface": bare,
        "rows": rows,
    }


def distances(own: list[dict[str, Any]], other: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Mean Chamfer-L1 x 10 over the categories, of both on the models where both have a surface."""
    from isofield.metrics.table import summary

    parts = [
        {(row["class"], row["name"]): row for row in rows if row.get("chamfer_l1_x10") is not None}
        for rows in (own, other)
    ]
    both = [name for name in parts[0] if name in parts[1]]
    if not both:
        return None
    means = [summary([part[name] for name in both])["mean_over_classes"] for part in parts]
    return means[0]["chamfer_l1_x10"], means[1]["chamfer_l1_x10"]


def evaluated(args: argparse.Namespace, system: str, weights: Path | None) -> list[dict[str, Any]]:
    """Rows of a system on the test part, by the papers' protocol.

    Raises:
        InputError: The evaluation failed; it has said why.
    """
    from isofield.cli import main as isofield
    from isofield.errors import InputError

    table = args.run / f"evaluation_{system}.json"
    words = [
        "evaluate",
        "--system",
        system,
        "--truth",
        str(args.data),
        "--protocol",
        "onet",
        "-o",
        str(table),
    ]
    words += ["--quiet"] if weights is None else ["--quiet", "--weights", str(weights)]
    words += [] if weights is not None else ["--points", "300"]
    words += [] if args.limit is None else ["--limit", str(args.limit)]
    if isofield(words):
        raise InputError(f"the evaluation of {system} failed")
    rows: list[dict[str, Any]] = json.loads(table.read_text(encoding="utf-8"))["rows"]
    return rows


if __name__ == "__main__":
    sys.exit(main())
