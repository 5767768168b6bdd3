"""A function of a large space, put together from functions of tiles."""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Tile = tuple[int, int, int]
Values = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]


class Tiled:
    """points -> values, each by the function of the cubic tile that holds it.

    Tiles are made when first needed and the least recently used ones are forgotten, so
    memory is bounded however large the space is.

    Args:
        make: The function of tile (i, j, k), which covers low + side * [(i, j, k), (i, j, k) + 1].
        low: Corner of tile (0, 0, 0).
        side: Edge of the tiles.
        keep: How many tiles to remember.
    """

    def __init__(self, make: Callable[[Tile], Values], low: np.ndarray, side: float, keep: int = 256) -> None:
        self.make = make
        self.low = torch.as_tensor(low, dtype=torch.float32)
        self.side = side
        self.keep = keep
        self.made: OrderedDict[Tile, Values] = OrderedDict()

    def __call__(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        tiles, which = torch.unique(
            torch.floor((points.detach() - self.low.to(points)) / self.side).long(),
            dim=0,
            return_inverse=True,
        )
        values = points.new_empty(len(points))
        for number, tile in enumerate(tiles.tolist()):
            mine = (which == number).nonzero()[:, 0]
            values = values.index_put((mine,), self._tile(tuple(tile))(points[mine]).to(values))
        return values

    def _tile(self, tile: Tile) -> Values:
        if tile not in self.made:
            self.made[tile] = self.make(tile)
            if len(self.made) > self.keep:
                self.made.popitem(last=False)
        self.made.move_to_end(tile)
        return self.made[tile]
