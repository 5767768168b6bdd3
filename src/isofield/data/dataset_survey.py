"""What a data set holds, and what is wrong with it: every file read as training would."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from isofield.data.shapenet import Item, categories, list_ids
from isofield.data.splits import SPLITS
from isofield.errors import InputError


@dataclass(frozen=True)
class Survey:
    """What a data set holds, and what is wrong with it."""

    root: Path
    counts: dict[str, dict[str, int]]
    """Models per category and split."""
    checked: int
    """Models whose files were read."""
    inside: float
    """Mean share of uniform points inside, of the models checked."""
    files: dict[str, int]
    """How many of the models checked have each kind of file."""
    defects: list[str]
    """One sentence each, naming file and key."""


def survey_dataset(root: Path, limit: int | None = None) -> Survey:
    """Read a data set as training would, and say what is wrong.

    Args:
        root: Folder of the data set.
        limit: Read the files of so many models only, spread evenly; None for all.

    Raises:
        InputError: The folder is no data set at all; defects of single files are in the survey.
    """
    counts: dict[str, dict[str, int]] = {}
    found: list[Item] = []
    defects: list[str] = []
    for category in categories(root):
        counts[category] = {}
        seen: dict[str, str] = {}
        for split in SPLITS:
            path = root / category / f"{split}.lst"
            if not path.is_file():
                defects.append(f"{path} is missing; it lists the models of the split")
                continue
            names = list_ids(path)
            counts[category][split] = len(names)
            defects += [f"{path}: {n} is in {seen[n]}.lst too" for n in names if seen.get(n, split) != split]
            seen |= {name: split for name in names}
        found += [Item(category, name, root / category / name) for name in seen]
    chosen = found if limit is None else found[:: max(1, -(-len(found) // max(limit, 1)))]
    shares: list[float] = []
    files: dict[str, int] = {}
    for item in chosen:
        share = _check(item, files, defects)
        if share is not None:
            shares.append(share)
    mean = float(np.mean(shares)) if shares else 0.0
    return Survey(root, counts, len(chosen), mean, files, defects)


def _check(item: Item, files: dict[str, int], defects: list[str]) -> float | None:
    """Read a model's files, note its defects, return its share of inside points."""
    if not item.folder.is_dir():
        defects.append(f"{item.folder} is missing, though a list names it")
        return None
    for name in ("points.npz", "points_surface.npz", "pointcloud.npz", "model.binvox"):
        files[name] = files.get(name, 0) + (item.folder / name).is_file()
    files["pictures"] = files.get("pictures", 0) + (item.views() > 0)
    share = None
    try:
        inside = item.occupied().inside
        share = float(inside.mean()) if len(inside) else 0.0
        if not 0 < share < 1:
            defects.append(f"{item.folder / 'points.npz'}: all points are {'inside' if share else 'outside'}")
    except InputError as error:
        defects.append(str(error))
    try:
        if (item.folder / "points_surface.npz").is_file():
            item.occupied("points_surface.npz")
    except InputError as error:
        defects.append(str(error))
    for read in _readers(item):
        try:
            read()
        except InputError as error:
            defects.append(str(error))
    return share


def _readers(item: Item) -> Iterator[Callable[[], object]]:
    """What opens the cloud, and the voxels, first and last picture and their cameras if they are there."""
    yield item.cloud
    if item.voxel_file.is_file():
        yield item.voxels
    if views := item.views():
        for view in sorted({0, views - 1}):
            yield partial(item.image, view)
            yield partial(item.camera, view)
