"""What `isofield evaluate` measures: pairs of meshes, meshes and models, a system and models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli.evaluation_systems import reconstructions
from isofield.cli.evaluation_truth import known
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.evaluate import Evaluate
    from isofield.data.shapenet import Item
    from isofield.geometry import Mesh
    from isofield.metrics import Samples, Truth
    from isofield.system import System

MESHES = {".obj", ".off", ".ply", ".stl", ".glb", ".gltf"}

Predict = Callable[[dict[str, Any]], "Mesh | Samples"]
"""Mesh, or points, in the truth's unit box; may add columns to the row. Raises InputError or ValueError."""


@dataclass(frozen=True)
class Case:
    """One thing to measure: its row's name, its truth, and how to come by the prediction."""

    category: str
    name: str
    truth: "Callable[[], Truth]"
    predict: Predict


def cases_of(args: "Evaluate", system: "System | None" = None) -> Iterator[Case]:
    """Everything to measure, in order; files are read when a case is asked for its truth or prediction.

    Args:
        args: What was asked for.
        system: The system to measure; None for meshes.

    Raises:
        InputError: Truth and prediction do not go together, or there is no such system or split.
    """
    from isofield.data.shapenet import is_dataset

    assert args.truth is not None
    if args.truth.is_dir() and is_dataset(args.truth):
        yield from _on_dataset(args, system)
    elif args.system is not None:
        raise InputError(f"{args.truth} is not a data set; isofield prepare makes one for --system to run on")
    else:
        yield from _on_meshes(args)


def _on_meshes(args: "Evaluate") -> Iterator[Case]:
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


def _on_dataset(args: "Evaluate", system: "System | None") -> Iterator[Case]:
    from isofield.data.shapenet import items

    assert args.truth is not None
    found = items(args.truth, args.split, args.category)
    if args.limit is not None:
        found = [found[i * len(found) // args.limit] for i in range(min(args.limit, len(found)))]
    predict = _meshes_of(args) if system is None else reconstructions(args, system)
    for item in found:
        yield Case(item.category, item.id, partial(known, item, args), predict(item))


def _meshes_of(args: "Evaluate") -> Callable[["Item"], Predict]:
    folder = args.predicted
    assert folder is not None
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder of meshes, named as the models of {args.truth}")

    def predict(item: "Item") -> Predict:
        def mesh(row: dict[str, Any]) -> "Mesh":
            found = _mesh_named(folder / item.category, item.id) or _mesh_named(folder, item.id)
            read = _read(found)
            return read.transformed(item.world_from_unit().inverse()) if args.frame == "world" else read

        return mesh

    return predict
