"""Sums of shape elements that are fixed, evaluated where the elements can be heard.

A Gaussian falls faster than any network grows. The local network f of an element is Lipschitz with a
constant L that its matrices tell, so beyond the distance r from its centre, in units of its own deviations,

    |c G (1 + f)|  <=  |c| exp(-r^2 / 2) (|1 + f(0)| + L r),

which falls for r >= 1. The reach of an element is where this bound is `tolerance` over the number of
elements: what is left out sums to less than `tolerance`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

TOLERANCE = 1e-6
"""Largest error of F from what is left out; the surface is at F = -0.07."""
CHUNK = 4096
"""Points at a time: their coordinates in all frames stay in a core's cache."""

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class LocalNetworks:
    """The local networks of `e` elements, each with its code folded into its matrices.

    h = y @ lift + offset, then blocks of h = h * scale + shift and h += relu(relu(h) @ W + b) @ V + v. The
    last block's V and the output are one vector.
    """

    lift: Float[Tensor, "e 3 w"]
    offset: Float[Tensor, "e w"]
    inner: Sequence[tuple[Float[Tensor, "e w w"], Float[Tensor, "e w"]]]
    """W and b of every block."""
    outer: Sequence[tuple[Float[Tensor, "w w"], Float[Tensor, " w"]]]
    """V and v of every block but the last."""
    moves: Sequence[tuple[Float[Tensor, "e w"], Float[Tensor, "e w"]]]
    """Scale and shift before every block but the first, whose are folded into the lift."""
    out: Float[Tensor, "e w"]
    """What f takes of h as it is before the last block's sum."""
    ending: Float[Tensor, "e w"]
    """What f takes of the last block's rectified channels."""
    bias: Float[Tensor, " e"]

    @classmethod
    def folded(
        cls, lift: Pair, moves: Sequence[Pair], inner: Sequence[Pair], outer: Sequence[Pair], last: Pair
    ) -> "LocalNetworks":
        """From the layers and moves in order; `last` is the output's vector with its norm, and its bias."""
        (weight, offset), (vector, bias) = lift, last
        if not inner:
            nothing = torch.zeros_like(vector)
            return cls(weight, offset.contiguous(), (), (), (), vector, nothing, bias.clone())
        scale, shift = moves[0]
        v_weight, v_bias = outer[-1]
        return cls(
            (weight * scale[:, None]).contiguous(),
            torch.addcmul(shift, offset, scale),
            [(w.contiguous(), b) for w, b in inner],
            list(outer[:-1]),
            list(moves[1:]),
            vector,
            vector @ v_weight.T,
            bias + vector @ v_bias,
        )

    def __call__(self, element: int, place: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Values of one element's f at whitened coordinates."""
        i = element
        h = torch.addmm(self.offset[i], place, self.lift[i])
        last = len(self.inner) - 1
        for k, (weight, bias) in enumerate(self.inner):
            if k:
                scale, shift = self.moves[k - 1]
                h = torch.addcmul(shift[i], h, scale[i])
            hidden = torch.addmm(bias[i], h.clamp(min=0), weight[i]).clamp(min=0)
            if k == last:
                return torch.mv(h, self.out[i]) + torch.mv(hidden, self.ending[i]) + self.bias[i]
            weight, bias = self.outer[k]
            h = h + torch.addmm(bias, hidden, weight)
        return torch.mv(h, self.out[i]) + self.bias[i]

    def slopes(self) -> Float[Tensor, " e"]:
        """Lipschitz constants: products of the largest singular values."""
        steep = _norm(self.lift)
        last = len(self.inner) - 1
        for k, (weight, _) in enumerate(self.inner):
            if k:
                steep = steep * self.moves[k - 1][0].abs().amax(1)
            inner = steep * _norm(weight)
            if k == last:
                return steep * self.out.norm(dim=1) + inner * self.ending.norm(dim=1)
            steep = steep + inner * _norm(self.outer[k][0])
        return steep * self.out.norm(dim=1)


class BoundElements:
    """points -> F of one shape; the points keep their gradient.

    Args:
        centres: Of the elements, mirrored ones included.
        white: Matrices to whitened coordinates.
        constants: The elements' heights.
        networks: Local networks; None for Gaussians alone, which are cheap enough to be evaluated everywhere.
        tolerance: Largest error from what is left out; 0 leaves out nothing.
    """

    def __init__(
        self,
        centres: Float[Tensor, "e 3"],
        white: Float[Tensor, "e 3 3"],
        constants: Float[Tensor, " e"],
        networks: LocalNetworks | None = None,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.centres, self.white, self.constants = centres, white.contiguous(), constants
        self.networks = networks
        self.reach = constants.new_full(constants.shape, torch.inf)
        if networks is not None and tolerance > 0:
            self.reach = _reach(constants, networks, tolerance / len(constants))

    def __call__(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        points = points.to(self.centres)
        if not len(points):
            return points.new_zeros(0)
        return torch.cat([self._sum(part) for part in points.split(CHUNK)])

    def _sum(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        place = (points - self.centres[:, None]) @ self.white  # (e n 3)
        square = place.square().sum(-1)
        if self.networks is None:
            return self.constants @ torch.exp(-0.5 * square)
        heard = square < self.reach.square()[:, None]
        values = points.new_zeros(len(points))
        for i in heard.any(1).nonzero()[:, 0].tolist():
            rows = heard[i].nonzero()[:, 0]
            height = self.constants[i] * torch.exp(-0.5 * square[i, rows])
            values = values.index_add(0, rows, height * (1 + self.networks(i, place[i, rows])))
        return values


def _reach(constants: Float[Tensor, " e"], networks: LocalNetworks, tolerance: float) -> Float[Tensor, " e"]:
    """Distances beyond which an element stays below the tolerance, by bisection of the bound."""
    origin = constants.new_zeros(1, 3)
    middle = torch.cat([networks(i, origin) for i in range(len(constants))])
    height, slope = constants.double().abs(), networks.slopes().double()
    most = (1 + middle.double()).abs()
    low, high = torch.ones_like(height), torch.full_like(height, 40.0)  # exp(-800) is zero
    for _ in range(50):
        r = (low + high) / 2
        above = height * torch.exp(-0.5 * r * r) * (most + slope * r) > tolerance
        low, high = torch.where(above, r, low), torch.where(above, high, r)
    return high.to(constants)


def _norm(matrices: Float[Tensor, "*e i o"]) -> Float[Tensor, "*e"]:
    return torch.linalg.matrix_norm(matrices, ord=2)
