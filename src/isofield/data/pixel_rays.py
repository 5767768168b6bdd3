"""All pixels of some pictures as rays, drawn by number: nothing per ray is stored but its colour."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from isofield.geometry import Similarity
from isofield.geometry.rays import Rays
from isofield.observation import Views


@dataclass(frozen=True)
class PixelRays:
    """Pixels of pictures whose cameras stand in the scene; pixel k of the whole belongs to one picture."""

    colours: Float32[Tensor, "k 3"]
    """RGB, multiplied by the mask where there is one."""
    mask: Float32[Tensor, " k"] | None
    starts: Int[Tensor, " v1"]
    """First pixel of each picture, and the number of all."""
    widths: Int[Tensor, " v"]
    turns: Float32[Tensor, "v 3 3"]
    """Directions in the scene from pixels, up to length."""
    centres: Float32[Tensor, "v 3"]

    def __len__(self) -> int:
        return len(self.colours)

    @classmethod
    def of(cls, views: Views, scene_from_world: Similarity) -> "PixelRays":
        """The pixels of all the views."""
        images = list(views.images)
        if views.masks is not None:
            images = [image * mask[..., None] for image, mask in zip(images, views.masks, strict=True)]
        flat = np.concatenate([image.reshape(-1, 3) for image in images]).astype(np.float32)
        masks = None
        if views.masks is not None:
            masks = torch.from_numpy(np.concatenate([m.ravel() for m in views.masks]).astype(np.float32))
        cameras = [camera.moved(scene_from_world) for camera in views.cameras]
        turns = [np.linalg.inv(c.pixel_from_camera @ c.camera_from_world[:, :3]) for c in cameras]
        sizes = [image.shape[0] * image.shape[1] for image in images]
        return cls(
            colours=torch.from_numpy(flat),
            mask=masks,
            starts=torch.from_numpy(np.cumsum([0, *sizes])),
            widths=torch.tensor([image.shape[1] for image in images]),
            turns=torch.from_numpy(np.stack(turns).astype(np.float32)),
            centres=torch.from_numpy(np.stack([c.centre for c in cameras]).astype(np.float32)),
        )

    def pictures(self, which: Int[Tensor, " m"]) -> Int[Tensor, " m"]:
        """Which picture each pixel belongs to."""
        return torch.searchsorted(self.starts, which, right=True) - 1

    def rays(self, which: Int[Tensor, " m"]) -> Rays:
        """Rays through the middles of the numbered pixels, to infinity."""
        picture = self.pictures(which)
        place, width = which - self.starts[picture], self.widths[picture]
        pixels = torch.stack([place % width + 0.5, place // width + 0.5, torch.ones(len(which))], dim=1)
        towards = torch.einsum("nij,nj->ni", self.turns[picture], pixels)
        zero = torch.zeros(len(which))
        return Rays(
            self.centres[picture],
            towards / towards.norm(dim=1, keepdim=True),
            zero,
            torch.full_like(zero, torch.inf),
        )

    def chunks(self, size: int = 65_536) -> Iterator[Int[Tensor, " m"]]:
        """Numbers of all pixels, in order, some at a time."""
        yield from torch.arange(len(self)).split(size)

    def over(self, which: Int[Tensor, " m"], background: Float32[Tensor, "m 3"]) -> Float32[Tensor, "m 3"]:
        """Colours of the pixels, with a background where the mask shows it."""
        if self.mask is None:
            return self.colours[which]
        return self.colours[which] + (1 - self.mask[which])[:, None] * background
