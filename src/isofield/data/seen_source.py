"""Occupancy batches for systems that see one picture, or voxels, of a model.

As the official training: a random view of each model in training and view 0 to measure on, 32^3
voxels, and labelled points as in `occupancy` (arXiv:1812.03828, section 4).
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool3d

from isofield.batch import OccupancyBatch
from isofield.data.occupancy import OccupancySource, rows
from isofield.data.shapenet import Item
from isofield.data.varied import recoloured, widened
from isofield.errors import InputError
from isofield.observation import Photo, Voxels


@dataclass(frozen=True)
class PhotoSource(OccupancySource):
    """A picture of each model; a mirrored model is what a mirrored picture shows."""

    image_size: int = 224
    """Pixels along an edge."""
    crop: float = 1.0
    """Smallest share of the picture's area that is shown, enlarged; the official augmentation has 0.75."""
    vary: float = 0.0
    """How much of light, colour and place in the frame is left to chance, from 0 to 1 (`varied`)."""

    def _seen(self, item: Item, draw: np.random.Generator) -> Photo:
        count = item.views()
        if not count:
            raise InputError(f"{item.folder} has no pictures; isofield prepare renders them from meshes")
        image = item.image(int(draw.integers(count)))
        if self.vary:
            image = widened(image, self.vary)
        edge = np.sqrt(draw.uniform(self.crop, 1.0))
        shown = window(image, draw.uniform(0, 1 - edge, 2), float(edge), self.image_size)
        return Photo(recoloured(shown, draw, self.vary) if self.vary else shown)

    def _shown(self, seen: Photo, mirrored: bool) -> dict[str, Tensor]:
        return {"images": rows(seen.image[:, ::-1] if mirrored else seen.image)}

    def _measured(self, item: Item, draw: np.random.Generator) -> Photo:
        return Photo(window(item.image(0), np.zeros(2), 1.0, self.image_size))


@dataclass(frozen=True)
class VoxelSource(OccupancySource):
    """The 32^3 voxels of each model."""

    def _seen(self, item: Item, draw: np.random.Generator) -> Voxels:
        return item.voxels()

    def _shown(self, seen: Voxels, mirrored: bool) -> dict[str, Tensor]:
        return {"voxels": rows(seen.occupied[::-1] if mirrored else seen.occupied)}


@dataclass(frozen=True)
class StagedVoxelSource(VoxelSource):
    """From coarse to fine: centres of 16^3 voxels for some epochs, then of 32^3, then the labelled points.

    The stages of IM-NET (arXiv:1812.02822); coarse voxels are full where one of theirs is.
    """

    epochs: tuple[int, int] = (200, 200)
    """Of the stages with 16^3 and 32^3 voxels."""

    def _sample(self, number: int) -> OccupancyBatch:
        known, epoch = super()._sample(number), number // len(self.models)
        if epoch >= sum(self.epochs):
            return known
        assert known.voxels is not None
        solid = max_pool3d(known.voxels, 2) if epoch < self.epochs[0] else known.voxels
        order = np.random.default_rng([self.seed, 3, number]).permutation(solid.numel())
        pick = np.resize(order, self.points)
        centres = (np.stack(np.unravel_index(pick, solid.shape[1:]), -1) + 0.5) / solid.shape[-1] - 0.5
        return replace(known, points=rows(centres), inside=solid.reshape(1, -1)[:, pick])


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
