"""Pictures on disk with their cameras, before any pixel is read: what every reader of cameras hands over."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.errors import InputError
from isofield.geometry.lens import Lens

BENT = 0.02
"""Largest deviation from a rotation that is put down to rounding."""


@dataclass(frozen=True)
class Shot:
    """One picture and where it was taken."""

    image: Path
    lens: Lens
    """Over a picture of the stated size; the file may be a smaller copy."""
    camera_from_world: Float[np.ndarray, "3 4"]
    """A rotation beside a translation; x right, y down, z forward."""
    mask: Path | None = None
    depth: Path | None = None
    depth_unit: float = 1.0
    """Of the stored numbers, in units of the world."""
    held_out: bool | None = None

    @property
    def name(self) -> str:
        return self.image.name


@dataclass(frozen=True)
class Shots:
    """All pictures of one scene."""

    convention: str
    """What the cameras were recognised as, in words."""
    shots: Sequence[Shot]
    points: Float[np.ndarray, "n 3"] | None = None
    missing: Sequence[str] = ()
    """Pictures that are listed but not there."""
    damaged: Mapping[str, str] = field(default_factory=dict)
    """Pictures that are there and can't be decoded, and what is wrong with each."""
    said: Sequence[str] = field(default_factory=tuple)
    """Sentences about the files."""


def camera_from_pose(where: str, world_from_camera: Float[np.ndarray, "_r 4"]) -> Float[np.ndarray, "3 4"]:
    """The inverse of a pose whose left part is a rotation, perhaps scaled, up to rounding.

    The scale is left out: depths are in units of the world.

    Args:
        where: Names file and picture in the sentence.
        world_from_camera: Columns are the axes right, down, forward, and the centre.

    Raises:
        InputError: The left part is no rotation.
    """
    turn, centre = world_from_camera[:3, :3], world_from_camera[:3, 3]
    rotation = sound_rotation(where, turn).T
    return np.concatenate([rotation, -(rotation @ centre)[:, None]], axis=1)


def sound_rotation(where: str, turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation nearest to a matrix that is one up to scale and rounding.

    Raises:
        InputError: It is singular, a mirror or bent.
    """
    if not np.isfinite(turn).all():
        raise InputError(f"{where}: the camera's matrix has numbers that are not finite.")
    left, lengths, right = np.linalg.svd(turn)
    if not lengths[2] > 1e-9 * max(lengths[0], 1e-300):
        raise InputError(f"{where}: the rotation of the camera's matrix is singular.")
    if lengths[0] / lengths[2] > 1 + BENT:
        raise InputError(f"{where}: the camera's matrix is no rotation: its axes are not at right angles.")
    if np.linalg.det(turn) < 0:
        raise InputError(
            f"{where}: the camera's matrix is a mirror, not a rotation: one axis has a wrong sign."
        )
    return left @ right


def sound_lens(where: str, lens: Lens) -> Lens:
    """The lens itself.

    Raises:
        InputError: Its focal lengths are not positive, or something is not finite.
    """
    numbers = [getattr(lens, name) for name in Lens.__dataclass_fields__]
    if not np.isfinite(numbers).all():
        raise InputError(f"{where}: the camera's intrinsics have numbers that are not finite.")
    if lens.width < 1 or lens.height < 1:
        raise InputError(f"{where}: the picture's size, {lens.width} x {lens.height}, is not positive.")
    if not (lens.fx > 0 and lens.fy > 0):
        raise InputError(
            f"{where}: the intrinsics are singular: the focal lengths {lens.fx:g} and {lens.fy:g}"
            " must be positive."
        )
    return lens


def read_json(path: Path) -> dict:
    """The object in a JSON file.

    Raises:
        InputError: It is missing, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object, so it is no list of cameras.")
    return found


def listed(names: Sequence[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def faults(damaged: Mapping[str, str]) -> str:
    """The first names of damaged pictures, and what is wrong with the first of them."""
    return f"{listed(list(damaged))} ({next(iter(damaged.values()))})"
