"""DeepSDF (Park, Florence, Straub, Newcombe and Lovegrove, CVPR 2019, arXiv:1901.05103).

    shape i -> its own code z_i -> f(z_i, x) -> signed distance        training: z_i and f
    distances at some points -> argmin over z -> f(z, x)               a new shape: z alone

There is no encoder: the codes of the training set are learned along with the network (an auto-decoder),

    L = mean |clamp(f(z_i, x), delta) - clamp(s, delta)|  +  lambda min(1, epoch / 100) mean |z_i|,

and the code of a new shape is found by the same descent, the network held. A shape's box is centred, and its
farthest point lies within the unit ball. Of a cloud, the distance is known on its points, a little in
front of and behind them, and along the way to where the scanner stood.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from isofield.batch import DistanceBatch
from isofield.data.sdf_samples import sdf_files
from isofield.data.sdf_source import SdfSource
from isofield.encoders.gauss import SolvedCloud, solve_cloud
from isofield.encoders.table import CodeTable
from isofield.errors import InputError
from isofield.fields.deepsdf import DeepSdfField, inside_of
from isofield.geometry import Box, Similarity
from isofield.observation import PointCloud
from isofield.scene import Scene
from isofield.system import System
from isofield.systems.deepsdf_cloud import ball_around, distances_of
from isofield.systems.deepsdf_fit import CodeFit, Fitted, fit_code

DIAMETER = 2.0
"""Of the unit ball."""


@dataclass(frozen=True)
class DeepSDFConfig:
    """Signed distances from a code per shape; defaults are those of the original code's five categories."""

    objects: int = 0
    """Shapes of the training set, each with a code of its own; with 0 `isofield train` counts them. Weights
    with 0 hold no codes, and fit new ones only."""
    code_size: int = 256
    """Channels of a code (CodeLength)."""
    widths: tuple[int, ...] = (512,) * 8
    """Channels after each hidden layer."""
    latent_in: tuple[int, ...] = (4,)
    """Layers that see code and position again."""
    norm_layers: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)
    """Layers with weight norm, or with layer norm where weight_norm is off."""
    weight_norm: bool = True
    """Weight norm rather than layer norm."""
    xyz_in_all: bool = False
    """Every layer sees the position again."""
    use_tanh: bool = False
    """A second tanh at the end."""
    dropout: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)
    """Layers after which units are dropped in training."""
    dropout_prob: float = 0.2
    """Share of the units that are dropped."""
    latent_dropout: bool = False
    """Parts of the code are dropped in training."""
    clamp: float = 0.1
    """Distances count up to this, in units of the ball's radius (ClampingDistance)."""
    regularisation: float = 1e-4
    """Weight of the codes' lengths (CodeRegularizationLambda); 0 without."""
    warm_up: int = 100
    """Epochs until the codes' lengths have their full weight."""
    code_bound: float = 1.0
    """Largest length of a code (CodeBound); 0 without."""
    code_std: float = 1.0
    """Length of the codes at the start, on average (CodeInitStdDev)."""
    samples: int = 16384
    """Training: points per shape (SamplesPerScene), half of them inside."""
    split: str = ""
    """Training: official json list of shapes; all shapes of an official folder if empty."""
    only: tuple[str, ...] = ()
    """Training: objects with one of these words in their name; all if empty."""
    fit_steps: int = 800
    """Steps of Adam to a new shape's code."""
    fit_rate: float = 5e-3
    """Its rate, a tenth of it after half of the steps."""
    fit_samples: int = 8000
    """Points of each of these steps."""
    fit_std: float = 0.01
    """Standard deviation of the code at the start."""
    fit_prior: float = 1e-4
    """Weight of the code's mean square."""
    fit_starts: int = 1
    """Fits of a new shape, of which the best is kept."""
    offset: float = 0.025
    """How far in front of and behind a cloud's points the distance is told, in units of the ball's radius."""

    def __post_init__(self) -> None:
        if self.objects < 0 or self.code_size < 1 or self.samples < 2 or self.fit_samples < 2:
            raise InputError("objects can't be negative, code_size starts at 1, samples and fit_samples at 2")
        if not self.clamp > 0 or not self.offset > 0:
            raise InputError("clamp and offset are lengths; give numbers above zero")


