"""What is known: a condition is a function of space.

`condition.at(points)` returns the feature that applies at each point. A field asks its
condition and nothing else, so systems that differ in what they know share their fields.
"""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor


class Condition(Protocol):
    """Anything that gives a feature at each point."""

    def at(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b #n c"]:
        """Features at the points; a global code returns one row, left to broadcast."""
        ...
