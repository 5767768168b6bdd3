"""Indicator network: a convolutional occupancy network that starts from Gauss' theorem.

    points -> orientation and indicator chi (Poisson)  -> local features of points and chi
           -> logit(p) = gain chi(p) + correction(p, chi(p), features at p)  -> inside

What is classical is solved, not learned (see `ops.indicator`). The network sees points,
outward normals and chi on cells whose size follows the point spacing, with the whole object in
view, and only has to sharpen, denoise and complete. Local features as in Convolutional
Occupancy Networks (arXiv:2003.04618); the Poisson indicator as network output goes back to
Shape As Points (arXiv:2106.03452), here it is an input.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bernoulli

from isofield.batch import SolvedBatch, SolvedClouds
from isofield.data.solved_source import SolvedSource
from isofield.encoders.gauss import SolvedCloud, cube, indicator_for, is_noisy, solve_cloud, without_noise
from isofield.encoders.solved import SolvedEncoder
from isofield.fields.correction import CorrectionField
from isofield.observation import PointCloud
from isofield.ops.indicator import CELLS_PER_SPACING, MARGIN, feature_side, indicator_of
from isofield.ops.neighbourhood import Neighbourhood, neighbourhood
from isofield.scene import Scene
from isofield.system import System
from isofield.systems.gauss import gauss_scene
from isofield.thinning import grid_thin

DENSE = 72
"""Spacings, over `CELLS_PER_SPACING`, along the cube's edge beyond which Gauss alone is better."""
THIN = MARGIN * CELLS_PER_SPACING / DENSE
"""Edge of the cells in which noisy clouds are thinned, one spacing of what is used; the box has 1."""
ALL_NOISE = 0.58
"""Scatter over spacing beyond which points tell nothing but their mean; thin boards have up to 0.57."""
SAMPLES = 3
"""Cells of the mesh per cell of the features: what lies between is smooth."""
OVERLAP = 0.3
"""Weight of the overlap beside the cross-entropy."""


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
        logits = self.logits(batch).float()
        return {
            "occupancy": bernoulli(logits, batch.inside),
            "overlap": OVERLAP * missed_overlap(logits.sigmoid(), batch.inside).mean(),
        }

    def reconstruct(self, observation: PointCloud) -> Scene:
        """The corrected indicator as `inside`, the points' colours, where points support it."""
        return self.corrected(solve_cloud(observation, thinned_noise))

    def corrected(self, solved: SolvedCloud) -> Scene:
        """The Scene of a solved cloud; of a dense one it is the indicator itself."""
        near, side = solved.near, feature_side(solved.near.spacing)
        if CELLS_PER_SPACING / near.spacing > DENSE:
            scene = gauss_scene(solved, indicator_for(solved))
            return replace(scene, notes={**scene.notes, "correction": "none, the points are dense enough"})
        indicator = indicator_of(solved.points, solved.normals, near, 2 * side)
        with torch.inference_mode():
            condition = self.encoder(
                SolvedClouds(
                    points=solved.points,
                    normals=solved.normals,
                    scatter=near.scatter * side,
                    item=torch.zeros(len(solved.points), dtype=torch.long),
                    indicator=indicator.grid[None],
                )
            )
        logit = self.field.bind(indicator.at, condition, side)
        return Scene(
            box=solved.box,
            world_from_scene=solved.world_from_scene,
            inside=lambda p: logit(cube(p)),
            colour=solved.colour(),
            confidence=solved.confidence(),
            resolution=round(SAMPLES * side / MARGIN * float(solved.box.extent.max())),
            notes={**solved.notes, "feature cells": side},
        )

    @classmethod
    def batches(cls, config: IndicatorNetConfig, data: Path, seed: int, size: int) -> SolvedSource:
        """Solved samples of the training split of an ONet-layout data set."""
        return SolvedSource.of(data, "train", seed, size)


def thinned_noise(
    cloud: PointCloud, notes: dict[str, object]
) -> tuple[PointCloud, Float[Tensor, "n 3"], Neighbourhood]:
    """Noisy clouds thinned until the network's cells can use all points; it removes the noise itself.

    Averages over many neighbours, as Gauss needs them, would melt the two sides of a board into one.
    They are the last resort where the points are nothing but noise.
    """
    thin, cell = cloud, THIN
    while True:
        points = cube(torch.from_numpy(thin.points)).float()
        near = neighbourhood(points)
        if not is_noisy(points, near):
            break
        if CELLS_PER_SPACING / near.spacing > DENSE:
            thin, cell = grid_thin(cloud, cell), 1.2 * cell
            continue
        if float(near.scatter.median()) > ALL_NOISE * near.spacing:
            return without_noise(cloud, notes)
        break
    if thin is not cloud:
        notes["averaged"] = len(thin)
    return thin, points, near


def missed_overlap(probability: Float[Tensor, "b m"], inside: Float[Tensor, "b m"]) -> Float[Tensor, " b"]:
    """1 - IoU of each item, with probabilities for members: a thin object counts as much as a block.

    Cross-entropy alone hardly notices objects that fill a hundredth of the box.
    """
    both = (probability * inside).sum(1)
    either = (probability + inside).sum(1) - both
    return 1 - (both + 1) / (either + 1)
