"""Shapes of a data set as packed grids, and what retrieval, oracle and mean shape score on its test part.

Used by onet_card.py. Grids are computed once and kept beside the data set, as FOLDER.grids.npz.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from isofield.data.atomic import atomic_write
from isofield.data.shapenet import Item
from isofield.metrics import Nearest, Samples, chamfer, iou, normal_consistency
from isofield.metrics.baselines import (
    best_level,
    grid_points,
    mean_shape,
    mirrored,
    nearest_code,
    overlaps,
    packed,
    shares_at,
)
from isofield.metrics.stored_shape import StoredShape
from isofield.observation import Photo, PointCloud
from isofield.ops.query import query

MIRROR = np.array([-1.0, 1.0, 1.0])
TRIED = 4
"""Training shapes that overlap most on the grid, of which the oracle takes the best on the test's points."""
DRAWS = 4
"""Noisy clouds of each training shape that retrieval may find."""
EVERY_VIEW = 4
"""Of the pictures of a training shape retrieval may find every so many."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Library:
    """Training shapes, and their mirror images behind them if the network learned from those, too."""

    items: Sequence[Item]
    bits: np.ndarray
    """Grids, one row for each shape."""
    mirror: bool

    @classmethod
    def of(cls, items: Sequence[Item], bits: np.ndarray, mirror: bool) -> "Library":
        """The shapes with the given grids."""
        return cls(items, np.concatenate([bits, mirrored(bits)]) if mirror else bits, mirror)

    def shape(self, number: int) -> tuple[StoredShape, np.ndarray]:
        """A shape as stored, and the signs of the axes that take points to its frame."""
        item = self.items[number % len(self.items)]
        return stored(item), MIRROR if number >= len(self.items) else np.ones(3)


@lru_cache(maxsize=16)
def stored(item: Item) -> StoredShape:
    """All that the data set knows of a shape."""
    parts = [item.occupied()]
    if (item.folder / "points_surface.npz").is_file():
        parts.append(item.occupied("points_surface.npz"))
    cloud = item.cloud()
    return StoredShape(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.inside for part in parts]),
        Samples(cloud.points, cloud.normals),
    )


def grids(data: Path, items: Sequence[Item], jobs: int) -> np.ndarray:
    """Packed grids of the shapes, in their order; those that are not kept yet are computed."""
    kept = data.with_name(data.name + ".grids.npz")
    known: dict[str, np.ndarray] = {}
    if kept.exists():
        with np.load(kept) as file:
            known = dict(zip(file["names"].tolist(), file["bits"], strict=True))
    missing = [item for item in items if item.name not in known]
    if missing:
        print(f"{len(missing)} grids to compute", file=sys.stderr)
        with ProcessPoolExecutor(jobs) if jobs > 1 else nullcontext() as pool:
            made = map(_grid, missing) if pool is None else pool.map(_grid, missing, chunksize=4)
            known |= zip([item.name for item in missing], made, strict=True)
        with atomic_write(kept) as path, open(path, "wb") as stream:
            np.savez(stream, names=np.array(list(known)), bits=np.stack(list(known.values())))
    return np.stack([known[item.name] for item in items])


def _grid(item: Item) -> np.ndarray:
    return packed(stored.__wrapped__(item).occupied(grid_points()))


def codes(system: Any, observations: Iterable[Any]) -> np.ndarray:
    """The encoder's code of each observation."""
    return np.concatenate([system.encode(each)[0].numpy() for each in observations])


def seen(item: Item, system: Any, number: int = 0, mirror: bool = False) -> PointCloud | Photo:
    """What the network sees of a model: the cloud or the picture with this number."""
    if system.wants is Photo:
        image = item.image(number)
        return Photo(np.ascontiguousarray(image[:, ::-1]) if mirror else image)
    cloud = item.scan(system.config.cloud_size, system.config.noise, number)
    return PointCloud(cloud.points * MIRROR) if mirror else cloud


def looks(item: Item, system: Any) -> range:
    """Which observations of a training shape retrieval may find."""
    return range(0, item.views(), EVERY_VIEW) if system.wants is Photo else range(DRAWS)


def retrieval(system: Any, library: Library) -> Callable[[Item], int]:
    """For a test model, the number of the training shape one of whose codes is nearest to its own."""
    rows, owners = [], []
    for number in range(len(library.bits)):
        item = library.items[number % len(library.items)]
        turned = number >= len(library.items)
        views = [seen(item, system, look, turned) for look in looks(item, system)]
        rows.append(codes(system, views))
        owners += [number] * len(views)
    known = np.concatenate(rows)
    return lambda item: owners[nearest_code(known, codes(system, [seen(item, system)])[0])]


def answered(item: Item, system: Any) -> Row:
    """The network's own answer by IoU alone, and whether a grid finds none of its surface: IoU 0, then."""
    scene, known = system.reconstruct(seen(item, system)), item.occupied()
    local = scene.world_from_scene.inverse()
    found = iou(query(scene.inside, local.apply(known.points)) > 0, known.inside)
    inside = query(scene.inside, grid_points()) > 0
    empty = bool(inside.all() or not inside.any())
    return {"class": item.category, "name": item.id, "iou": 0.0 if empty else found, "empty": empty}


def scored(item: Item, library: Library, number: int, quick: bool = False) -> Row:
    """A training shape as the answer to a test model, on its points and, unless quick, surface."""
    shape, signs = library.shape(number)
    occupied = item.occupied()
    row = {
        "class": item.category,
        "name": item.id,
        "found": library.items[number % len(library.items)].name,
        "iou": iou(shape.occupied(occupied.points * signs), occupied.inside),
    }
    if quick:
        return row
    cloud = item.cloud()
    near = Nearest.between(
        Samples(shape.surface.points * signs, shape.surface.normals * signs),
        Samples(cloud.points, cloud.normals),
    )
    return {**row, **chamfer(near), "normal_consistency": normal_consistency(near)}


def oracle(item: Item, bits: np.ndarray, library: Library, quick: bool = False) -> Row:
    """The training shape that overlaps most with the test model, which only the truth can tell."""
    best = np.argsort(-overlaps(library.bits, bits), kind="stable")[:TRIED]
    return max((scored(item, library, int(number), quick) for number in best), key=lambda row: row["iou"])


def mean_rows(test: Sequence[Item], library: Library, held: np.ndarray) -> list[Row]:
    """The mean of all training shapes as the answer to everything, cut where it suits `held` best."""
    mean = mean_shape(library.bits)
    level = best_level(mean, held)
    rows = []
    for item in test:
        occupied = item.occupied()
        found = iou(shares_at(mean, occupied.points) >= level, occupied.inside)
        rows.append({"class": item.category, "name": item.id, "iou": found, "level": level})
    return rows


def mean_rows_by_category(
    test: Sequence[Item], library: Library, val: Sequence[Item], held: np.ndarray
) -> list[Row]:
    """The same with a mean for each category, which must be told; cut where it suits the training best."""
    rows = []
    for category in sorted({item.category for item in test}):
        mine = np.array([item.category == category for item in library.items] * (1 + library.mirror))
        part = Library(library.items, library.bits[mine], library.mirror)
        own = held[np.array([item.category == category for item in val], bool)]
        models = [item for item in test if item.category == category]
        rows += mean_rows(models, part, own if len(own) else part.bits)
    return rows
