"""Shape elements: Gaussians in space, each with a frame of its own (SIF, arXiv:1904.06447).

    y_i = diag(1 / sigma_i) R_i^T (x - c_i),   G_i(x) = exp(-|y_i|^2 / 2)

Symmetric elements are heard a second time, at places reflected along one axis. Reflecting the place or the
element is the same, so that mirrored elements are just more elements with centres and frames of their own.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-8
"""Added to variances, and once more to their roots in local coordinates: the official numbers have both."""


@dataclass(frozen=True)
class Frames:
    """Where elements are and how they are scaled, those that are mirrored included."""

    centres: Float[Tensor, "b e 3"]
    white: Float[Tensor, "b e 3 3"]
    """(x - c) @ white is y: of unit variance."""
    local: Float[Tensor, "b e 1 3"]
    """Factors from y to the coordinates that local networks see, next to 1."""

    def whitened(self, points: Float[Tensor, "b #e n 3"]) -> Float[Tensor, "b e n 3"]:
        """The points y in each element's frame; its Gaussian is exp(-|y|^2 / 2)."""
        return (points - self.centres[:, :, None]) @ self.white


@dataclass(frozen=True)
class Elements:
    """What is known of shapes: the elements, `b` shapes with `e` of them each."""

    constants: Float[Tensor, "b e"]
    """Heights; negative ones make the inside."""
    centres: Float[Tensor, "b e 3"]
    variances: Float[Tensor, "b e 3"]
    """Along the element's own axes."""
    angles: Float[Tensor, "b e 3"]
    """Roll, pitch and yaw: turns about x, then y, then z."""
    codes: Float[Tensor, "b e c"]
    """What local networks are told; no channels where there are none."""
    symmetric: int = 0
    """The first so many are mirrored."""
    axis: int = 2
    """Number of the axis that they are mirrored along."""

    def frames(self) -> Frames:
        """Frames of all elements, the mirrored ones last."""
        deviations = (self.variances + EPSILON).sqrt()
        white = self.white()
        side = self.centres.new_ones(3)
        side[self.axis] = -1
        count = self.symmetric
        return Frames(
            torch.cat([self.centres, side * self.centres[:, :count]], 1),
            torch.cat([white, side[:, None] * white[:, :count]], 1),
            self.with_mirrored(deviations / (deviations + EPSILON))[:, :, None],
        )

    def white(self) -> Float[Tensor, "b e 3 3"]:
        """Matrices to whitened coordinates, without the mirrored ones."""
        return rotations(self.angles) / (self.variances + EPSILON).sqrt()[..., None, :]

    def with_mirrored(self, values: Float[Tensor, "b e *c"]) -> Float[Tensor, "b m *c"]:
        """Values of the elements, then again those of the mirrored ones."""
        return torch.cat([values, values[:, : self.symmetric]], 1)


def weights(whitened: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
    """G(x), from 1 at the centre down to 0."""
    return torch.exp(-0.5 * whitened.square().sum(-1))


def rotations(angles: Float[Tensor, "*e 3"]) -> Float[Tensor, "*e 3 3"]:
    """Rz(yaw) Ry(pitch) Rx(roll), which takes an element's own axes to those of the shape."""
    (cr, cp, cy), (sr, sp, sy) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
