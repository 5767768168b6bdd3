"""`isofield evaluate`: meshes, or a system on a data set, measured against the truth."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from isofield.cli.console import Console, print_table
from isofield.cli.options import Options
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.data.shapenet import Item
    from isofield.geometry import Mesh
    from isofield.metrics import Truth

SHOWN = ("iou", "chamfer_l1", "chamfer_l1_x10", "normal_consistency", "fscore_0.01", "closed")
MESHES = {".obj", ".off", ".ply", ".stl", ".glb", ".gltf"}


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
    split: str = "test"
    """Part of the data set: train, val or test."""
    category: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Only this category of the data set; may be repeated."""
    points: int = 3000
    """Points that the system sees of each model."""
    noise: float = 0.005
    """Standard deviation of their noise, in units of the longest edge."""
    normals: bool = False
    """Give the system the true normals too."""
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


@dataclass(frozen=True)
class Case:
    """One thing to measure: its row's name, its truth, and how to come by the prediction."""

    category: str
    name: str
    truth: "Callable[[], Truth]"
    predict: "Callable[[dict[str, Any]], Mesh]"
    """Mesh in the truth's unit box; may add columns to the row. Raises InputError or ValueError."""


def run(args: Evaluate) -> int:
    """Exit code 0, however many rows have a reason instead of numbers.

    Raises:
        InputError: The words make no sense together, or the truth can't be read.
    """
    _check(args)
    console = Console({"evaluate": 30.0}, json=args.common.json, quiet=args.common.quiet)
    rows = []
    with console.stage("evaluate") as advance:
        cases = list(_cases(args))
        for number, case in enumerate(cases):
            rows.append(_row(case, args.samples, alone=len(cases) == 1))
            advance((number + 1) / len(cases))
    _finish(args, rows, console)
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
    if args.points < 1 or args.samples < 1 or args.noise < 0:
        raise InputError("--points and --samples must be at least 1, --noise at least 0")


def _cases(args: Evaluate) -> Iterator[Case]:
    from isofield.data.shapenet import is_dataset

    assert args.truth is not None
    if args.truth.is_dir() and is_dataset(args.truth):
        yield from _on_dataset(args)
    elif args.system is not None:
        raise InputError(f"{args.truth} is not a data set; isofield prepare makes one for --system to run on")
    else:
        yield from _on_meshes(args)


def _on_meshes(args: Evaluate) -> Iterator[Case]:
    assert args.truth is not None
    assert args.predicted is not None
    if args.truth.is_dir() != args.predicted.is_dir():
        raise InputError(
            f"{args.predicted} and {args.truth} must both be meshes or both be folders of meshes"
        )
    if not args.truth.is_dir():
        yield _pair("", args.predicted.stem, args.predicted, args.truth, args.samples)
        return
    truths = sorted(p for p in args.truth.rglob("*") if p.suffix.lower() in MESHES)
    if not truths:
        raise InputError(f"{args.truth} holds no mesh and is no data set")
    for truth in truths:
        inner = truth.relative_to(args.truth)
        found = _mesh_named(args.predicted / inner.parent, inner.stem)
        yield _pair(str(inner.parent) if inner.parent.parts else "", inner.stem, found, truth, args.samples)


def _pair(category: str, name: str, predicted: Path | None, truth: Path, samples: int) -> Case:
    from isofield.data.mesh import read_mesh
    from isofield.metrics import Truth

    @cache
    def known() -> "tuple[Truth, Any]":
        try:
            return Truth.of(read_mesh(truth), samples)
        except ValueError as error:
            raise InputError(f"{truth} is no truth to compare with: {error}") from error

    def predict(row: dict[str, Any]) -> "Mesh":
        return _read(predicted).transformed(known()[1])

    return Case(category, name, lambda: known()[0], predict)


def _mesh_named(folder: Path, stem: str) -> Path | None:
    """The mesh of that name, whatever its format; None if there is none."""
    matches = [folder / f"{stem}{suffix}" for suffix in sorted(MESHES)]
    return next((path for path in matches if path.is_file()), None)


def _read(path: Path | None) -> "Mesh":
    from isofield.data.mesh import read_mesh

    if path is None:
        raise InputError("there is no mesh of this name")
    return read_mesh(path)


