"""Occupancy batches for systems that see one picture, or voxels, of a model.

As the official training: a random view of each model in training and view 0 to measure on, 32^3
voxels, and labelled points as in `occupancy` (arXiv:1812.03828, section 4).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float

from isofield.batch import OccupancyBatch
from isofield.data.occupancy import Known, OccupancySource, labelled, rows
from isofield.data.shapenet import Item
from isofield.errors import InputError
from isofield.observation import Photo


@dataclass(frozen=True)
class _Shown(OccupancySource):
    """What both have in common: which model comes when, and whether it is mirrored."""

    cloud_size: int = 0

    def _sample(self, number: int) -> OccupancyBatch:
        epoch, place = divmod(number, len(self.models))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.models))
        draw = np.random.default_rng([self.seed, 1, number])
        item = self.models[order[place]]
        points, inside = labelled(item, draw, self.points)
        mirrored = self.mirror and bool(draw.random() < 0.5)
        side = np.array([-1 if mirrored else 1, 1, 1], np.float32)
        batch = OccupancyBatch(None, rows(side * points), rows(inside), item=torch.tensor([order[place]]))
        return self._with_observation(batch, item, draw, mirrored)

    def _with_observation(
        self, batch: OccupancyBatch, item: Item, draw: np.random.Generator, mirrored: bool
    ) -> OccupancyBatch:
        raise NotImplementedError


@dataclass(frozen=True)
class PhotoSource(_Shown):
    """A picture of each model; a mirrored model is what a mirrored picture shows."""

    image_size: int = 224
    """Pixels along an edge."""
    crop: float = 1.0
    """Smallest share of the picture's area that is shown, enlarged; the official augmentation has 0.75."""

    def _with_observation(
        self, batch: OccupancyBatch, item: Item, draw: np.random.Generator, mirrored: bool
    ) -> OccupancyBatch:
        count = item.views()
        if not count:
            raise InputError(f"{item.folder} has no pictures; isofield prepare renders them from meshes")
        image = item.image(int(draw.integers(count)))
        edge = np.sqrt(draw.uniform(self.crop, 1.0))
        corner = draw.uniform(0, 1 - edge, 2)
        image = window(image, corner, float(edge), self.image_size)
        image = image[:, ::-1] if mirrored else image
        return replace(batch, images=torch.from_numpy(np.ascontiguousarray(image))[None])

    def _drawn(self, item: Item, draw: np.random.Generator, count: int) -> Known:
        image = window(item.image(0), np.zeros(2), 1.0, self.image_size)
        return Known(item.name, Photo(image), *labelled(item, draw, count))


@dataclass(frozen=True)
class VoxelSource(_Shown):
    """The 32^3 voxels of each model."""

    def _with_observation(
        self, batch: OccupancyBatch, item: Item, draw: np.random.Generator, mirrored: bool
    ) -> OccupancyBatch:
        occupied = item.voxels().occupied
        return replace(batch, voxels=rows(occupied[::-1] if mirrored else occupied))

    def _drawn(self, item: Item, draw: np.random.Generator, count: int) -> Known:
        return Known(item.name, item.voxels(), *labelled(item, draw, count))


def window(
    image: Float[np.ndarray, "h w 3"], corner: Float[np.ndarray, "2"], edge: float, size: int
) -> Float[np.ndarray, "s s 3"]:
    """A square part of a picture, smoothed where it shrinks, bilinear where it grows.

    Args:
        image: Pictures that are not square lose what exceeds the middle square.
        corner: Upper left corner of the part, row and column, in units of the square's edge.
        edge: Of the part, in the same units.
        size: Pixels along an edge of what comes back.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    if (height, width, edge) == (size, size, 1.0):
        return image.astype(np.float32)
    from PIL import Image

    top, left = (height - side) / 2 + corner[0] * side, (width - side) / 2 + corner[1] * side
    box = (left, top, min(left + edge * side, width), min(top + edge * side, height))
    picture = Image.fromarray(np.round(image * 255).astype(np.uint8))
    resized = picture.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, np.float32) / 255
