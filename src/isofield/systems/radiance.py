"""Radiance grids: posed photos -> colour and density on a sparse grid, then a surface, in minutes on a CPU.

    coarse, first   density and colour            empty space is found and given up
    fine            density and features          novel views (deferred shading, as SNeRG, arXiv:2103.14645)
    carved, surface signed distance and features  the mesh (density of VolSDF, arXiv:2106.12052)

Grids instead of a network are the idea of DVGO (arXiv:2111.11215) and Plenoxels (arXiv:2112.05131). The
surface begins where no ray of any picture arrives with half of its light. What surrounds an object that has
no masks is contracted into the grid, as in mip-NeRF 360 (arXiv:2111.12077).
"""

from dataclasses import dataclass, replace
from pathlib import Path

from isofield.errors import InputError
from isofield.observation import Views
from isofield.ops.active_cells import BLOCK
from isofield.scene import Scene
from isofield.system import System
from isofield.systems.radiance_fit import Fit, Orders, Watch
from isofield.systems.radiance_scene import Fitted, fitted_from, fitted_tensors
from isofield.systems.radiance_stage import Measures, Stage
from isofield.training.weights import load_weights, save_weights


@dataclass(frozen=True)
class RadianceConfig:
    """Radiance grids of one scene; nothing is learnt beforehand."""

    resolution: int = 128
    """Cells along the edge of the grid."""
    channels: int = 8
    """Features at each node: colour, and what the direction of sight does to it."""
    width: int = 64
    """Units of the shading's two hidden layers."""
    effort: float = 1.0
    """Multiplies the steps of all stages."""
    surface: bool = True
    """Whether a surface is fitted after the radiance, for objects with masks."""
    exposure: bool = True
    """Whether each photo without mask has gains of its own."""
    masks: bool = True
    """Whether masks tell where the object is; otherwise they only give the background."""
    silhouette: float = 0.2
    """Weight of the masks: how much of the light a ray loses is compared with them."""
    balloon: float = 3e-7
    """Weight of growth of the surface, which sinks into uniform colours otherwise."""
    random_background: bool = False
    """Whether masked pictures are compared over random greys, not over the one farthest from the object's."""
    seed: int = 0


class Radiance(System):
    """Fits a scene to its photos."""

    def __init__(self, config: RadianceConfig) -> None:
        super().__init__()
        if config.resolution < 8 * BLOCK or config.resolution % (2 * BLOCK):
            raise InputError(
                f"a resolution of {config.resolution} is impossible: give a multiple of 8 from 32"
            )
        self.config = config
        self.measures: list[tuple[Stage, Measures]] = []
        self.attempts = 1

    @property
    def wants(self) -> type:
        return Views

    def reconstruct(self, observation: Views) -> Scene:
        """The scene of the views that are not held out."""
        return self.fit(observation).scene()

    def fit(self, views: Views, watch: Watch | None = None, state: Path | None = None) -> Fitted:
        """Grids that show what the views show.

        Args:
            views: Photos; those that are held out are left alone.
            watch: Hears which share of the work is done, and how it goes.
            state: File from which an interrupted fit goes on.

        Raises:
            InputError: The photos agree on nothing.
        """
        held_out = views.held_out or [False] * len(views)
        learnt = views[[i for i, kept in enumerate(held_out) if not kept]]
        orders = Orders(
            tuple(plan(self.config, views.masks is not None)),
            self.config.channels,
            self.config.width,
            self.config.masks,
            self.config.random_background,
            self.config.exposure,
            self.config.seed,
        )
        fit = Fit(orders, learnt, watch or (lambda share, words: None), state)
        found = fit.run()
        self.measures, self.attempts = fit.measures, fit.attempt
        return found


def plan(config: RadianceConfig, bounded: bool) -> list[Stage]:
    """The stages of a fit."""
    size = config.resolution

    def steps(count: int) -> int:
        return max(1, round(count * config.effort))

    stages = [
        Stage("coarse", size // 2, steps(300), 1024, raw=0.08, features=0.03, end=0.7),
        Stage("first", size, steps(250), raw=0.06, features=0.025, end=0.7),
        Stage("fine", size, steps(1000), raw=0.04, features=0.02, end=0.1),
    ]
    if config.surface and bounded:
        shape = Stage(
            "carved",
            size // 2,
            steps(300),
            raw=0.1,
            smooth_raw=3e-5,
            eikonal=1e-6,
            balloon=config.balloon,
            sharpness=(0.7, 1.7),
        )
        stages.append(shape)
        stages.append(
            replace(shape, name="surface", resolution=size, steps=steps(700), end=0.1, sharpness=(1.25, 3.3))
        )
    return [replace(stage, silhouette=config.silhouette) for stage in stages]


def write_fitted(path: Path, config: RadianceConfig, fitted: Fitted) -> None:
    """Keeps what a fit found in a weights file.

    Raises:
        InputError: The file cannot be written.
    """
    save_weights(path, "radiance", config, fitted_tensors(fitted))


def read_fitted(path: Path) -> Fitted:
    """What `write_fitted` kept.

    Raises:
        InputError: The file is not readable, or keeps something else.
    """
    stored = load_weights(path)
    if stored.system != "radiance" or "volume.cells" not in stored.tensors:
        raise InputError(f"{path} holds weights of the system {stored.system!r}, not a fitted scene")
    return fitted_from(stored.tensors, int(stored.config["channels"]), int(stored.config["width"]))
