"""What `isofield evaluate` measures: pairs of meshes, meshes and models, a system and models."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.evaluate import Evaluate
    from isofield.data.shapenet import Item
    from isofield.geometry import Mesh
    from isofield.metrics import Truth

MESHES = {".obj", ".off", ".ply", ".stl", ".glb", ".gltf"}

Predict = Callable[[dict[str, Any]], "Mesh"]
"""Mesh in the truth's unit box; may add columns to the row. Raises InputError or ValueError."""


@dataclass(frozen=True)
class Case:
    """One thing to measure: its row's name, its truth, and how to come by the prediction."""

    category: str
    name: str
    truth: "Callable[[], Truth]"
    predict: Predict


def cases_of(args: "Evaluate") -> Iterator[Case]:
    """Everything to measure, in order; files are read when a case is asked for its truth or prediction.

    Raises:
        InputError: Truth and prediction do not go together, or there is no such system or split.
    """
    from isofield.data.shapenet import is_dataset

    assert args.truth is not None
    if args.truth.is_dir() and is_dataset(args.truth):
        yield from _on_dataset(args)
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


def _on_dataset(args: "Evaluate") -> Iterator[Case]:
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


def _reconstructions_of(args: "Evaluate") -> Callable[["Item"], Predict]:
    """Each model as the system makes it from a noisy draw of its cloud; the same draw every time."""
    import numpy as np

    from isofield.data import write_mesh
    from isofield.extract import extract_mesh
    from isofield.metrics import iou
    from isofield.ops.query import query

    system = _system(args)

    def predict(item: "Item") -> Predict:
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


def _system(args: "Evaluate") -> Any:
    from isofield.systems import SYSTEMS
    from isofield.systems.stored import load_system, ready_system

    if args.system not in SYSTEMS:
        raise InputError(f"there is no system {args.system!r}; choose one of {', '.join(SYSTEMS)}")
    return ready_system(args.system) if args.weights is None else load_system(args.weights, args.system)
