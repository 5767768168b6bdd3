"""Gathering rows that share a cell."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Groups:
    """Which rows of a batch belong together: those in the same cell of the same item."""

    index: Int[Tensor, "b n"]
    """Number of the group of each row, in [0, count); groups of different items differ."""
    count: int

    @classmethod
    def of(cls, cells: Int[Tensor, "b n"]) -> "Groups":
        """Rows grouped by cell; empty cells get no group, so a fine grid costs nothing."""
        items = torch.arange(len(cells), device=cells.device)[:, None]
        found, index = torch.unique(cells + items * (cells.max() + 1), return_inverse=True)
        return cls(index, len(found))

    def pool(self, features: Float[Tensor, "b n c"], how: str) -> Float[Tensor, "b n c"]:
        """For each row the 'max' or 'mean' of the features in its group.

        Rows that tie for the maximum share its gradient.
        """
        rows, index = features.flatten(0, 1), self.index.flatten()
        pooled = rows.new_zeros(self.count, rows.shape[1])
        reduction = {"max": "amax", "mean": "mean"}[how]
        each = index[:, None].expand_as(rows)
        pooled = pooled.scatter_reduce(0, each, rows, reduction, include_self=False)
        return pooled[index].view_as(features)


def scatter_mean(
    features: Float[Tensor, "b n c"], cells: Int[Tensor, "b n"], size: int
) -> Float[Tensor, "b size c"]:
    """Mean feature of the rows in each of `size` cells, zero in empty ones.

    Rows whose cell is `size` are dropped.
    """
    batch, _, channels = features.shape
    items = torch.arange(batch, device=cells.device)[:, None]
    index = (cells + items * (size + 1)).flatten()
    total = features.new_zeros(batch * (size + 1), channels).index_add(0, index, features.flatten(0, 1))
    count = torch.bincount(index, minlength=len(total)).clamp(min=1)
    return (total / count[:, None]).view(batch, size + 1, channels)[:, :size]
