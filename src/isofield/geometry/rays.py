"""Half lines on which pictures are made."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from isofield.geometry.box import Box
from isofield.geometry.camera import Camera, pixel_centres


@dataclass(frozen=True)
class Rays:
    """x(t) = origin + t direction, for t between near and far."""

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    """Of unit length, so t is a length in the world."""
    near: Float[Tensor, " r"]
    far: Float[Tensor, " r"]
    """Not above near where the ray has nothing to see."""

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, which: Int[Tensor, " m"] | Bool[Tensor, " r"] | slice) -> "Rays":
        """The chosen rays, by index, mask or slice."""
        return Rays(self.origins[which], self.directions[which], self.near[which], self.far[which])

    def at(self, t: Float[Tensor, "r *s"]) -> Float[Tensor, "r *s 3"]:
        """Points at the distances t along each ray."""
        shape = (len(self), *(1,) * (t.ndim - 1), 3)
        return self.origins.view(shape) + t[..., None] * self.directions.view(shape)

    def within(self, box: Box) -> "Rays":
        """The rays with near and far where they enter and leave the box; near >= far where they miss it."""
        low = torch.as_tensor(box.low, dtype=self.origins.dtype, device=self.origins.device)
        high = torch.as_tensor(box.high, dtype=self.origins.dtype, device=self.origins.device)
        # a direction of exactly zero along an axis gives infinite distances, or nan on the face itself
        first = (low - self.origins) / self.directions
        second = (high - self.origins) / self.directions
        near = torch.minimum(first, second).nan_to_num(-torch.inf, torch.inf, -torch.inf).amax(dim=1)
        far = torch.maximum(first, second).nan_to_num(torch.inf, torch.inf, -torch.inf).amin(dim=1)
        return replace(self, near=torch.maximum(near, self.near), far=torch.minimum(far, self.far))

    @classmethod
    def of(cls, camera: Camera, pixels: Float[np.ndarray, "n 2"]) -> "Rays":
        """Rays of a camera through places on its picture, from its centre to infinity, in float32."""
        directions = torch.as_tensor(camera.directions(pixels), dtype=torch.float32)
        origin = torch.as_tensor(camera.centre, dtype=torch.float32)
        zero = torch.zeros(len(directions))
        return cls(origin.expand_as(directions).clone(), directions, zero, torch.full_like(zero, torch.inf))

    @classmethod
    def through_pixels(cls, camera: Camera, height: int, width: int) -> "Rays":
        """Rays through the middles of all pixels of a picture, row by row."""
        return cls.of(camera, pixel_centres(height, width))
