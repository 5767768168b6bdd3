"""Indicator network: a convolutional occupancy network that starts from Gauss' theorem.

    points -> orientation and indicator chi (Poisson)  -> local features of points and chi
           -> logit(p) = gain chi(p) + correction(p, chi(p), features at p)  -> inside

What is classical is solved, not learned (see `ops.indicator`). The network sees points,
outward normals and chi on cells whose size follows the point spacing, with the whole object in
view, and only has to sharpen, denoise and complete. Local features as in Convolutional
Occupancy Networks (arXiv:2003.04618); the Poisson indicator as network output goes back to
Shape As Points (arXiv:2106.03452), here it is an input.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bernoulli

from isofield.batch import SolvedBatch
from isofield.data.solved import SolvedSource
from isofield.encoders.solved import SolvedEncoder
from isofield.fields.correction import CorrectionField
from isofield.system import System


@dataclass(frozen=True)
class IndicatorNetConfig:
    """The network that ships."""

    hidden: int = 32
    """Channels of the point features."""
    widths: tuple[int, ...] = (32, 64, 96, 96)
    """Channels of the U-Net's levels, finest first."""
    features: int = 48
    """Channels of the condition."""
    width: int = 64
    """Channels of the field."""
    blocks: int = 4
    """Residual blocks of the field."""


class IndicatorNet(System):
    """Corrects the indicator of a point cloud."""

    def __init__(self, config: IndicatorNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SolvedEncoder(config.hidden, config.widths, config.features)
        self.field = CorrectionField(config.features, config.width, config.blocks)

    def logits(self, batch: SolvedBatch) -> Float[Tensor, "b m"]:
        """Logits of occupancy at the batch's points."""
        condition = self.encoder(batch.clouds)
        return self.field(batch.points, batch.indicator, condition, condition.side)

    def losses(self, batch: SolvedBatch) -> dict[str, Float[Tensor, ""]]:
        return {"occupancy": bernoulli(self.logits(batch).float(), batch.inside)}

    @classmethod
    def batches(cls, config: IndicatorNetConfig, data: Path, seed: int, size: int) -> SolvedSource:
        """Solved samples of the training split of an ONet-layout data set."""
        return SolvedSource.of(data, "train", seed, size)
