"""Cameras of IDR: learned along with the scene, or aligned with it by its masks.

Where s is the smallest distance along a pixel's ray, and n the slope of the distance at that place o + t d, a
turn of the camera about its centre changes s, and the probability q that the pixel shows the object, by

    ds = t (d x n) . turn        q = sigmoid(-alpha s)

so each camera's share of the mask loss has a gradient and an expected curvature (Fisher's information),

    g = sum -alpha (q - mask) t (d x n)       H = sum alpha^2 q (1 - q) t^2 (d x n) (d x n)^T

and -H^-1 g lowers it in one step. Adam, that has a few rays of each camera in each step, takes thousands.

A wrong place of the object is nearly made up for by turns, only that the object looks too large from one side
and too small from the other; cameras that each follow the surface never get out of it. So one move of the
object, ds = -n . move, is an unknown of all cameras together; the surface follows it when it is learned on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from isofield.geometry.rays import Rays

Distance = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]
COARSE, FINE = 20, 5
"""Samples along a ray, and between the neighbours of the lowest of them."""
SHARPNESS = 100.0
"""alpha: an outline is a few pixels of a picture of 200 wide, so that there is a slope to follow."""
REACH = 4
"""Pixels from the outline, along either axis, that pairs of pixels are drawn from."""
DAMPING = 0.1
"""In units of the mean curvature: what outlines hardly tell is changed slowly."""
MOVED = 0.3
"""Part of the object's move that is followed at once."""
LARGEST = 0.02
"""Radians that a camera is turned at once: the surface has to follow."""
WHOLE = 12
"""Alignments that are followed entirely; later ones less and less, as in a running mean."""


class CameraCorrection(nn.Module):
    """A turn and a shift of each camera, learned beside the scene; none at the start.

    Both are along the camera's own axes: how much a picture tells about a turn around the line of sight
    differs from what it tells about the others, and Adam scales each number on its own.

    Args:
        count: Number of cameras.
    """

    axes: Float[Tensor, "v 3 3"]

    def __init__(self, count: int) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.zeros(count, 3))
        self.shift = nn.Parameter(torch.zeros(count, 3))
        self.register_buffer("axes", torch.eye(3).repeat(count, 1, 1))

    def forward(
        self, origins: Float[Tensor, "r 3"], directions: Float[Tensor, "r 3"], view: Int[Tensor, " r"]
    ) -> tuple[Float[Tensor, "r 3"], Float[Tensor, "r 3"]]:
        """Origins and directions of the corrected rays."""
        turned = torch.einsum("rij,rj->ri", self.rotations()[view], directions)
        shift = torch.einsum("vij,vj->vi", self.axes, self.shift)
        return origins + shift[view], turned

    def rotations(self) -> Float[Tensor, "v 3 3"]:
        """To be applied to directions in the scene."""
        x, y, z = torch.einsum("vij,vj->vi", self.axes, self.turn).unbind(-1)
        zero = torch.zeros_like(x)
        cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(-1, 3, 3)
        return torch.linalg.matrix_exp(cross)

    @torch.no_grad()
    def turn_by(self, turns: Float[Tensor, "v 3"]) -> None:
        """Turn each camera further, by small angles around the axes of the scene."""
        self.turn.add_(torch.einsum("vij,vi->vj", self.axes, turns))


@dataclass(frozen=True)
class Graze:
    """Where rays come closest to the surface, or deepest into the object."""

    t: Float[Tensor, " r"]
    distance: Float[Tensor, " r"]
    slope: Float[Tensor, "r 3"]
    """Of the distance."""


def graze(distance: Distance, rays: Rays) -> Graze:
    """The smallest distance along each ray, from samples and again from finer ones around the lowest."""
    with torch.no_grad():
        width = (rays.far - rays.near)[:, None] / (COARSE - 1)
        t = _lowest(distance, rays, rays.near[:, None] + width * torch.arange(COARSE).to(width))
        t = _lowest(distance, rays, t[:, None] + width * torch.linspace(-1, 1, FINE).to(width))
    with torch.enable_grad():
        points = rays.at(t).detach().requires_grad_()
        values = distance(points)
        (slope,) = torch.autograd.grad(values.sum(), points)
    return Graze(t, values.detach(), slope)


def aligning_turns(
    found: Graze,
    rays: Rays,
    mask: Bool[Tensor, " r"],
    view: Int[Tensor, " r"],
    count: int,
    alpha: float = SHARPNESS,
) -> Float[Tensor, "v 3"]:
    """Turns of the cameras, around the axes of the scene, that lower the masks' cross entropy most.

    Args:
        found: Of the rays, as the cameras stand now.
        rays: Through pixels near the outlines.
        mask: Which rays show the object.
        view: Camera of each ray.
        count: Number of cameras.
        alpha: Sharpness of the outlines.
    """
    shown = torch.sigmoid(-alpha * found.distance)
    of_turn = found.t[:, None] * torch.linalg.cross(rays.directions, found.slope)
    rows = -alpha * torch.cat([of_turn, -found.slope], 1).double()
    gradient = rows.new_zeros(count, 6).index_add(0, view, (shown - mask.to(shown))[:, None] * rows)
    each = (shown * (1 - shown))[:, None, None] * rows[:, :, None] * rows[:, None]
    turns = _solved(rows.new_zeros(count, 6, 6).index_add(0, view, each), gradient).to(found.t)
    return turns * (LARGEST / turns.norm(dim=1, keepdim=True).clamp(min=LARGEST))


def _solved(curvature: Float[Tensor, "v 6 6"], gradient: Float[Tensor, "v 6"]) -> Float[Tensor, "v 3"]:
    """Each camera's turn, beside part of one move of the object; the turns are eliminated first."""
    turning, both, moving = curvature[:, :3, :3], curvature[:, :3, 3:], curvature[:, 3:, 3:]
    one = torch.eye(3).to(turning)
    turning = turning + (DAMPING * turning.diagonal(dim1=1, dim2=2).mean() + 1e-12) * one
    gain = torch.linalg.solve(turning, torch.cat([both, gradient[:, :3, None]], 2))
    left = (moving - both.mT @ gain[:, :, :3]).sum(0)
    right = (gradient[:, 3:] - (both.mT @ gain[:, :, 3:])[:, :, 0]).sum(0)
    move = -MOVED * torch.linalg.solve(left + (1e-3 * left.trace() + 1e-12) * one, right)
    return -gain[:, :, 3] - gain[:, :, :3] @ move


def _lowest(distance: Distance, rays: Rays, t: Float[Tensor, "r s"]) -> Float[Tensor, " r"]:
    values = distance(rays.at(t).flatten(0, 1)).view_as(t)
    return t.gather(1, values.argmin(1, keepdim=True))[:, 0]
