"""Multiresolution hash grids (Müller et al., SIGGRAPH 2022, arXiv:2201.05989): features at the corners of
cells of many sizes, read trilinearly.

    level l:  R_l cells along an edge,  y_l(p) = sum over the 8 corners of  w_corner(p) table_l[row(corner)]

Corners of a level that has room for all of them have rows of their own; those of finer levels share rows
by a hash, which the gradient decides in favour of the corners near a surface.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

COMPILED = find_spec("numba") is not None
"""Without numba everything takes the plain path."""
PRIMES = (1, 2_654_435_761, 805_459_861)
"""Factors of the hash, as published."""
MASK = 0xFFFFFFFF
"""The hash is computed in 32 bits."""
PIECE = 4096
"""Points per piece of work of a thread."""


@dataclass(frozen=True)
class Levels:
    """How the corners of all levels lie in one table."""

    cells: tuple[int, ...]
    """Along an edge, from coarse to fine."""
    rows: tuple[int, ...]
    """Of each level's part of the table; powers of two where corners share rows."""

    @classmethod
    def between(cls, coarsest: int, finest: int, count: int, most: int) -> "Levels":
        """Levels whose cells shrink by the same factor each.

        Args:
            coarsest: Cells along an edge of the first level.
            finest: Of the last.
            count: How many levels.
            most: Rows that a level may have; a power of two.

        Raises:
            ValueError: The numbers make no levels.
        """
        if not 1 <= coarsest <= finest or count < 1 or most & (most - 1) or most < 1:
            raise ValueError(f"no levels: {count} from {coarsest} to {finest} with {most} rows")
        factor = (finest / coarsest) ** (1 / max(count - 1, 1))
        cells = tuple(round(coarsest * factor**k) for k in range(count))
        return cls(cells, tuple(min((n + 1) ** 3, most) for n in cells))

    @property
    def starts(self) -> tuple[int, ...]:
        """First row of each level, and the number of all rows."""
        return tuple(int(n) for n in np.cumsum([0, *self.rows]))

    def shared(self, level: int) -> bool:
        """Whether corners of the level share rows."""
        return self.rows[level] < (self.cells[level] + 1) ** 3


def encode(
    table: Float[Tensor, "rows c"], unit: Float[Tensor, "n 3"], levels: Levels, compiled: bool = COMPILED
) -> Float[Tensor, "n features"]:
    """Features of all levels, side by side, at points of the unit cube; outside counts the border.

    Compiled loops give the gradient of the table. Where the points need one, too, the plain path runs.
    """
    slow = not compiled or unit.requires_grad or table.dtype != torch.float32 or table.is_cuda
    if slow:
        return encode_plain(table, unit, levels)
    return _Encode.apply(table, unit.float().contiguous(), levels)


def encode_plain(
    table: Float[Tensor, "rows c"], unit: Float[Tensor, "n 3"], levels: Levels
) -> Float[Tensor, "n features"]:
    """The same in tensor operations."""
    features = []
    for level, cells in enumerate(levels.cells):
        place = unit.clamp(0, 1) * cells
        below = place.detach().long().clamp(max=cells - 1)
        share = place - below
        total = table.new_zeros(len(unit), table.shape[1])
        for corner in product((0, 1), repeat=3):
            offset = torch.tensor(corner, device=unit.device)
            weight = torch.where(offset.bool(), share, 1 - share).prod(1, keepdim=True).to(table.dtype)
            total = total + weight * table[levels.starts[level] + rows_of(below + offset, level, levels)]
        features.append(total)
    return torch.cat(features, 1)


def rows_of(corner: Int[Tensor, "n 3"], level: int, levels: Levels) -> Int[Tensor, " n"]:
    """Row of each corner in its level's part of the table."""
    if not levels.shared(level):
        side = levels.cells[level] + 1
        return corner[:, 0] + side * (corner[:, 1] + side * corner[:, 2])
    mixed = (corner * torch.tensor(PRIMES, device=corner.device)) & MASK
    return (mixed[:, 0] ^ mixed[:, 1] ^ mixed[:, 2]) & (levels.rows[level] - 1)


class _Encode(torch.autograd.Function):
    """Compiled reading, and the table's gradient; a level has one thread, so that sums have one order."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, unit: Tensor, levels: Levels) -> Tensor:
        ctx.save_for_backward(unit)
        ctx.levels, ctx.shape = levels, table.shape
        out = torch.empty(len(unit), len(levels.cells) * table.shape[1])
        _read(table.detach().numpy(), unit.detach().numpy(), levels, out.numpy())
        return out

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        (unit,) = ctx.saved_tensors
        total = torch.zeros(ctx.shape)
        _add(total.numpy(), unit.numpy(), ctx.levels, slope.contiguous().numpy())
        return total, None, None


def _read(table: np.ndarray, unit: np.ndarray, levels: Levels, out: np.ndarray) -> None:
    from isofield.ops.hash_kernels import read

    given = _described(levels)
    pieces = [slice(k, k + PIECE) for k in range(0, len(unit), PIECE)]
    _spread(lambda part: read(table, unit[part], *given, out[part]), pieces)


def _add(total: np.ndarray, unit: np.ndarray, levels: Levels, slope: np.ndarray) -> None:
    from isofield.ops.hash_kernels import add

    given = _described(levels)
    _spread(lambda level: add(total, unit, level, *given, slope), range(len(levels.cells)))


def _described(levels: Levels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells and first rows of the levels, and the rows' mask where they are shared, else 0."""
    masks = [n - 1 if levels.shared(k) else 0 for k, n in enumerate(levels.rows)]
    arrays = (levels.cells, levels.starts, masks)
    return tuple(np.array(numbers, np.int64) for numbers in arrays)  # type: ignore[return-value]


def _spread(work: Callable[[Any], None], parts: Sequence[Any]) -> None:
    """The work on all parts, in as many threads as torch uses; each part writes to places of its own."""
    threads = torch.get_num_threads()
    if threads < 2 or len(parts) < 2:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, parts))
