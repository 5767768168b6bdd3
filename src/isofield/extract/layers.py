"""The finest grid, a few layers of bricks at a time.

    levels above, whole -> which bricks each layer has, which nodes are suspect
    sweep over the layers until no sign surprises across a seam any more
    once more, each layer with all that is known -> whoever makes the surface

Between visits a layer keeps the places of its bricks and the values that were evaluated; what is predicted
is predicted again. Neither depends on how many layers are visited at once.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt32

from isofield.extract.bricks import SIDE, VOLUME, Bricks, once
from isofield.extract.predict import Pyramid
from isofield.extract.refine import evaluate, finer_bricks, suspects, unknown_ends
from isofield.extract.sampler import Sampler


@dataclass
class Layer:
    """What is kept of a layer; numbers are those of `Layers.place` and `Layers.key`."""

    bricks: UInt32[np.ndarray, " b"]
    asked: UInt32[np.ndarray, " n"]
    """Nodes to be evaluated at the next visit."""
    known: UInt32[np.ndarray, " k"] = field(default_factory=lambda: np.zeros(0, np.uint32))
    """Evaluated nodes, but those that the coarser grid knows."""
    values: Float[np.ndarray, " k"] = field(default_factory=lambda: np.zeros(0, np.float32))
    is_new: bool = True


class Layers:
    """The finest level of a pyramid whose other levels are complete."""

    def __init__(self, sampler: Sampler, pyramid: Pyramid, coarsest: bool) -> None:
        self.sampler, self.pyramid = sampler, pyramid
        self.cells = sampler.lattice.cells
        self.across = self.cells[1:] // SIDE + 1
        """Bricks along y and z."""
        coarse = pyramid.grids[1]
        bricks = finer_bricks(coarse)
        bricks = bricks[(bricks * SIDE <= self.cells).all(axis=1)]
        nodes = suspects(coarse, self.cells, coarsest)
        nothing = np.zeros(0, np.uint32)
        self.layers = [Layer(nothing, nothing) for _ in range(self.cells[0] // SIDE + 1)]
        for layer, here, asked in zip(
            self.layers,
            self._split(SIDE * bricks, self.place(bricks)),
            self._split(nodes, self.key(nodes)),
            strict=True,
        ):
            layer.bricks, layer.asked = once(here), once(asked)

    @property
    def counts(self) -> Int[np.ndarray, " l"]:
        """Bricks of each layer."""
        return np.array([len(layer.bricks) for layer in self.layers])

    def place(self, bricks: Int[np.ndarray, "n 3"]) -> UInt32[np.ndarray, " n"]:
        """Number of a brick within its layer."""
        return (bricks[:, 1] * self.across[1] + bricks[:, 2]).astype(np.uint32)

    def key(self, nodes: Int[np.ndarray, "n 3"]) -> UInt32[np.ndarray, " n"]:
        """Number of a node within its layer."""
        x, y, z = nodes.T & 7
        return self.place(nodes >> 3) << np.uint32(9) | ((x << 6) | (y << 3) | z).astype(np.uint32)

    def nodes(self, layer: int, keys: UInt32[np.ndarray, " n"]) -> Int[np.ndarray, "n 3"]:
        """Inverse of `key`."""
        local, bricks = keys.astype(np.int64) & (VOLUME - 1), self._bricks(layer, keys >> np.uint32(9))
        return SIDE * bricks + np.stack([local >> 6, (local >> 3) & 7, local & 7], axis=1)

    def _bricks(self, layer: int, places: UInt32[np.ndarray, " n"]) -> Int[np.ndarray, "n 3"]:
        y, z = np.divmod(places.astype(np.int64), self.across[1])
        return np.stack([np.full_like(y, layer), y, z], axis=1)

    def settle(self, parts: list[range]) -> None:
        """Evaluate the field along the surface, visiting these layers at a time."""
        todo = parts
        while todo:
            for part in todo:
                self._visit(part)
            todo = [part for part in parts if any(len(self.layers[k].asked) for k in part)]

    def grid(self, part: range) -> Bricks:
        """The settled grid of these layers."""
        grid = self._predicted(part)
        self._recall(grid)
        return grid

    def forget(self) -> None:
        """Free the grid that was given last."""
        self.pyramid.grids[0] = Bricks(self.cells, range(0))

    def _visit(self, part: range) -> None:
        grid = self._predicted(part)
        # Ends are told by predicted signs alone, so that the order of visits does not matter.
        ends = unknown_ends(grid) if self.layers[part.start].is_new else np.zeros(0, np.int64)
        self._recall(grid)
        asked = np.concatenate([self.nodes(k, self.layers[k].asked) for k in part])
        self.pyramid.reserve(0, asked // SIDE)
        beyond = evaluate(self.sampler, self.pyramid, 0, np.concatenate([ends, grid.addresses(asked)]))
        self._keep(grid)
        for layer, keys in zip(self.layers, self._split(beyond, self.key(beyond)), strict=True):
            layer.asked = once(np.concatenate([layer.asked, keys]))

    def _predicted(self, part: range) -> Bricks:
        """The grid of these layers and their neighbours, without what was evaluated."""
        grid = self.pyramid.grids[0] = Bricks(self.cells, part)
        self.pyramid.reserve(
            0, np.concatenate([self._bricks(k, self.layers[k].bricks) for k in self._around(part)])
        )
        return grid

    def _around(self, part: range) -> range:
        return range(max(part.start - 1, 0), min(part.stop + 1, len(self.layers)))

    def _recall(self, grid: Bricks) -> None:
        """Write what was evaluated into the grid."""
        for k in self._around(grid.layers):
            layer = self.layers[k]
            at = grid.addresses(self.nodes(k, layer.known))
            grid.values[at], grid.known[at] = layer.values, True

    def _keep(self, grid: Bricks) -> None:
        """Take what the next visit needs from the grid."""
        bricks = grid.corners[1:] // SIDE
        slots = self._split(SIDE * bricks, np.arange(1, len(grid.corners)))
        for k in self._around(grid.layers):
            layer = self.layers[k]
            layer.bricks = np.sort(self.place(bricks[slots[k] - 1]))
            if k in grid.layers:
                brick, place = np.nonzero(grid.known.reshape(-1, VOLUME)[slots[k]])
                addresses = slots[k][brick] * VOLUME + place
                nodes = grid.nodes(addresses)
                evaluated = ~self._known_before(nodes)
                layer.known, layer.values = self.key(nodes[evaluated]), grid.values[addresses[evaluated]]
                layer.asked, layer.is_new = layer.asked[:0], False

    def _split(self, nodes: Int[np.ndarray, "n 3"], numbers: Shaped[np.ndarray, " n"]) -> list[np.ndarray]:
        """What belongs to these nodes, by layer."""
        layer = (nodes[:, 0] // SIDE).astype(np.int16)  # short numbers sort fast
        order = np.argsort(layer, kind="stable")
        return np.split(numbers[order], np.searchsorted(layer[order], np.arange(1, len(self.layers))))

    def _known_before(self, nodes: Int[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Which nodes the coarser grid knows."""
        coarse = self.pyramid.grids[1]
        return (nodes % 2 == 0).all(axis=1) & coarse.known[coarse.addresses(nodes >> 1)]
