"""How each system is fitted to shapes that are known completely: `isofield fit`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from isofield.data.shape_source import Shape, ShapeSource
from isofield.systems.atlasnet import AtlasNetConfig
from isofield.systems.convonet import ConvONetConfig
from isofield.systems.deepsdf import DeepSDFConfig
from isofield.systems.grid import GridConfig
from isofield.systems.imnet import IMNetConfig
from isofield.systems.ldif import LDIFConfig
from isofield.systems.onet import ONetConfig
from isofield.systems.psgn import PSGNConfig
from isofield.systems.voxel_decoder import VoxelDecoderConfig
from isofield.training.fitting import Fitting
from isofield.training.options import TrainOptions


@dataclass(frozen=True)
class Fit:
    """A system's way to learn shapes by heart."""

    config: Callable[[int], Any]
    """Number of shapes -> config; the fields of it may be overridden."""
    learns: Literal["distance", "occupancy"]
    """What its batches are."""
    points: int
    """Points per shape and step."""
    options: TrainOptions
    """For one shape, two processor cores and a few minutes at most."""
    quick: int
    """Steps that take about 20 s on one processor core, the other one being as busy."""
    cloud_size: int = 0
    """Points that it is shown; 0 for none."""
    near: int = 0
    """Points near the surface, apart from the others; 0 for none."""
    surface: int = 0
    """Points on the surface, for systems that learn from them; 0 for none."""
    edge: float = 1.0
    """Longest edge of a shape in the system's scenes."""
    most: int | None = None
    """Shapes that it can know at once; None: any number."""

    def fitting(self, shapes: Sequence[Shape], seed: int, size: int) -> Fitting:
        """Batches of so many shapes each."""
        learns = self.learns, seed, size, self.points, self.cloud_size, self.near, self.surface
        return Fitting(ShapeSource(shapes, *learns), self.edge)


def options(
    steps: int, learning_rate: float, validate_every: int, preview_every: int, **others: Any
) -> TrainOptions:
    """Those of fits: short, often saved; the last weights are the result."""
    common: dict[str, Any] = {"batch_size": 1, "weight_decay": 0.0, "ema": None, "log_every": 10}
    return TrainOptions(
        steps=steps,
        learning_rate=learning_rate,
        warmup=min(50, steps // 40),
        validate_every=validate_every,
        preview_every=preview_every,
        save_minutes=0.5,
        **common | others,
    )


def _onet(shapes: int) -> ONetConfig:
    return ONetConfig(sees="object", objects=shapes, code_size=64, field_width=128, threshold=0.5)


def _deepsdf(shapes: int) -> DeepSDFConfig:
    # a narrow clamp leaves no gradient where all first answers lie beyond it
    return DeepSDFConfig(
        objects=shapes, code_size=64, widths=(128,) * 8, norm_layers=(), dropout=(), clamp=0.5, code_bound=0,
        warm_up=0,
    )  # fmt: skip


def _imnet(shapes: int) -> IMNetConfig:
    return IMNetConfig(sees="object", objects=shapes, code_size=64, field_width=32)


def _ldif(shapes: int) -> LDIFConfig:
    return LDIFConfig(sees="object", objects=shapes, symmetric=0)


def _atlasnet(shapes: int) -> AtlasNetConfig:
    return AtlasNetConfig(sees="object", objects=shapes, code_size=64, width=128, vertices=10_000)


def _psgn(shapes: int) -> PSGNConfig:
    return PSGNConfig(sees="object", objects=shapes, code_size=64, made=2_048)


def _voxels(shapes: int) -> VoxelDecoderConfig:
    return VoxelDecoderConfig(
        sees="object", objects=shapes, code_size=64, resolution=64, width=64, target="points", threshold=0.5
    )


def _convonet(shapes: int) -> ConvONetConfig:
    return ConvONetConfig(plane_depth=3, plane_width=16)


FITS: dict[str, Fit] = {
    "grid": Fit(
        lambda shapes: GridConfig(), "distance", 16_384, options(250, 1e-2, 50, 100, clip=None), 300, most=1
    ),
    "onet": Fit(_onet, "occupancy", 4_096, options(2_000, 1e-3, 200, 500), 150),
    "convonet": Fit(_convonet, "occupancy", 2_048, options(1_500, 1e-3, 150, 500), 150, 3_000),
    "deepsdf": Fit(_deepsdf, "distance", 1_024, options(6_000, 2e-3, 500, 2_000), 1_100, edge=0.5),
    "imnet": Fit(_imnet, "occupancy", 1_024, options(6_000, 6e-3, 500, 2_000), 900),
    "ldif": Fit(_ldif, "occupancy", 1_024, options(2_000, 5e-3, 200, 500), 400, near=1_024),
    "voxel_decoder": Fit(_voxels, "occupancy", 8_192, options(2_000, 1e-3, 200, 500), 330),
    "atlasnet": Fit(
        _atlasnet, "occupancy", 2, options(1_500, 1e-3, 200, 500, batch_size=2), 180, surface=2_500
    ),
    "psgn": Fit(_psgn, "occupancy", 2, options(1_500, 1e-3, 200, 500), 560, surface=4_096),
}
"""By the name of the system; small batches and more steps did better in the same time, for plain layers."""
