"""Batches of rays with the colours they should see, from a folder of photos with cameras.

Rays are in the scene's frame, where what is looked at fills [-0.5, 0.5]^3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isofield.data.atomic import atomic_write
from isofield.data.occupancy import share
from isofield.data.photos import read_views
from isofield.data.view_frame import frame_of
from isofield.errors import InputError
from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera, pixel_centres
from isofield.geometry.rays import Rays
from isofield.observation import Views

EVERY = 8
"""Of how many pictures one is held out, where the folder says nothing."""
PROBED = 2048
"""Pixels of the held-out pictures that a validation looks at."""
PREVIEW = 64
"""Pixels along the longest edge of a preview."""
CENTRE = 0.5
"""Share of a picture's width and height that early batches are drawn from."""
WATCHED = 300
"""Steps, behind the early ones, after which a training has learnt more than one colour."""


@dataclass(frozen=True)
class Bounds:
    """Between which distances rays are sampled."""

    near: float | None = None
    """Depth along the camera's axis, in units of the world; None: where the ray enters the cube."""
    far: float | None = None
    reach: float = 1.1
    """Edge of the cube around the scene's origin."""

    def bound(self, rays: Rays, forward: Float[Tensor, "#r 3"], scale: float) -> Rays:
        """The rays with finite near and far; both the same where a ray misses the cube.

        Args:
            rays: In the scene.
            forward: Axis of each ray's camera.
            scale: Of the world's units over the scene's: world = scale * scene.
        """
        if self.near is not None and self.far is not None:
            along = (rays.directions * forward).sum(-1) * scale
            return replace(rays, near=self.near / along, far=self.far / along)
        cut = rays.within(Box.cube(self.reach))
        misses = cut.near >= cut.far
        near = torch.where(misses, 0.0, cut.near)
        return replace(cut, near=near, far=torch.where(misses, near, cut.far))


@dataclass(frozen=True)
class RayBatch:
    """What some pixels show."""

    rays: Rays
    colours: Float[Tensor, "r 3"]
    world_from_scene: Float[Tensor, "4 4"]
    """The similarity, scale included, that takes the scene to the frame of the cameras."""


@dataclass(frozen=True)
class Lit:
    """Pictures of one size or several, flattened: pixel k of the whole belongs to one camera."""

    colours: Float[np.ndarray, "k 3"]
    starts: np.ndarray
    """First pixel of each picture, and the number of all."""
    shapes: Sequence[tuple[int, int]]
    cameras: Sequence[Camera]
    """In the scene."""

    @classmethod
    def of(cls, views: Views, scene_from_world: Similarity, background: float) -> "Lit":
        images = views.on(background)
        flat = np.concatenate([image.reshape(-1, 3) for image in images]).astype(np.float32)
        starts = np.cumsum([0, *(image.shape[0] * image.shape[1] for image in images)])
        cameras = [camera.moved(scene_from_world) for camera in views.cameras]
        return cls(flat, starts, [image.shape[:2] for image in images], cameras)

    def rays(self, which: np.ndarray, bounds: Bounds, scale: float) -> Rays:
        """The bounded rays through the middles of the numbered pixels."""
        picture = np.searchsorted(self.starts, which, side="right") - 1
        width = np.array([shape[1] for shape in self.shapes])[picture]
        row, column = np.divmod(which - self.starts[picture], width)
        pixels = np.stack([column, row], 1) + 0.5
        origins, directions, forward = (np.empty((len(which), 3)) for _ in range(3))
        for number in np.unique(picture):
            mine, camera = picture == number, self.cameras[number]
            origins[mine], forward[mine] = camera.centre, camera.forward
            directions[mine] = camera.directions(pixels[mine])
        o, d, f = (torch.from_numpy(a.astype(np.float32)) for a in (origins, directions, forward))
        return bounds.bound(Rays(o, d, torch.zeros(len(o)), torch.full((len(o),), torch.inf)), f, scale)

    def drawn(self, draw: np.random.Generator, count: int, part: float) -> np.ndarray:
        """Numbers of random pixels, from the middle part of the pictures."""
        picture = draw.integers(len(self.shapes), size=count)
        sizes = np.array(self.shapes)[picture]
        row, column = ((draw.random((count, 2)) - 0.5) * part + 0.5).T * sizes.T
        return self.starts[picture] + row.astype(int) * sizes[:, 1] + column.astype(int)


