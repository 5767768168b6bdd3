"""The contract that every system keeps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from isofield.geometry import Similarity
from isofield.observation import PointCloud
from isofield.scene import Scene


@runtime_checkable
class Coded(Protocol):
    """A system whose shapes are codes: some can be drawn, others found, and any two blended."""

    def draw(self, seed: Sequence[int]) -> Float[Tensor, "1 c"]:
        """A code, the same for the same numbers; raises InputError where there is none to draw."""
        ...

    def encode(self, observation: Any) -> tuple[Float[Tensor, "1 c"], Similarity]:
        """The code of what was seen, and the map from its frame to the system's; raises ValueError."""
        ...

    def shape(self, code: Float[Tensor, "1 c"]) -> Scene:
        """What a code stands for, in the unit box."""
        ...


class System(nn.Module):
    """One paper, assembled: learns from batches, turns an observation into a Scene."""

    def losses(self, batch: Any) -> dict[str, Float[Tensor, ""]]:
        """Named terms whose sum is minimised in training."""
        raise TypeError(f"{type(self).__name__} has nothing to learn")

    @property
    def paces(self) -> Mapping[Tensor, float]:
        """Parameters with a learning rate of their own, in units of the training's; they don't decay."""
        return {}

    @classmethod
    def suited(cls, config: Any, data: Path) -> Any:
        """The config to learn from a data set, with what only that can tell; raises InputError."""
        return config

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
