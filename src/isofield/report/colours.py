"""Colours for quantities."""

import numpy as np
from jaxtyping import Float

STOPS = np.array(
    [[0.16, 0.36, 0.62], [0.27, 0.66, 0.70], [0.95, 0.88, 0.55], [0.93, 0.56, 0.24], [0.70, 0.13, 0.15]]
)
"""Blue for near, yellow for halfway, red for far."""


def near_to_far(share: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
    """Colours from blue at 0 to red at 1 and beyond."""
    at = np.linspace(0, 1, len(STOPS))
    return np.stack([np.interp(share, at, channel) for channel in STOPS.T], axis=1)


def css(colour: Float[np.ndarray, "3"]) -> str:
    """The colour as `#rrggbb`."""
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour)
