"""The Chamfer distance of point sets, as a loss."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def chamfer(
    first: Float[Tensor, "b n 3"], second: Float[Tensor, "b m 3"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Mean squared distances to the nearest point of the other set: from the first, and from the second.

    Which point is the nearest is found by a k-d tree, without gradient; the distances have the exact one
    wherever the nearest point is unique. On a processor core this takes 4 ms for 2,500 points on 2,500, and
    31 to 160 ms by tables of all distances.

    >>> a, b = torch.zeros(1, 1, 3), torch.tensor([[[0.0, 0, 1], [0, 0, 3]]])
    >>> [float(part) for part in chamfer(a, b)]
    [1.0, 5.0]
    """
    forth, back = nearest(first, second), nearest(second, first)
    return _squares(first, second, forth), _squares(second, first, back)


def nearest(points: Float[Tensor, "b n 3"], among: Float[Tensor, "b m 3"]) -> Int[Tensor, "b n"]:
    """Index of the nearest of `among` for each point; 0 where anything is not finite."""
    from scipy.spatial import cKDTree

    asked, known = (tensor.detach().cpu().double().numpy() for tensor in (points, among))
    found = np.zeros(asked.shape[:2], np.int64)
    for row, (places, tree) in enumerate(zip(asked, known, strict=True)):
        if np.isfinite(places).all() and np.isfinite(tree).all():
            found[row] = cKDTree(tree).query(places)[1]
    return torch.from_numpy(found).to(points.device)


def _squares(
    points: Float[Tensor, "b n 3"], among: Float[Tensor, "b m 3"], index: Int[Tensor, "b n"]
) -> Float[Tensor, " b"]:
    chosen = torch.gather(among, 1, index[..., None].expand(-1, -1, 3))
    return (points - chosen).square().sum(-1).mean(1)
