"""Voxels in the binvox format (Min, 1997), which 3D-R2N2 and Occupancy Networks use at 32^3.

    #binvox 1
    dim 32 32 32
    translate -0.5 -0.5 -0.5
    scale 1
    data
    <value count> pairs of bytes

The file runs through y fastest, then z, then x; here voxels are indexed x, y, z. The first voxel
starts at `translate`, and the longest edge of the grid is `scale`.
"""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from isofield.data.atomic import atomic_write
from isofield.errors import InputError
from isofield.geometry import Box
from isofield.observation import Voxels

LARGEST = 1024
"""Voxels along an edge; a header that promises more is taken for damaged."""


def read_binvox(path: str | os.PathLike[str]) -> Voxels:
    """Voxels of a file and the box that its header states.

    Raises:
        InputError: The file is missing, no binvox file, or damaged.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    dims, low, scale, start = _header(data, path)
    pairs = np.frombuffer(data, np.uint8, offset=start)
    values, counts = pairs[0 : len(pairs) // 2 * 2 : 2], pairs[1::2]
    total = int(counts.sum(dtype=np.int64))
    if total != dims[0] * dims[1] * dims[2] or len(pairs) % 2:
        raise InputError(f"{path} is damaged: {dims[0]} x {dims[1]} x {dims[2]} voxels, data for {total}.")
    x, z, y = dims
    occupied = np.repeat(values > 0, counts).reshape(x, z, y).transpose(0, 2, 1)
    extent = scale * np.array(occupied.shape) / max(occupied.shape)
    return Voxels(np.ascontiguousarray(occupied), Box(low, low + extent))


def write_binvox(path: str | os.PathLike[str], voxels: Voxels) -> None:
    """The voxels as a file, which appears in one step.

    Raises:
        InputError: It cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(binvox_bytes(voxels))


def binvox_bytes(voxels: Voxels) -> bytes:
    """Header and runs; the same voxels give the same bytes."""
    x, y, z = voxels.occupied.shape
    low = " ".join(f"{value:.9g}" for value in voxels.box.low)
    head = f"#binvox 1\ndim {x} {z} {y}\ntranslate {low}\nscale {voxels.box.extent.max():.9g}\ndata\n"
    flat = voxels.occupied.transpose(0, 2, 1).reshape(-1).astype(np.uint8)
    first = np.flatnonzero(np.diff(flat, prepend=2))
    lengths = np.diff(first, append=len(flat))
    pieces = -(-lengths // 255)  # a count is one byte, so that long runs come in pieces
    counts = np.full(int(pieces.sum()), 255, np.uint8)
    counts[np.cumsum(pieces) - 1] = lengths - 255 * (pieces - 1)
    return head.encode() + np.stack([np.repeat(flat[first], pieces), counts], axis=1).tobytes()


def filled(
    surface: Float[np.ndarray, "n 3"],
    points: Float[np.ndarray, "m 3"],
    inside: Bool[np.ndarray, " m"],
    side: int = 32,
) -> Voxels:
    """Voxels of the unit box that hold a piece of the surface or of the inside.

    Known by the samples in each; in a voxel without any, by the labelled point nearest to its centre.

    Args:
        surface: Dense samples of the surface, in the unit box.
        points: Labelled points, a few per voxel or more.
        inside: Their labels.
        side: Voxels along an edge.
    """
    from scipy.spatial import cKDTree

    place = (np.arange(side) + 0.5) / side - 0.5
    centres = np.stack(np.meshgrid(place, place, place, indexing="ij"), axis=-1)
    nearest = cKDTree(points).query(centres.reshape(-1, 3))[1]
    occupied = inside[nearest].reshape(side, side, side)
    for solid in (surface, points[inside]):
        cell = np.clip(np.floor((solid + 0.5) * side).astype(np.int64), 0, side - 1)
        occupied[tuple(cell.T)] = True
    return Voxels(occupied, Box.cube())


def _header(data: bytes, path: Path) -> tuple[list[int], Float[np.ndarray, "3"], float, int]:
    """Dimensions in the file's order, lower corner, scale, and where the data start."""
    if not data.startswith(b"#binvox"):
        raise InputError(f"{path} is no binvox file: it does not start with #binvox.")
    end = data.find(b"\ndata\n", 0, 4096)
    words: dict[str, list[str]] = {}
    for line in data[: max(end, 0)].decode("ascii", "replace").splitlines():
        key, *rest = line.split() or [""]
        words[key] = rest
    try:
        dims = [int(word) for word in words["dim"]]
        low = np.array([float(word) for word in words.get("translate", ("-0.5",) * 3)])
        scale = float(words.get("scale", ["1"])[0])
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path} has a damaged binvox header.") from error
    sound = len(dims) == 3 and low.shape == (3,) and min(dims) > 0 and scale > 0 and np.isfinite(low).all()
    if end < 0 or not sound or max(dims) > LARGEST:
        raise InputError(f"{path} has a damaged binvox header.")
    return dims, low, scale, end + len(b"\ndata\n")
