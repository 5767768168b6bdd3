"""Fields that sum shape elements: structured (SIF) and local deep implicit functions (LDIF).

    F(x) = sum_i  c_i G_i(x)                       SIF,  arXiv:1904.06447
    F(x) = sum_i  c_i G_i(x) (1 + f(z_i, y_i(x)))  LDIF, arXiv:1912.06126, section 3

G_i and the local coordinates y_i are those of `isofield.ops.elements`; the one network f serves all
elements, told by their codes z_i which one it speaks for.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.fields.bound_elements import TOLERANCE, BoundElements, LocalNetworks
from isofield.ops.elements import Elements, weights

MOMENTUM = 0.005
"""Share of a batch in the statistics that normalisation keeps."""

HEARD = 6.0
"""Deviations up to which local networks are asked in training: a Gaussian is below 2e-8 there."""

Owner = Int[Tensor, " m"] | None
"""Which element each row belongs to, counted over all shapes; None where elements are an axis."""


class ScalarNorm(nn.Module):
    """gamma(z) * (x - mean) / deviation + beta(z), mean and deviation one number each.

    As in the official network the numbers are the kept ones in training, too, moved a little by each batch
    and without gradient, so that a network is the same in training and after. They start at 0 and 1.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(codes, width)
        self.beta = nn.Linear(codes, width)
        nn.init.ones_(self.gamma.bias)
        nn.init.zeros_(self.beta.bias)
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("variance", torch.ones(1))

    def forward(
        self, x: Float[Tensor, "*rows w"], codes: Float[Tensor, "b e c"], owner: Owner = None
    ) -> Float[Tensor, "*rows w"]:
        if self.training:
            self._follow(x.detach())
        scale, offset = (_to_rows(values, owner) for values in self.fixed(codes))
        return torch.addcmul(offset, x, scale)

    def fixed(self, codes: Float[Tensor, "*e c"]) -> tuple[Float[Tensor, "*e w"], Float[Tensor, "*e w"]]:
        """Factor and offset under the codes."""
        scale = self.gamma(codes) / (self.variance + 1e-5).sqrt()
        return scale, self.beta(codes) - scale * self.mean

    def _follow(self, x: Float[Tensor, "*rows w"]) -> None:
        """Moments of each element's values, averaged over the elements; of all rows, where chosen."""
        variance, mean = torch.var_mean(x, (-2, -1), correction=0)
        # not in place: an evaluation before this one may still want its gradient
        self.mean = self.mean.lerp(mean.mean(), MOMENTUM)
        self.variance = self.variance.lerp(variance.mean(), MOMENTUM)


