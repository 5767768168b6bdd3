"""Pixels of pictures of many objects whose cameras are known: supervision without any shape.

Of each object one random picture is seen, and random pixels of another one are to be explained. Objects
stand on white: what is not white is the object (`WHITE`), which loses white parts of it.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import binary_fill_holes

from isofield.data.occupancy import rows, share
from isofield.data.pixels import PixelBatch, Pixels
from isofield.data.seen_source import PhotoSource, window
from isofield.data.shapenet import Item
from isofield.data.varied import WHITE
from isofield.errors import InputError
from isofield.geometry import Similarity
from isofield.observation import Views

HOLE = 12
"""Pixels: white patches that are smaller and surrounded by the object belong to it."""


@dataclass(frozen=True)
class PosedSource(PhotoSource):
    """Batches of pictures and pixels; measured by occupancies, which training never sees."""

    rays: int = 1024
    """Pixels per object."""
    on_object: float = 0.0
    """Share of them that show the object for certain."""

    def batch(self, step: int, rank: int, world: int) -> PixelBatch:  # type: ignore[override]
        """The rank's share of the step's batch; raises InputError for a damaged or missing file."""
        mine = [self._drawn(step * self.size + index) for index in share(self.size, rank, world)]
        names = ("origins", "directions", "colours", "mask", "images")
        return PixelBatch(
            **{name: torch.cat([getattr(one, name) for one in mine]) for name in names}, step=step
        )

    def _drawn(self, number: int) -> PixelBatch:
        """One object's pixels, counted over all steps."""
        epoch, place = divmod(number, len(self.models))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.models))
        draw = np.random.default_rng([self.seed, 1, number])
        item = self.models[order[place]]
        count = item.views()
        if count < 2:
            raise InputError(f"{item.folder} has {count} pictures; learning from pixels takes two or more")
        seen, asked = draw.permutation(count)[:2]
        image = window(item.image(int(seen)), np.zeros(2), 1.0, self.image_size)
        pixels = Pixels.of(posed_view(item, int(asked)), Similarity())
        return replace(pixels.draw(draw, self.rays, on_object=self.on_object), images=rows(image))


def posed_view(item: Item, view: int) -> Views:
    """A stored picture with its camera over the unit box, and the mask that its white background tells."""
    image = item.image(view)
    mask = outline(image)
    return Views([image], [item.camera(view)], [f"{view:03d}"], masks=[mask])


def outline(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """1 where the picture is not white, or white in a small patch within what is not."""
    from scipy.ndimage import label

    shown = image.min(axis=-1) < WHITE
    holes, count = label(binary_fill_holes(shown) & ~shown)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    small = (sizes <= HOLE)[holes] & (holes > 0)
    return (shown | small).astype(np.float32)
