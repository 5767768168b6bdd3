"""Folders: one row per file, or a data set recognised by its layout."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isofield.cli.console import Console
from isofield.cli.findings import inspect
from isofield.errors import InputError

SAMPLES = ("points.npz", "pointcloud.npz")
"""Files of one model in the layout of Occupancy Networks."""
SPLITS = ("train", "val", "test")


def check_folder(folder: Path, seed: int, console: Console) -> int:
    """Prints what is there; 2 if some files cannot be read.

    Raises:
        InputError: There is nothing in it that we read.
    """
    categories = find_categories(folder)
    if categories:
        return _check_data_set(folder, categories, console)
    from isofield.data.photos import LEAST
    from isofield.data.pictures import ENDINGS
    from isofield.data.points import KINDS

    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower().lstrip(".") in KINDS and p.is_file())
    if not paths:
        raise InputError(
            f"{folder} holds no file that we read: points and meshes are {', '.join(KINDS)}, photos"
            f" {', '.join(end[1:] for end in ENDINGS)}; put a scan into it, or at least {LEAST} photos of one"
            " thing."
        )
    return _check_files(folder, paths, seed, console)


def _check_files(folder: Path, paths: Sequence[Path], seed: int, console: Console) -> int:
    rows: dict[str, str] = {}
    records: list[dict[str, Any]] = []
    failed = 0
    with console.stage("files") as advance:
        for i, path in enumerate(paths):
            name = str(path.relative_to(folder))
            try:
                found = inspect(path, seed)
                rows[name] = found.line()
                records.append(found.record())
            except InputError as error:
                failed += 1
                rows[name] = f"PROBLEM: {error}"
                records.append({"path": str(path), "problem": str(error)})
            advance((i + 1) / len(paths))
    example = next((r["path"] for r in records if "problem" not in r), None)
    readable = len(paths) - failed
    rows["sum"] = f"{readable} of {len(paths)} files can be read"
    following = None if example is None else shlex.join(["isofield", "check", example])
    if following:
        rows["next"] = f"{following}   (more about one file)"
    record = {"path": str(folder), "files": records, "failed": failed, "next": following}
    console.finish(str(folder), rows, record)
    return 2 if failed else 0


def find_categories(folder: Path) -> dict[str, list[str]]:
    """Category -> ids of the models that have samples, in the ONet layout category/id/points.npz.

    The folder may be one category itself; its name in the answer is then '.'.
    """
    found: dict[str, list[str]] = {}
    for depth in ("*", "*/*"):
        for name in SAMPLES:
            for sample in folder.glob(f"{depth}/{name}"):
                category = str(sample.parent.parent.relative_to(folder))
                found.setdefault(category, []).append(sample.parent.name)
    return {category: sorted(set(ids)) for category, ids in sorted(found.items())}


def _check_data_set(folder: Path, categories: dict[str, list[str]], console: Console) -> int:
    from isofield.data.sdf_samples import FILE

    rows: dict[str, str] = {
        "kind": f"a data set for training: {_count(len(categories), 'category', 'categories')}"
    }
    records: dict[str, Any] = {}
    for category, ids in categories.items():
        listed = {split: _ids(folder / category / f"{split}.lst") for split in SPLITS}
        missing = sorted({i for names in listed.values() for i in names} - set(ids))
        splits = {split: len(names) for split, names in listed.items()}
        text = f"{_count(len(ids), 'model', 'models')}; " + ", ".join(
            f"{n} {split}" for split, n in splits.items()
        )
        if not any(splits.values()):
            text = f"{_count(len(ids), 'model', 'models')}; no train.lst, val.lst or test.lst"
        if missing:
            text += f"; {len(missing)} listed but not there, the first is {missing[0]}"
        rows[category] = text
        records[category] = {"models": len(ids), **splits, "missing": missing}
    first = next(iter(categories))
    model = folder / first / categories[first][0]
    rows["contents"] = _contents(model)
    system = "deepsdf" if (model / FILE).is_file() else "convonet"
    rows["next"] = shlex.join(["isofield", "train", system, str(folder), "-o", "run"])
    bad = any(r["missing"] for r in records.values())
    record = {"path": str(folder), "kind": "dataset", "categories": records, "next": rows["next"]}
    console.finish(str(folder), rows, record)
    return 2 if bad else 0


def _ids(path: Path) -> list[str]:
    """Ids of a split; blank lines, which official lists end with, are none."""
    return path.read_text(encoding="utf-8").split() if path.is_file() else []


def _contents(model: Path) -> str:
    """Keys and shapes of one model's files."""
    import numpy as np

    from isofield.data.occupancy import NEAR
    from isofield.data.sdf_samples import FILE

    parts = []
    more = [name for name in (NEAR, FILE) if (model / name).is_file()]
    for name in (*SAMPLES, *more):
        if not (model / name).is_file():
            parts.append(f"no {name}")
            continue
        try:
            with np.load(model / name, allow_pickle=False) as data:
                shapes = ", ".join(f"{k} {'x'.join(map(str, data[k].shape)) or '1'}" for k in data.files)
            parts.append(f"{name} with {shapes}")
        except Exception as error:
            parts.append(f"{name} is damaged ({error})")
    return f"{model.name}: " + "; ".join([*parts, *_shown(model)])


def _shown(model: Path) -> list[str]:
    """The model's voxels and pictures; nothing where there are none."""
    from isofield.data.shapenet import Item

    item, parts = Item(model.parent.name, model.name, model), []
    try:
        if item.voxel_file.is_file():
            parts.append(f"{item.voxel_file.name} with {'x'.join(map(str, item.voxels().occupied.shape))}")
        if views := item.views():
            height, width, _ = item.image().shape
            parts.append(f"{_count(views, 'picture', 'pictures')} of {width}x{height}")
    except InputError as error:
        parts.append(str(error))
    return parts


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