class LocalBlock(nn.Module):
    """x = norm(x); x + outer(relu(norm(inner(relu(x))))): what is skipped is taken behind the first norm."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.before = ScalarNorm(codes, width)
        self.inner = nn.Linear(width, width)
        self.between = ScalarNorm(codes, width)
        self.outer = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "*rows w"], codes: Float[Tensor, "b e c"], owner: Owner = None
    ) -> Float[Tensor, "*rows w"]:
        x = self.before(x, codes, owner)
        return x + self.outer(relu(self.between(self.inner(relu(x)), codes, owner)))


class LocalDecoder(nn.Module):
    """(local coordinates, codes) -> f: an occupancy network, small; no ReLU before its last layer."""

    def __init__(self, codes: int, width: int = 32, blocks: int = 1) -> None:
        super().__init__()
        self.lift = nn.Linear(3, width)
        self.blocks = nn.ModuleList(LocalBlock(codes, width) for _ in range(blocks))
        self.norm = ScalarNorm(codes, width)
        self.out = nn.Linear(width, 1)

    def forward(
        self, local: Float[Tensor, "*rows 3"], codes: Float[Tensor, "b e c"], owner: Owner = None
    ) -> Float[Tensor, "*rows"]:
        """Values at places of every element (b e n), or at rows that belong to elements as `owner` says."""
        x = self.lift(local)
        for block in self.blocks:
            x = block(x, codes, owner)
        return self.out(self.norm(x, codes, owner))[..., 0]

    def fixed(self, local: Float[Tensor, "e 3"], codes: Float[Tensor, "e c"]) -> LocalNetworks:
        """The networks of single elements under their codes, on whitened coordinates.

        A norm before or behind a linear layer is part of it, and what comes last is linear throughout:
        the last block's outer layer and the output are one vector.

        Args:
            local: Factors from whitened to local coordinates.
            codes: Of the same elements.
        """
        lift, offset = local[:, :, None] * self.lift.weight.T, self.lift.bias.expand(len(codes), -1)
        inner, outer, moves = [], [], []
        for block in self.blocks:
            assert isinstance(block, LocalBlock)
            moves.append(block.before.fixed(codes))
            gain, move = block.between.fixed(codes)
            inner.append((gain[:, None] * block.inner.weight.T, gain * block.inner.bias + move))
            outer.append((block.outer.weight.T, block.outer.bias.clone()))
        scale, shift = self.norm.fixed(codes)
        last = scale * self.out.weight[0], shift @ self.out.weight[0] + self.out.bias
        return LocalNetworks.folded((lift, offset), moves, inner, outer, last)


class ElementField(nn.Module):
    """(points, elements) -> F, small inside and near zero far away.

    Args:
        codes: Channels of the elements' codes; 0 for elements alone, without a network (SIF).
        width: Channels of the local network.
        blocks: Residual blocks of the local network.
    """

    def __init__(self, codes: int = 32, width: int = 32, blocks: int = 1) -> None:
        super().__init__()
        self.decoder = LocalDecoder(codes, width, blocks) if codes else None

    def forward(self, points: Float[Tensor, "b n 3"], elements: Elements) -> Float[Tensor, "b n"]:
        """F at the points; in training far elements are Gaussians alone: the same to seven digits."""
        frames = elements.frames()
        place = frames.whitened(points[:, None])
        heights = elements.with_mirrored(elements.constants)[..., None] * weights(place)
        if self.decoder is None:
            return heights.sum(1)
        codes, local = elements.with_mirrored(elements.codes), place * frames.local
        if not self.training:
            return (heights * (1 + self.decoder(local, codes))).sum(1)
        return heights.sum(1) + self._details(place, local, heights, codes)

    def _details(
        self,
        place: Float[Tensor, "b e n 3"],
        local: Float[Tensor, "b e n 3"],
        heights: Float[Tensor, "b e n"],
        codes: Float[Tensor, "b e c"],
    ) -> Float[Tensor, "b n"]:
        """What the local networks add where their elements are heard: a tenth of all pairs, or less."""
        assert self.decoder is not None
        (shapes, count, points), which = heights.shape, (place.square().sum(-1) < HEARD**2).flatten()
        rows = which.nonzero()[:, 0]
        if not len(rows):
            return heights.new_zeros(shapes, points)
        values = self.decoder(local.flatten(0, 2).index_select(0, rows), codes, rows // points)
        target = rows // (count * points) * points + rows % points
        details = values * heights.flatten().index_select(0, rows)
        return heights.new_zeros(shapes * points).index_add(0, target, details).view(shapes, points)

    @torch.no_grad()
    def bind(self, elements: Elements, tolerance: float = TOLERANCE) -> BoundElements:
        """F of the one shape of a batch of one, in evaluation mode, off by `tolerance` at most.

        Each element is evaluated only at the points that it can be heard at: see `BoundElements`.
        """
        frames = elements.frames()
        networks = None
        if self.decoder is not None:
            networks = self.decoder.fixed(frames.local[0, :, 0], elements.with_mirrored(elements.codes)[0])
        heights = elements.with_mirrored(elements.constants)[0]
        return BoundElements(frames.centres[0], frames.white[0], heights, networks, tolerance)


def _to_rows(values: Float[Tensor, "b e w"], owner: Owner) -> Tensor:
    """Values of elements, to be used at their rows."""
    return values[:, :, None] if owner is None else values.flatten(0, 1).index_select(0, owner)
