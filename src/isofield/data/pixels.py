"""Pixels of pictures with their rays, drawn at random: what surfaces learn from."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from isofield.geometry.camera import Camera, pixel_centres
from isofield.geometry.similarity import Similarity
from isofield.observation import Views


@dataclass(frozen=True)
class PixelBatch:
    """Pixels of b objects, with the rays through their middles."""

    origins: Float[Tensor, "b r 3"]
    directions: Float[Tensor, "b r 3"]
    """Of unit length."""
    colours: Float[Tensor, "b r 3"]
    """RGB in [0, 1]."""
    mask: Float[Tensor, "b r"]
    """How much of the pixel is the object."""
    depths: Float[Tensor, "b r"] | None = None
    """Along the ray, where the pixel shows the object; zero where unknown."""
    view: Int[Tensor, "b r"] | None = None
    """Number of the picture."""
    images: Float[Tensor, "b h w 3"] | None = None
    """A picture of each object, for systems that see one."""
    step: int = 0
    """Of the training, for what changes on the way."""

    def __len__(self) -> int:
        return len(self.origins)


@dataclass(frozen=True)
class Pixels:
    """All pixels of some pictures, ready to be drawn from; one object."""

    origins: Float[Tensor, "v 3"]
    """Centres of the cameras."""
    axes: Float[Tensor, "v 3 3"]
    """Columns are each camera's right, down and forward."""
    directions: Float[Tensor, "n 3"]
    colours: Float[Tensor, "n 3"]
    mask: Float[Tensor, " n"]
    depths: Float[Tensor, " n"] | None
    view: Int[Tensor, " n"]
    neighbours: Int[Tensor, " n"]
    """How many pixels further on the one below is; zero in the last row and column of a picture."""
    shown: Int[Tensor, " m"]
    """Pixels that show the object."""

    def __len__(self) -> int:
        return len(self.view)

    @classmethod
    def of(cls, views: Views, scene_from_world: Similarity) -> "Pixels":
        """The pixels of all pictures that are not held out, rays in the frame of the scene."""
        held = views.held_out or [False] * len(views)
        chosen = [k for k, out in enumerate(held) if not out]
        parts = [_of_picture(views, k, number, scene_from_world) for number, k in enumerate(chosen)]
        names = ("directions", "colours", "mask", "view", "neighbours")
        whole = {name: torch.cat([part[name] for part in parts]) for name in names}
        depths = torch.cat([part["depths"] for part in parts]) if views.depths is not None else None
        shown = (whole["mask"] > 0.5).nonzero()[:, 0]
        origins = torch.stack([part["origin"] for part in parts])
        axes = torch.stack([part["axes"] for part in parts])
        return cls(origins=origins, axes=axes, depths=depths, shown=shown, **whole)

    def edges(self) -> Int[Tensor, " e"]:
        """Pixels whose neighbour, to the right or below, is on the other side of the outline."""
        inner = (self.neighbours > 0).nonzero()[:, 0]
        inside = self.mask > 0.5
        others = (inner + 1, inner + self.neighbours[inner])
        return torch.cat([inner[inside[inner] != inside[other]] for other in others])

    def beside(
        self, edges: Int[Tensor, " e"], generator: np.random.Generator, count: int, reach: int
    ) -> Int[Tensor, " m"]:
        """Pixels near outlines, drawn in pairs, as far on one side of an edge as on the other.

        Args:
            edges: Of the outlines.
            generator: Of the draw.
            count: Pairs of each picture, at most.
            reach: Pixels from the edge, along either axis.
        """
        shuffled = edges[torch.from_numpy(generator.permutation(len(edges)))]
        chosen = shuffled[self.view[shuffled].argsort(stable=True)]
        view = self.view[chosen]
        chosen = chosen[torch.arange(len(view)) - torch.searchsorted(view, view) < count]
        off = torch.from_numpy(generator.integers(-reach, reach + 1, (len(chosen), 2)))
        step = off[:, 0] + off[:, 1] * self.neighbours[chosen]
        pair = torch.cat([chosen + step, chosen - step]).clamp(0, len(self) - 1)
        chosen = chosen.repeat(2)
        return torch.where(self.view[pair] == self.view[chosen], pair, chosen)

    def draw(
        self, generator: np.random.Generator, count: int, patches: bool = False, on_object: float = 0.0
    ) -> PixelBatch:
        """Some pixels, as a batch of one object.

        Args:
            generator: Of the draw.
            count: Pixels; a multiple of four with patches.
            patches: Take squares of 2 x 2 pixels, row by row, one behind the other.
            on_object: Share that is drawn from the object's pixels, the rest from all.
        """
        which = torch.from_numpy(generator.integers(len(self), size=count // 4 if patches else count))
        chosen = round(on_object * len(which)) if len(self.shown) else 0
        if chosen:
            which[:chosen] = self.shown[generator.integers(len(self.shown), size=chosen)]
        if patches:
            below = self.neighbours[which]
            which = torch.stack([which, which + (below > 0), which + below, which + below + (below > 0)], 1)
            which = which.flatten()
        return self[which]

    def __getitem__(self, which: Int[Tensor, " m"]) -> PixelBatch:
        """The chosen pixels, as a batch of one object."""
        view = self.view[which]
        return PixelBatch(
            origins=self.origins[view][None],
            directions=self.directions[which][None],
            colours=self.colours[which][None],
            mask=self.mask[which][None],
            depths=None if self.depths is None else self.depths[which][None],
            view=view[None],
        )


@dataclass(frozen=True)
class PixelSource:
    """Batches of random pixels of one object's pictures; functions of the step."""

    pixels: Pixels
    count: int
    """Pixels of one batch."""
    seed: int = 0
    patches: bool = False
    on_object: float = 0.0
    """Share of the pixels that show the object for certain."""

    def batch(self, step: int, rank: int, world: int) -> PixelBatch:
        """The rank's draw of the step."""
        draw = np.random.default_rng([self.seed, step, rank])
        return replace(self.pixels.draw(draw, self.count // world, self.patches, self.on_object), step=step)


def _of_picture(views: Views, k: int, number: int, scene_from_world: Similarity) -> dict[str, Tensor]:
    height, width = views.images[k].shape[:2]
    camera: Camera = views.cameras[k].moved(scene_from_world)
    turn = camera.camera_from_world[:, :3]
    pixels = pixel_centres(height, width)
    directions = camera.directions(pixels)
    below = np.full((height, width), width)
    below[-1], below[:, -1] = 0, 0
    mask = np.ones((height, width)) if views.masks is None else views.masks[k]
    found = {
        "origin": camera.centre,
        "axes": turn.T / np.cbrt(np.linalg.det(turn)),
        "directions": directions,
        "colours": views.images[k].reshape(-1, 3),
        "mask": mask.ravel(),
    }
    if views.depths is not None:
        # known along the axis of the camera, in units of the world
        along = directions @ camera.forward
        found["depths"] = views.depths[k].ravel() * scene_from_world.scale / along
    tensors = {name: torch.as_tensor(np.asarray(value, np.float32)) for name, value in found.items()}
    view = torch.full((len(directions),), number)
    return tensors | {"view": view, "neighbours": torch.from_numpy(below.ravel())}
