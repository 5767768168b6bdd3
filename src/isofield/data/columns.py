"""Named columns of numbers -> a point cloud. What every point format boils down to."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from isofield.errors import InputError
from isofield.observation import PointCloud

POSITION = (("x", "y", "z"),)
NORMAL = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz"))
COLOUR = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
UNIT = 0.02
"""How far the length of a vector may be from 1 for a unit vector written with few digits."""


def cloud_from_columns(columns: Mapping[str, np.ndarray], source: object) -> PointCloud:
    """Positions, normals and colours found by the usual names; everything else is left aside.

    Rows may still hold NaN positions. Names are compared without regard to case.

    Raises:
        InputError: There are no x, y and z.
    """
    lower = {name.lower(): column for name, column in columns.items()}
    points = _first(lower, POSITION)
    if points is None:
        found = ", ".join(columns) or "none"
        raise InputError(f"{source} has no x, y and z for its points; the fields found are: {found}.")
    normals, colours = _first(lower, NORMAL), _first(lower, COLOUR)
    return PointCloud(
        _stack(points),
        None if normals is None else unit_normals(_stack(normals)),
        None if colours is None else unit_colours(colours),
    )


def _first(columns: Mapping[str, np.ndarray], choices: Sequence[Sequence[str]]) -> list[np.ndarray] | None:
    for names in choices:
        if all(name in columns for name in names):
            return [columns[name] for name in names]
    return None


def _stack(columns: Sequence[np.ndarray]) -> Float[np.ndarray, "n 3"]:
    result = np.empty((len(columns[0]), len(columns)))
    with np.errstate(invalid="ignore"):  # damaged files hold signalling NaNs, which warn when widened
        for i, column in enumerate(columns):
            result[:, i] = column
    return result


def unit_normals(normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"] | None:
    """Normals of length 1, and 0 where there is none; None if fewer than half of them mean anything."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        length = np.linalg.norm(normals, axis=1)
        known = np.isfinite(length) & (length > 1e-12)
        unit = np.where(known[:, None], normals / length[:, None], 0.0)
    return unit if known.mean() >= 0.5 else None


def unit_colours(columns: Sequence[np.ndarray]) -> Float[np.ndarray, "n 3"]:
    """RGB in [0, 1]: bytes and 16-bit words by their type, other numbers by their largest value."""
    colours = _stack(columns)
    kinds = {column.dtype for column in columns}
    if kinds == {np.dtype(np.uint8)}:
        return colours / 255
    colours = np.nan_to_num(colours, nan=0.0, posinf=0.0, neginf=0.0)
    largest = colours.max(initial=0.0)
    top = 1.0 if largest <= 1 else 255.0 if largest <= 255 else 65535.0
    return np.clip(colours / top, 0.0, 1.0)


def cloud_from_numbers(rows: Float[np.ndarray, "n k"], source: object) -> PointCloud:
    """Points from unnamed columns: the first three are positions, the others are told by their values.

    Three neighbouring columns of unit length are normals; three of whole numbers up to 255, or
    three in [0, 1] where nothing else is left, are colours. Anything else is ignored.

    Raises:
        InputError: There are fewer than three columns.
    """
    if rows.shape[1] < 3:
        raise InputError(f"{source} has {rows.shape[1]} columns; points need at least three: x, y and z.")
    found: dict[str, int] = {}
    for name, fits in (("normals", _are_normals), ("colours", _are_bytes), ("colours", _are_shares)):
        for start in range(3, rows.shape[1] - 2):
            taken = any(abs(start - other) < 3 for other in found.values())
            if name not in found and not taken and fits(rows[:, start : start + 3]):
                found[name] = start
    part = {name: rows[:, start : start + 3] for name, start in found.items()}
    return PointCloud(
        np.array(rows[:, :3], np.float64),
        unit_normals(part["normals"].astype(np.float64)) if "normals" in part else None,
        unit_colours(list(part["colours"].T)) if "colours" in part else None,
    )


def _are_normals(rows: Float[np.ndarray, "n 3"]) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):
        unit = np.abs(np.linalg.norm(_some(rows), axis=1) - 1) < UNIT
    signed = bool((rows < 0).any())  # colours such as pure red have length 1, but no sign
    return bool(len(unit)) and signed and bool(unit.mean() > 0.9)


def _are_bytes(rows: Float[np.ndarray, "n 3"]) -> bool:
    some = _finite(_some(rows))
    return bool(len(some)) and bool(
        (some == np.round(some)).all() and some.min() >= 0 and 1 < some.max() <= 255
    )


def _are_shares(rows: Float[np.ndarray, "n 3"]) -> bool:
    some = _finite(_some(rows))
    return bool(len(some)) and bool(some.min() >= 0 and some.max() <= 1 and np.ptp(some) > 0)


def _some(rows: np.ndarray) -> np.ndarray:
    """Every k-th row: enough to judge by."""
    return rows[:: max(1, len(rows) // 10_000)]


def _finite(rows: np.ndarray) -> np.ndarray:
    return rows[np.isfinite(rows).all(axis=1)]


def finite_rows(points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
    """Which points have three finite coordinates that survive being squared."""
    return (np.abs(points) < 1e150).all(axis=1)  # NaN compares false
