"""The contract that every system keeps."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from isofield.observation import PointCloud
from isofield.scene import Scene


class System(nn.Module):
    """One paper, assembled: learns from batches, turns an observation into a Scene."""

    def losses(self, batch: Any) -> dict[str, Float[Tensor, ""]]:
        """Named terms whose sum is minimised in training."""
        raise TypeError(f"{type(self).__name__} has nothing to learn")

    @property
    def wants(self) -> type | None:
        """The record of `isofield.observation` that `reconstruct` reads; None if there is none."""
        return PointCloud

    @property
    def judged_by(self) -> str:
        """Measure of the validation, the larger the better, that tells which weights were the best."""
        return "iou"

    def reconstruct(self, observation: Any) -> Scene:
        """What the observation shows, as functions of space.

        Systems that have learnt shapes by heart take a shape's number in the training set.

        Raises:
            ValueError: The observation cannot be reconstructed; the message says why.
        """
        raise TypeError(f"{type(self).__name__} does not reconstruct from {type(observation).__name__}")
