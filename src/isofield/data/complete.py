"""What follows from a model's samples and its mesh: voxels and pictures, added where they are missing.

Each arrives in one step, so an interrupted run leaves nothing half done.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from isofield.data.binvox import filled, write_binvox
from isofield.data.cameras import CAMERAS, FOLDER
from isofield.data.manifest import Entry
from isofield.data.models import Model
from isofield.data.shapenet import Item
from isofield.data.views import photographed, write_views

VOXELS = "model.binvox"
VIEWS = f"{FOLDER}/{CAMERAS}"
"""Stands in the manifest for all the pictures."""


def is_complete(entry: Entry, folder: Path, views: int, size: int) -> bool:
    """Whether the model has its voxels and as many pictures as wanted."""
    if entry.status != "ok":
        return True
    wanted = [VOXELS, *([VIEWS] if views else [])]
    shown = not views or (entry.views, entry.view_size) == (views, size)
    return shown and all(name in entry.bytes for name in wanted) and entry.is_finished(folder, wanted)


def completed(
    entry: Entry, model: Model, dataset: Path, partial: Path, views: int, size: int, seed: int
) -> Entry:
    """Add what is missing; the entry of the model then names it.

    A model whose pictures can't be made keeps its samples, and the reason is in its entry.
    """
    item = Item(model.category, model.id, dataset / model.category / model.id)
    if not (VOXELS in entry.bytes and entry.is_finished(item.folder, [VOXELS])):
        known = item.occupied()
        write_binvox(
            item.voxel_file, filled(item.cloud(with_normals=False).points, known.points, known.inside)
        )
        entry = _with(entry, item, VOXELS)
    if is_complete(entry, item.folder, views, size):
        return entry
    try:
        _add_views(item, model, partial, views, size, f"{seed}/{model.id}")
    except (ValueError, RuntimeError, MemoryError) as error:
        return replace(entry, views=0, reason=f"no pictures: {error}")
    return replace(_with(entry, item, VIEWS), views=views, view_size=size, reason="")


def _with(entry: Entry, item: Item, name: str) -> Entry:
    """The entry with the size of one more file."""
    sizes = entry.bytes | {name: (item.folder / name).stat().st_size}
    return replace(entry, bytes=dict(sorted(sizes.items())))


def _add_views(item: Item, model: Model, partial: Path, views: int, size: int, seed: str) -> None:
    """Render into the folder for unfinished things, then move the pictures into their place."""
    frame = item.world_from_unit("points.npz")
    loc, scale = np.asarray(frame.translation), float(frame.scale)
    shown = model.read_painted().in_box(loc, scale)
    folder = partial / f"{model.category}-{model.id}-{os.getpid()}-views"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_views(folder, photographed(shown, views, size, seed), loc, scale)
    target = item.folder / FOLDER
    shutil.rmtree(target, ignore_errors=True)
    folder.replace(target)
