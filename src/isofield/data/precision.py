"""When 32-bit numbers are too short for coordinates."""

import numpy as np
from jaxtyping import Float

TOLERABLE = 1e-6
"""Rounding error that nobody notices, as a share of the extent."""


def needs_double(points: Float[np.ndarray, "n 3"]) -> bool:
    """Whether float32 would move points by more than a millionth of their extent (UTM coordinates do)."""
    if not len(points):
        return False
    extent = float(np.ptp(points, axis=0).max())
    return float(np.abs(points).max()) * 2.0**-24 > TOLERABLE * extent
