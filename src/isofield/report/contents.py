"""What a report is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from isofield.geometry import Mesh
from isofield.observation import PointCloud

Up = Literal["auto", "x", "y", "z"]


@dataclass(frozen=True)
class Pair:
    """A photo, and the picture that was made again from where it was taken."""

    name: str
    photo: Float[np.ndarray, "h w 3"]
    rendered: Float[np.ndarray, "h w 3"]
    psnr: float
    """In decibels."""


@dataclass(frozen=True)
class Contents:
    """All that a report shows."""

    title: str
    cloud: PointCloud | None
    """The points that came in; None for every other observation, and for none at all."""
    mesh: Mesh
    found: Mapping[str, Any]
    """Sections of the record: `mesh` with the checks, `resolution`, `notes`, `system`, `open`."""
    seconds: Mapping[str, float]
    warnings: Sequence[str] = ()
    command: str = ""
    up: Up = "auto"
    image: Float[np.ndarray, "h w 3"] | None = None
    """The picture that came in, RGB in [0, 1]; shown in place of points where there are none."""
    pairs: Sequence[Pair] = ()
    """Photos beside pictures of the scene."""


def up_axis(cloud: PointCloud | None, up: Up = "auto") -> Literal["x", "y", "z"]:
    """The axis that points up: as told, else z for flat scans such as terrain, y for all others.

    Without points it is y, as in the data that networks learn from: a flat mesh may well be a screen
    that stands upright.
    """
    if up != "auto":
        return up
    if cloud is None:
        return "y"
    extent = np.ptp(cloud.points, axis=0)
    return "z" if extent[2] < 0.5 * min(extent[0], extent[1]) else "y"
