"""Gradient-free evaluation in chunks."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@torch.inference_mode()
def query(
    f: Callable[[Float[Tensor, "n 3"]], Tensor],
    points: Float[np.ndarray, "n 3"] | Float[Tensor, "n 3"],
    chunk: int = 65_536,
) -> Float[np.ndarray, "n ..."]:
    """Values of `f` at the points, as float32 numpy rows.

    Chunks bound the memory; `f` itself sees at most `chunk` points.
    """
    points = torch.as_tensor(points, dtype=torch.float32)
    return np.concatenate([f(part).float().cpu().numpy() for part in points.split(chunk)])