class DeepSDF(System):
    """Signed distance from a code that is learned, or fitted, per shape."""

    def __init__(self, config: DeepSDFConfig) -> None:
        super().__init__()
        c = self.config = config
        bound, std = c.code_bound or None, c.code_std / c.code_size**0.5
        self.table = CodeTable(c.objects, c.code_size, bound, std) if c.objects else None
        self.field = DeepSdfField(
            c.code_size, c.widths, c.latent_in, c.norm_layers, c.weight_norm, c.xyz_in_all, c.use_tanh,
            c.dropout, c.dropout_prob, c.latent_dropout,
        )  # fmt: skip

    def losses(self, batch: DistanceBatch) -> dict[str, Float[Tensor, ""]]:
        """Equations 4 and 9 as the original code has them: clamped L1, and lengths rather than squares."""
        c = self.config
        if self.table is None:
            raise InputError("there are no codes to learn; set objects to the number of shapes")
        code = self.table(batch.item)
        found = self.field(batch.points, code)
        error = found.clamp(-c.clamp, c.clamp) - batch.sdf.clamp(-c.clamp, c.clamp)
        weight = c.regularisation * min(1.0, batch.epoch / c.warm_up) if c.warm_up else c.regularisation
        return {"distance": error.abs().mean(), "code": weight * code.vector.norm(dim=1).mean()}

    @property
    def paces(self) -> Mapping[Tensor, float]:
        """Codes learn twice as fast as the network, as published, and don't decay."""
        return {} if self.table is None else {self.table.codes.weight: 2.0}

    @classmethod
    def suited(cls, config: DeepSDFConfig, data: Path) -> DeepSDFConfig:
        """With a code for each shape of the data, unless the config says how many there are."""
        if config.objects:
            return config
        return replace(config, objects=len(sdf_files(data, config.split, config.only)))

    @classmethod
    def batches(cls, config: DeepSDFConfig, data: Path, seed: int, size: int) -> SdfSource:
        """Points of known distance, of an official folder or of what `isofield prepare --sdf` wrote.

        Raises:
            InputError: `data` is neither, or has another number of shapes than the config.
        """
        source = SdfSource.of(data, seed, size, config.samples, config.split, config.only)
        if len(source.files) != config.objects:
            raise InputError(
                f"{data} has {len(source.files)} shapes to train on, the config codes for {config.objects};"
                f" add --set objects={len(source.files)}"
            )
        return source

    @property
    def judged_by(self) -> str:
        """How often the side of the surface is right, near training shapes, at points of their own."""
        return "side"

    def reconstruct(self, observation: Any) -> Scene:
        """The shape whose distances suit the cloud best; deterministic.

        Normals or sensor positions tell outside from inside; without them, normals are found and turned by
        a Gauss field, as `gauss` does.

        Raises:
            ValueError: It is no cloud, or one without extent.
        """
        if isinstance(observation, int):
            return self.scene(self.code(observation))
        solved = self._solved(observation)
        code, ball = self._fitted(solved)
        return replace(
            self.scene(code, ball),
            box=solved.box,
            world_from_scene=solved.world_from_scene,
            colour=solved.colour(),
            confidence=solved.confidence(),
            notes=solved.notes,
        )

    def encode(self, observation: Any) -> tuple[Float[Tensor, "1 c"], Similarity]:
        """The code that is fitted to a cloud, and the map from its frame to the unit ball.

        Raises:
            ValueError: As `reconstruct`.
        """
        solved = self._solved(observation)
        code, ball = self._fitted(solved)
        return code, ball @ solved.world_from_scene.inverse()

    def _solved(self, observation: Any) -> SolvedCloud:
        if not isinstance(observation, PointCloud):
            raise InputError(f"this network reads PointCloud, not {type(observation).__name__}")
        return solve_cloud(observation)

    def _fitted(self, solved: SolvedCloud) -> tuple[Float[Tensor, "1 c"], Similarity]:
        """The code of a cloud, and the map from its unit box to the unit ball."""
        ball = ball_around(solved.cloud.points)
        cloud = replace(solved.cloud, normals=solved.normals.double().numpy()).transformed(ball)
        return self.fit(*distances_of(cloud, self.config.offset)).codes, ball

    def fit(self, points: Float[Tensor, "n 3"], sdf: Float[Tensor, " n"], seed: int = 0) -> Fitted:
        """The code of the shape that has these signed distances at these points of the unit ball."""
        c = self.config
        how = CodeFit(
            steps=c.fit_steps, rate=c.fit_rate, samples=c.fit_samples, clamp=c.clamp, prior=c.fit_prior,
            start=c.fit_std, starts=c.fit_starts, seed=seed,
        )  # fmt: skip
        place = next(self.field.parameters())
        return fit_code(self.field, points[None].to(place), sdf[None].to(place), how)

    def draw(self, seed: Sequence[int]) -> Float[Tensor, "1 c"]:
        """The learned code that has the last of the numbers; the prior is no model of shapes to draw from.

        Raises:
            InputError: As `code`.
        """
        return self.code(seed[-1])

    def shape(self, code: Float[Tensor, "1 c"]) -> Scene:
        """What a code stands for, in the cube around its ball."""
        return self.scene(code)

    def code(self, number: int) -> Float[Tensor, "1 c"]:
        """The learned code of a shape of the training set.

        Raises:
            InputError: There is no such shape, or no codes were kept.
        """
        if self.table is None:
            raise InputError(
                "these weights hold no codes of training shapes; convert the whole experiment folder"
            )
        if not 0 <= number < self.config.objects:
            raise InputError(
                f"there is no shape {number}; these weights know {self.config.objects}, counted from 0"
            )
        return self.table.codes.weight[number : number + 1].detach().clone()

    def scene(self, code: Float[Tensor, "1 c"], ball: Similarity | None = None) -> Scene:
        """The shape of a code, scaled so that the unit ball fits the scene's cube.

        Args:
            code: Learned or fitted.
            ball: Another map from the scene to the ball.
        """
        ball = ball or Similarity(scale=DIAMETER)
        return Scene(Box.cube(1.0), inside=inside_of(self.field, code, ball))