def _on_dataset(args: Evaluate) -> Iterator[Case]:
    from isofield.data.shapenet import items

    assert args.truth is not None
    found = items(args.truth, args.split, args.category)
    if args.limit is not None:
        found = [found[i * len(found) // args.limit] for i in range(min(args.limit, len(found)))]
    predict = _meshes_of(args) if args.system is None else _reconstructions_of(args)
    for item in found:
        yield Case(item.category, item.id, partial(_known, item, args.voids), predict(item))


def _known(item: "Item", voids: str) -> "Truth":
    """Truth of a data set: its uniform points and its cloud."""
    import numpy as np

    from isofield.metrics import Samples, Truth

    occupied = item.occupied()
    inside = occupied.inside
    if voids == "filled":
        if occupied.hidden is None:
            raise InputError(
                f"{item.folder / 'points.npz'} does not say which points are hidden: use --voids free"
            )
        inside = inside | occupied.hidden
    cloud = item.cloud()
    return Truth(occupied.points.astype(np.float64), inside, Samples(cloud.points, cloud.normals))


def _meshes_of(args: Evaluate) -> Callable[["Item"], Callable[[dict[str, Any]], "Mesh"]]:
    folder = args.predicted
    assert folder is not None
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder of meshes, named as the models of {args.truth}")

    def predict(item: "Item") -> Callable[[dict[str, Any]], "Mesh"]:
        def mesh(row: dict[str, Any]) -> "Mesh":
            found = _mesh_named(folder / item.category, item.id) or _mesh_named(folder, item.id)
            read = _read(found)
            return read.transformed(item.world_from_unit().inverse()) if args.frame == "world" else read

        return mesh

    return predict


def _reconstructions_of(args: Evaluate) -> Callable[["Item"], Callable[[dict[str, Any]], "Mesh"]]:
    """Each model as the system makes it from a noisy draw of its cloud; the same draw every time."""
    import numpy as np

    from isofield.data import write_mesh
    from isofield.extract import extract_mesh
    from isofield.metrics import iou
    from isofield.ops.query import query

    system = _system(args)

    def predict(item: "Item") -> Callable[[dict[str, Any]], "Mesh"]:
        def mesh(row: dict[str, Any]) -> "Mesh":
            observation = item.scan(args.points, args.noise, args.common.seed, args.normals)
            start, cpu = time.perf_counter(), time.process_time()
            scene = system.reconstruct(observation)
            if scene.inside is None:
                raise InputError(f"the system {args.system!r} offers no surface for points")
            made = extract_mesh(scene.inside, scene.box, resolution=scene.resolution)
            made = made.transformed(scene.world_from_scene)
            row["seconds"] = time.perf_counter() - start
            row["cpu_seconds"] = time.process_time() - cpu
            truth = _known(item, args.voids)
            local = scene.world_from_scene.inverse().apply(truth.points)
            field = np.zeros(len(local), bool)
            within = scene.box.contains(local)
            field[within] = query(scene.inside, local[within]) > 0
            row["iou_field"] = iou(field, truth.inside)
            if args.meshes is not None:
                path = args.meshes / item.category / f"{item.id}.ply"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_mesh(path, made)
            return made

        return mesh

    return predict


def _system(args: Evaluate) -> Any:
    from isofield.systems import SYSTEMS, config_class, system_class

    if args.system not in SYSTEMS:
        raise InputError(f"there is no system {args.system!r}; choose one of {', '.join(SYSTEMS)}")
    if args.weights is not None:
        from isofield.systems.stored import load_system

        return load_system(args.weights, args.system)
    return system_class(args.system)(config_class(args.system)()).eval()


def _row(case: Case, samples: int, alone: bool) -> dict[str, Any]:
    """Measures of one case, or the reason why there are none.

    A prediction that cannot be used counts with IoU 0. A truth that cannot be read says nothing about
    the prediction, so its row has no numbers; where there is only that one, it is the user's error.
    """
    from isofield.metrics import measure
    from isofield.metrics.table import failed

    row: dict[str, Any] = {"class": case.category, "name": case.name}
    try:
        truth = case.truth()
    except InputError as error:
        if alone:
            raise
        return row | {"reason": str(error)}
    try:
        return row | measure(case.predict(row), truth, samples) | row
    except ValueError as error:  # InputError is one
        return failed(row, str(error))


def _finish(args: Evaluate, rows: list[dict[str, Any]], console: Console) -> None:
    from isofield.data.atomic import atomic_write
    from isofield.metrics.table import as_csv, as_json, summary, without_nan

    about: dict[str, Any] = {
        "truth": str(args.truth), "predicted": None if args.predicted is None else str(args.predicted),
        "system": args.system, "voids": args.voids,
    }  # fmt: skip
    if args.system is not None:
        about |= {"split": args.split, "points": args.points, "noise": args.noise, "seed": args.common.seed}
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
    """The few lines a person wants to see."""
    objects, classes = totals["mean_over_objects"], totals["mean_over_classes"]
    if len(rows) == 1:
        return {name: _number(value) for name, value in rows[0].items() if name not in ("class", "name")}
    lines = {"objects": f"{totals['objects']}, {totals['failed']} failed, {len(totals['per_class'])} classes"}
    for name in ("iou_field", *SHOWN):
        if name in objects:
            lines[name] = f"{_number(classes[name])} mean over classes, {_number(objects[name])} over objects"
    return lines


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
