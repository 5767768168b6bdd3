"""How each system is fitted to shapes that are known completely: `isofield fit`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from isofield.systems.convonet import ConvONetConfig
from isofield.systems.grid import GridConfig
from isofield.systems.imnet import IMNetConfig
from isofield.systems.onet import ONetConfig
from isofield.systems.voxel_decoder import VoxelDecoderConfig
from isofield.training.options import TrainOptions


def options(
    steps: int, learning_rate: float, validate_every: int, preview_every: int, **others: Any
) -> TrainOptions:
    """Those of fits: short, often saved; the last weights are the result."""
    common: dict[str, Any] = {"weight_decay": 0.0, "ema": None, "log_every": 10, "save_minutes": 0.5}
    return TrainOptions(
        steps=steps,
        batch_size=1,
        learning_rate=learning_rate,
        warmup=min(50, steps // 40),
        validate_every=validate_every,
        preview_every=preview_every,
        **common,
        **others,
    )


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
    cloud_size: int = 0
    """Points that it is shown; 0 for none."""
    most: int | None = None
    """Shapes that it can know at once; None: any number."""


def _onet(shapes: int) -> ONetConfig:
    return ONetConfig(sees="object", objects=shapes, code_size=64, field_width=128, threshold=0.5)


def _imnet(shapes: int) -> IMNetConfig:
    return IMNetConfig(sees="object", objects=shapes, code_size=64, field_width=32)


def _voxels(shapes: int) -> VoxelDecoderConfig:
    return VoxelDecoderConfig(
        sees="object", objects=shapes, code_size=64, width=64, resolution=64, target="points", threshold=0.5
    )


FITS: dict[str, Fit] = {
    "grid": Fit(
        lambda shapes: GridConfig(), "distance", 16_384, options(400, 1e-2, 50, 100, clip=None), most=1
    ),
    "onet": Fit(_onet, "occupancy", 4_096, options(2_000, 1e-3, 200, 500)),
    "imnet": Fit(_imnet, "occupancy", 4_096, options(1_000, 1e-3, 200, 500)),
    "voxel_decoder": Fit(_voxels, "occupancy", 4_096, options(500, 2e-3, 100, 250)),
    "convonet": Fit(
        lambda shapes: ConvONetConfig(), "occupancy", 4_096, options(600, 1e-3, 100, 200), cloud_size=3_000
    ),
}
"""By the name of the system."""