@dataclass(frozen=True)
class RaySource:
    """Random pixels of all training pictures; measures on pictures that are held out."""

    lit: Lit
    held: Lit
    world_from_scene: Similarity
    bounds: Bounds
    seed: int
    count: int
    """Rays in a batch, over all ranks."""
    early: int = 500
    """Steps that see the middles of the pictures only, where the object is."""
    said: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        data: Path,
        seed: int,
        count: int,
        longest: int | None,
        background: float,
        bounds: Bounds,
        early: int,
    ) -> "RaySource":
        """All pictures of a folder, straight and shrunk, over an even background.

        Raises:
            InputError: The folder has no cameras that we read, or too few pictures.
        """
        views, said = read_views(data, longest)
        frame = frame_of(views)
        held = views.held_out or [number % EVERY == 0 for number in range(len(views))]
        train, test = ([k for k, h in enumerate(held) if bool(h) is wanted] for wanted in (False, True))
        if not train or not test:
            raise InputError(
                f"{data}: it takes pictures to learn from and pictures to measure on, not one kind."
            )
        lit, measured = (
            Lit.of(views[chosen], frame.scene_from_world, background) for chosen in (train, test)
        )
        return cls(
            lit, measured, frame.world_from_scene, bounds, seed, count, early, (*said, *frame.said)
        )  # fmt: skip

    def batch(self, step: int, rank: int, world: int) -> RayBatch:
        """The rank's share of the batch of this step: a pure function of seed and step."""
        draw = np.random.default_rng([self.seed, 2, step])
        chosen = self.lit.drawn(draw, self.count, CENTRE if step < self.early else 1.0)
        return self._batch(self.lit, chosen[np.array(share(self.count, rank, world))])

    def collapsed(self, step: int, means: dict[str, float]) -> bool:
        """Whether a training that should have begun to learn is no better than the best single colour."""
        if step != self.early + WATCHED or "fine" not in means:
            return False
        return means["fine"] > float(self.lit.colours.var(0).mean())

    def validate(self, system: Any) -> dict[str, float]:
        """PSNR over some pixels of the held-out pictures, the same every time."""
        draw = np.random.default_rng(0)
        batch = self._batch(self.held, self.held.drawn(draw, PROBED, 1.0))
        error = (system.seen(batch.rays) - batch.colours).square().mean()
        constant = (batch.colours - torch.from_numpy(self.lit.colours.mean(0))).square().mean()
        return {"psnr": psnr(float(error)), "psnr_constant": psnr(float(constant))}

    def preview(self, system: Any, step: int, folder: Path) -> None:
        """The first held-out picture, small: as it is and as the system sees it, side by side."""
        from PIL import Image

        height, width = self.held.shapes[0]
        stride = max(1, max(height, width) // PREVIEW)
        rows, columns = np.arange(stride // 2, height, stride), np.arange(stride // 2, width, stride)
        batch = self._batch(self.held, (rows[:, None] * width + columns).ravel())
        pictures = [batch.colours, system.seen(batch.rays)]
        both = torch.cat([p.view(len(rows), len(columns), 3) for p in pictures], 1).clamp(0, 1)
        with atomic_write(folder / f"{step:09d}.png") as path:
            Image.fromarray((both * 255).round().byte().numpy()).save(path, format="PNG")

    def _batch(self, lit: Lit, which: np.ndarray) -> RayBatch:
        place = self.world_from_scene
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = place.scale * place.rotation, place.translation
        rays = lit.rays(which, self.bounds, place.scale)
        return RayBatch(rays, torch.from_numpy(lit.colours[which]), torch.from_numpy(matrix))


def psnr(error: float) -> float:
    """Decibels of a mean squared error of values in [0, 1]."""
    return float(-10 * np.log10(max(error, 1e-12)))


def bounded_rays(
    camera: Camera, height: int, width: int, world_from_scene: Similarity, bounds: Bounds
) -> Rays:
    """Rays, in the scene, through all pixels of a camera that stands in the world."""
    moved = camera.moved(world_from_scene.inverse())
    forward = torch.as_tensor(moved.forward, dtype=torch.float32)[None]
    return bounds.bound(Rays.of(moved, pixel_centres(height, width)), forward, world_from_scene.scale)
