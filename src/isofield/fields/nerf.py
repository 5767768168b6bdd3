"""The network of NeRF (arXiv:2003.08934, figure 7): a place gives density, with a direction colour.

    h = trunk(gamma(x));  sigma = relu(density(h));  colour = sigmoid(rgb(relu(view([feature(h), gamma(d)]))))

Two families of weights are around: the original, whose feature has no activation, and the widely used
"flexible" one, whose feature has one and whose first layer has none.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from isofield.ops.encodings import encode, encode_rows, encoded_size

CHUNK = 2048
"""Rows at a time: what stays in a core's cache."""


class NerfField(nn.Module):
    """(points, unit directions) -> logits of density and colour.

    Args:
        depth: Layers of the trunk.
        width: Channels of the trunk; the view layer has half.
        skips: Layers behind which the encoded place is put in front again (`flexible`: behind).
        octaves: Of the place's encoding.
        view_octaves: Of the direction's; None for a colour that doesn't depend on it.
        flexible: The second family of weights.
    """

    def __init__(
        self,
        depth: int = 8,
        width: int = 256,
        skips: Sequence[int] = (4,),
        octaves: int = 10,
        view_octaves: int | None = 4,
        flexible: bool = False,
    ) -> None:
        super().__init__()
        self.octaves, self.view_octaves, self.flexible = octaves, view_octaves, flexible
        self.skips = frozenset(skips)
        place = encoded_size(octaves)
        sizes = [place, *(width + place * (k in self.skips) for k in range(depth - 1))]
        self.trunk = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.density = nn.Linear(width, 1)
        if view_octaves is None:
            self.rgb = nn.Linear(width, 3)
        else:
            self.feature = nn.Linear(width, width)
            self.view = nn.Linear(width + encoded_size(view_octaves), width // 2)
            self.rgb = nn.Linear(width // 2, 3)

    def forward(
        self, points: Float[Tensor, "n 3"], directions: Float[Tensor, "n 3"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Logits: density is their positive part, colour their sigmoid."""
        place = encode(points, self.octaves)
        h = self._trunk(place)
        density = self.density(h)[:, 0]
        if self.view_octaves is None:
            return density, self.rgb(h)
        feature = self.feature(h)
        feature = feature.relu() if self.flexible else feature
        seen = self.view(torch.cat([feature, encode(directions, self.view_octaves)], 1)).relu()
        return density, self.rgb(seen)

    def _trunk(self, place: Float[Tensor, "n e"]) -> Float[Tensor, "n c"]:
        h = place
        for k, layer in enumerate(self.trunk):
            h = layer(h)
            h = h if self.flexible and k == 0 else h.relu()
            if k in self.skips and k < len(self.trunk) - 1:
                h = torch.cat([h, place] if self.flexible else [place, h], 1)
        return h

    def bind(self) -> "BoundNerf":
        """The field as functions of space, with the weights of this moment, for speed."""
        return BoundNerf(self)


class BoundNerf:
    """`radiance` and density `logits` of a field whose weights are fixed, in cache-sized pieces.

    The feature of the original has no activation, so it folds into the view layer. The colour of empty
    space is not asked: it comes back black, and has no weight in any picture.
    """

    def __init__(self, field: NerfField) -> None:
        self.octaves, self.view_octaves, self.flexible = field.octaves, field.view_octaves, field.flexible
        with torch.no_grad():
            self.trunk = _trunk_products(field)
            self.out = _product(field.density)
            self.rgb = _product(field.rgb)
            self.head = None if field.view_octaves is None else _head_products(field)

    @torch.no_grad()
    def radiance(
        self, points: Float[Tensor, "n 3"], directions: Float[Tensor, "n 3"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Density and colour."""
        densities = points.new_empty(len(points), dtype=torch.float32)
        colours = points.new_zeros(len(points), 3, dtype=torch.float32)
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            h = self._trunk(points[part].float())
            density = torch.addmm(self.out[1], h, self.out[0])[:, 0].clamp_(min=0)
            densities[part] = density
            full = density.nonzero()[:, 0]
            if len(full):
                colours[start + full] = self._colour(h[full], directions[part][full].float())
        return densities, colours

    def logits(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Of the density: smooth through zero, as a surface needs it. The points keep their gradient."""
        trunk = self._followed if torch.is_grad_enabled() and points.requires_grad else self._trunk
        rows = [
            torch.addmm(self.out[1], trunk(part.float()), self.out[0])[:, 0] for part in points.split(CHUNK)
        ]
        return torch.cat(rows)

    def _trunk(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
        place = encode_rows(points, self.octaves)
        h = place
        for k, (weight, bias, again) in enumerate(self.trunk):
            h = torch.addmm(bias, h, weight)
            if again is not None:
                h.addmm_(place, again)
            if not (self.flexible and k == 0):
                h.clamp_(min=0)
        return h

    def _followed(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
        place = encode(points, self.octaves)
        h = place
        for k, (weight, bias, again) in enumerate(self.trunk):
            h = torch.addmm(bias, h, weight)
            h = h if again is None else h + place @ again
            h = h if self.flexible and k == 0 else h.relu()
        return h

    def _colour(self, h: Float[Tensor, "n c"], directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        if self.head is not None:
            feature, view, view_of_direction = self.head
            if feature is not None:
                h = torch.addmm(feature[1], h, feature[0]).clamp_(min=0)
            h = torch.addmm(view[1], h, view[0])
            h.addmm_(encode_rows(directions, self.view_octaves or 0), view_of_direction).clamp_(min=0)
        return torch.addmm(self.rgb[1], h, self.rgb[0]).sigmoid_()


def _product(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Matrix for rows, and bias."""
    return layer.weight.T.contiguous(), layer.bias.clone()


def _trunk_products(field: NerfField) -> list[tuple[Tensor, Tensor, Tensor | None]]:
    """Matrix, bias and, where the place comes again, the matrix for it: nothing is put side by side."""
    products: list[tuple[Tensor, Tensor, Tensor | None]] = []
    size = encoded_size(field.octaves)
    for k, layer in enumerate(field.trunk):
        weight, bias = _product(layer)  # type: ignore[arg-type]
        if k - 1 not in field.skips or k == 0:
            products.append((weight, bias, None))
        elif field.flexible:
            products.append((weight[:-size].contiguous(), bias, weight[-size:].contiguous()))
        else:
            products.append((weight[size:].contiguous(), bias, weight[:size].contiguous()))
    return products


def _head_products(field: NerfField) -> tuple[tuple[Tensor, Tensor] | None, tuple[Tensor, Tensor], Tensor]:
    """Feature layer if it has an activation; view layer of what comes before; view layer of the direction."""
    (first, bias), (weight, shift) = _product(field.feature), _product(field.view)
    own, direction = weight[: len(first)].contiguous(), weight[len(first) :].contiguous()
    if field.flexible:
        return (first, bias), (own, shift), direction
    return None, (first @ own, shift + bias @ own), direction
