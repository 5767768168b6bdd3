"""`isofield evaluate`: meshes, or a system on a data set, measured against the truth."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from isofield.cli.console import Console, print_table
from isofield.cli.evaluation_cases import Case, cases_of
from isofield.cli.evaluation_systems import sight, system_of
from isofield.cli.options import Options
from isofield.errors import InputError

SHOWN = (
    *("iou_field", "iou_voxels", "iou", "chamfer_l1", "chamfer_l1_x10", "chamfer_l2"),
    *("normal_consistency", "fscore_0.01", "closed"),
)


@dataclass(frozen=True)
class Evaluate:
    """Measure a mesh, a folder of meshes, or a system against what is true.

    All lengths are in units of the longest edge of the truth's box. A mesh that is missing,
    damaged or empty becomes a row with a reason and IoU 0. docs/metrics.md states every convention.
    """

    predicted: Annotated[Path | None, tyro.conf.Positional] = None
    """A mesh or a folder of meshes; left out with --system."""
    truth: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """A mesh, a folder of meshes with the same names, or a data set of `isofield prepare`."""
    system: str | None = None
    """Run this system on the data set instead of reading meshes."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Weights of the system, as `isofield train` or `isofield convert` wrote them."""
    sees: Literal["points", "image", "voxels"] | None = None
    """Which of the weights that come with the system, by what they see; not with --weights."""
    protocol: Literal["isofield", "onet"] = "isofield"
    """Measures: all of ours, or those of Occupancy Networks exactly as its papers print them."""
    split: str = "test"
    """Part of the data set: train, val or test."""
    category: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Only this category of the data set; may be repeated."""
    points: int | None = None
    """Points that the system sees of each model: 3000, or with --protocol onet as many as it learned from."""
    noise: float = 0.005
    """Standard deviation of their noise, in units of the longest edge."""
    normals: bool = False
    """Give the system the true normals too."""
    view: int = 0
    """Which picture of each model the system sees, if it sees pictures."""
    voids: Literal["free", "filled"] = "free"
    """Whether voids that nothing outside can see count as inside; `free` is the bare winding number."""
    frame: Literal["unit", "world"] = "unit"
    """Frame of meshes compared with a data set: its unit box, or that of the original meshes."""
    limit: int | None = None
    """Only so many models, spread evenly over the split."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None
    """Table to write: .csv or .json."""
    meshes: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Keep the meshes that the system made."""
    samples: int = 100_000
    """Points drawn on each mesh, and in the volume where the truth is a mesh."""
    common: Options = field(default_factory=Options)


def run(args: Evaluate) -> int:
    """Exit code 0, however many rows have a reason instead of numbers.

    Raises:
        InputError: The words make no sense together, or the truth can't be read.
    """
    from isofield.data.shapenet import is_dataset

    _check(args)
    assert args.truth is not None
    console = Console({"evaluate": 30.0}, json=args.common.json, quiet=args.common.quiet)
    rows = []
    with console.stage("evaluate") as advance:
        system = system_of(args) if args.system is not None and is_dataset(args.truth) else None
        cases = list(cases_of(args, system))
        for number, case in enumerate(cases):
            rows.append(_row(case, args, alone=len(cases) == 1))
            advance((number + 1) / len(cases))
    _finish(args, rows, console, {} if system is None else sight(args, system))
    return 0


def _check(args: Evaluate) -> None:
    if args.truth is None:
        raise InputError("--truth is missing; give a mesh, a folder of meshes or a data set")
    if not args.truth.exists():
        raise InputError(f"there is no {args.truth} to compare with")
    if (args.predicted is None) == (args.system is None):
        raise InputError("give either meshes to measure or --system, a system to run; not both, not neither")
    if args.predicted is not None and not args.predicted.exists():
        raise InputError(f"there is no {args.predicted} to measure")
    if args.output is not None and args.output.suffix not in (".csv", ".json"):
        raise InputError(f"{args.output}: tables are written as .csv or .json")
    if args.samples < 1 or args.noise < 0 or (args.points is not None and args.points < 1):
        raise InputError("--points and --samples must be at least 1, --noise at least 0")
    if args.sees is not None and (args.system is None or args.weights is not None):
        raise InputError("--sees chooses among the weights that come with --system; leave out --weights")


def _row(case: Case, args: Evaluate, alone: bool) -> dict[str, Any]:
    """Measures of one case, or the reason why there are none.

    A prediction that cannot be used counts with IoU 0. A truth that cannot be read says nothing about
    the prediction, so its row has no numbers; where there is only that one, it is the user's error.
    """
    from isofield.metrics import Samples, measure, measure_as_onet, measure_points
    from isofield.metrics.occupancy_networks import EMPTY
    from isofield.metrics.table import failed

    row: dict[str, Any] = {"class": case.category, "name": case.name}
    try:
        truth = case.truth()
    except InputError as error:
        if alone:
            raise
        return row | {"reason": str(error)}
    try:
        made = case.predict(row)
        if isinstance(made, Samples):
            return row | measure_points(made, truth) | row
        measured = (measure_as_onet if args.protocol == "onet" else measure)(made, truth, args.samples)
        return row | measured | row
    except ValueError as error:  # InputError is one
        return failed(row, str(error)) | (EMPTY if args.protocol == "onet" else {})


def _finish(args: Evaluate, rows: list[dict[str, Any]], console: Console, sight: dict[str, Any]) -> None:
    from isofield.data.atomic import atomic_write
    from isofield.metrics.table import as_csv, as_json, summary, without_nan

    about: dict[str, Any] = {
        "truth": str(args.truth), "predicted": None if args.predicted is None else str(args.predicted),
        "protocol": args.protocol, "system": args.system, "voids": args.voids,
    }  # fmt: skip
    if args.system is not None:
        about |= {"split": args.split, **sight}
    if args.output is not None:
        text = as_csv(rows) if args.output.suffix == ".csv" else as_json(rows, about=about)
        with atomic_write(args.output) as path:
            path.write_text(text, encoding="utf-8")
    totals = summary(rows)
    console.finish(
        "evaluated", _shown(rows, totals), without_nan({"about": about, "summary": totals, "rows": rows})
    )
    if not (args.common.quiet or args.common.json):
        for row in [r for r in rows if r.get("reason")][:10]:
            print_table("", {f"{row['class']}/{row['name']}".strip("/"): row["reason"]})


def _shown(rows: list[dict[str, Any]], totals: dict[str, Any]) -> dict[str, str]:
    """The few lines a person wants to see: means, then the classes if there are several."""
    objects, classes = totals["mean_over_objects"], totals["mean_over_classes"]
    if len(rows) == 1:
        return {name: _number(value) for name, value in rows[0].items() if name not in ("class", "name")}
    lines = {"objects": f"{totals['objects']}, {totals['failed']} failed, {len(totals['per_class'])} classes"}
    shown = [name for name in SHOWN if name in objects]
    for name in shown:
        lines[name] = f"{_number(classes[name])} mean over classes, {_number(objects[name])} over objects"
    if len(totals["per_class"]) > 1:
        for name, means in totals["per_class"].items():
            values = [f"{each} {_number(means[each])}" for each in shown]
            lines[name or "."] = ", ".join([f"{means['objects']} objects", *values])
    return lines


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
