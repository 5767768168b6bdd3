"""Gauss reconstruction: inside and outside of a point cloud, without training.

    points -> areas, planes -> sides by Gauss' theorem -> Poisson, screened -> inside

For a closed surface with outward normals n, grad chi = -n delta. Orientation makes the field
of unknown vectors take the value 1/2 at every sample (parametric Gauss reconstruction,
arXiv:2111.09066); the indicator is a Poisson solve by FFT (Kazhdan 2005; Shape As Points,
arXiv:2106.03452), then made to interpolate its level at the points (screened Poisson, Kazhdan
and Hoppe 2013). Works on any cloud; the baseline that learned systems must beat.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from isofield.encoders.gauss import SolvedCloud, cube, indicator_for, solve_cloud
from isofield.observation import PointCloud
from isofield.ops.indicator import MARGIN, Indicator
from isofield.scene import Scene
from isofield.system import System


@dataclass(frozen=True)
class GaussConfig:
    """Nothing to choose: resolution and smoothing follow the points."""


class Gauss(System):
    """Solves for the indicator function of a point cloud."""

    def __init__(self, config: GaussConfig) -> None:
        super().__init__()
        self.config = config

    def reconstruct(self, observation: PointCloud) -> Scene:
        """The indicator as `inside`, the points' colours, and where points support the surface."""
        solved = solve_cloud(observation)
        return gauss_scene(solved, indicator_for(solved))


def gauss_scene(solved: SolvedCloud, indicator: Indicator) -> Scene:
    """The Scene of a solved cloud."""

    def inside(p: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return indicator.at(cube(p))

    box = solved.box
    return Scene(
        box=box,
        world_from_scene=solved.world_from_scene,
        inside=inside,
        colour=solved.colour(),
        confidence=solved.confidence(),
        resolution=round(len(indicator.grid) / MARGIN * float(box.extent.max())),
        notes=solved.notes,
    )
