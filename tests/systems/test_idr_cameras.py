"""Cameras turned wrongly are turned back by outlines, when the surface is known."""

import numpy as np
import torch

from isofield.data.pixels import Pixels
from isofield.geometry import Similarity
from isofield.geometry.camera import Camera
from isofield.geometry.rays import Rays
from isofield.observation import Views
from isofield.render.sphere_tracing import within_ball
from isofield.systems.idr_cameras import CameraCorrection, aligning_turns, graze

SIDES = torch.tensor([0.5, 0.3, 0.2])


def box(points: torch.Tensor) -> torch.Tensor:
    """Signed distance of a box that is no box of revolution, rounded and off the middle."""
    off = (points - torch.tensor([0.1, 0.0, -0.05])).abs() - SIDES
    return off.clamp(min=0).norm(dim=1) + off.amax(1).clamp(max=0) - 0.05


def views_of_box(count: int = 8, size: int = 64) -> Views:
    cameras, masks = [], []
    for k in range(count):
        camera = Camera.orbiting(k * 2 * np.pi / count, 0.6 * (-1) ** k, 2.5, size * 1.2, size)
        rays = Rays.through_pixels(camera, size, size)
        zero = torch.zeros(len(rays))
        found = graze(box, within_ball(Rays(rays.origins, rays.directions, zero, zero), 1.0))
        masks.append((found.distance < 0).numpy().reshape(size, size).astype(np.float32))
        cameras.append(camera)
    images = [np.repeat(mask[..., None], 3, 2) for mask in masks]
    return Views(images, cameras, [f"{k}" for k in range(count)], masks=masks)


def wrong_poses(pixels: Pixels, degrees: float) -> CameraCorrection:
    poses = CameraCorrection(len(pixels.origins))
    poses.axes.copy_(pixels.axes)
    draw = torch.Generator().manual_seed(4)
    turn = torch.nn.functional.normalize(torch.randn(poses.turn.shape, generator=draw), dim=1)
    with torch.no_grad():
        poses.turn.copy_(np.radians(degrees) * turn)
    return poses


def placed(pixels: Pixels, poses: CameraCorrection, draw: int) -> tuple[Rays, torch.Tensor]:
    which = pixels.beside(pixels.edges(), np.random.default_rng(draw), 60, 2)
    with torch.no_grad():
        moved = poses(pixels.origins[pixels.view[which]], pixels.directions[which], pixels.view[which])
    zero = torch.zeros(len(which))
    return within_ball(Rays(*moved, zero, zero), 1.0), which


def test_rays_beside_outlines_graze_the_surface():
    pixels = Pixels.of(views_of_box(), Similarity())
    rays, which = placed(pixels, wrong_poses(pixels, 0), 0)
    found = graze(box, rays)
    assert found.distance.abs().max() < 0.15  # a pixel is 0.03 wide there
    assert ((found.distance < 0) == (pixels.mask[which] > 0.5)).float().mean() > 0.99


def test_the_smallest_distance_changes_with_turns_as_said():
    pixels = Pixels.of(views_of_box(), Similarity())
    poses = wrong_poses(pixels, 1.0)
    rays, which = placed(pixels, poses, 0)
    before, turns = graze(box, rays), 1e-3 * torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    poses.turn_by(turns)
    after = graze(box, placed(pixels, poses, 0)[0])
    rows = before.t[:, None] * torch.linalg.cross(rays.directions, before.slope)
    said = (rows * turns[pixels.view[which]]).sum(1)
    assert (after.distance - before.distance - said).abs().median() < 0.1 * said.abs().median()


def test_wrong_turns_are_found_in_a_few_alignments():
    pixels = Pixels.of(views_of_box(), Similarity())
    poses = wrong_poses(pixels, 3.0)
    for number in range(6):
        rays, which = placed(pixels, poses, number)
        view, mask = pixels.view[which], pixels.mask[which] > 0.5
        poses.turn_by(aligning_turns(graze(box, rays), rays, mask, view, 8))
    left = torch.rad2deg(poses.turn.detach()).square().mean(0).sqrt()
    assert (left[:2] < 0.4).all()  # a pixel is 0.75 degrees wide, and 3 degrees is 1.7 per axis
    assert left[2] < 1.2  # outlines hardly tell turns around the line of sight, so these come slowly
