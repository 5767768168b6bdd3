"""PCD files of the Point Cloud Library: ascii, binary, binary_compressed (v0.5 to v0.7)."""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data.columns import cloud_from_columns
from isofield.data.lzf import decompress
from isofield.data.numbers import parse_numbers
from isofield.errors import InputError
from isofield.observation import PointCloud

KINDS = {"F": "f", "I": "i", "U": "u"}
LONGEST_HEADER = 1 << 16
MOST_EXPANSION = 264 / 3
"""LZF stores at most 264 bytes in 3."""


@dataclass(frozen=True)
class Header:
    """What the file says about itself."""

    names: tuple[str, ...]
    dtypes: tuple[np.dtype, ...]
    counts: tuple[int, ...]
    points: int
    height: int
    viewpoint: Float[np.ndarray, "3"]
    data: str
    offset: int

    @property
    def row(self) -> np.dtype:
        """One point as it lies in a binary file; fields are numbered, as names may repeat."""
        return np.dtype(
            [(f"f{i}", t, (n,)) for i, (t, n) in enumerate(zip(self.dtypes, self.counts, strict=True))]
        )


def read_header(path: str | os.PathLike[str]) -> Header:
    """The header, checked.

    Raises:
        InputError: It is not the header of a PCD file.
    """
    entries: dict[str, list[str]] = {}
    with Path(path).open("rb") as file:
        head = file.read(LONGEST_HEADER)
    at = 0
    while "DATA" not in entries:
        end = head.find(b"\n", at)
        if end < 0:
            raise InputError(f"{path} has no complete PCD header: it should end with a line 'DATA ...'.")
        words = head[at:end].decode("ascii", "replace").split()
        at = end + 1
        if words and not words[0].startswith("#"):
            entries[words[0].upper()] = words[1:]
    try:
        return _header(entries, at)
    except (KeyError, ValueError, IndexError, TypeError, OverflowError) as error:
        raise InputError(f"{path} has a PCD header that makes no sense ({error}).") from None


def _header(entries: Mapping[str, list[str]], offset: int) -> Header:
    names = tuple(entries.get("FIELDS") or entries["COLUMNS"])
    sizes, kinds = entries["SIZE"], entries["TYPE"]
    counts = tuple(int(n) for n in entries.get("COUNT", ["1"] * len(names)))
    if not len(names) == len(sizes) == len(kinds) == len(counts):
        raise ValueError("FIELDS, SIZE, TYPE and COUNT differ in length")
    if any(n < 0 or n > 10_000 for n in counts):
        raise ValueError("COUNT is out of range")
    dtypes = tuple(np.dtype(f"<{KINDS[k.upper()]}{int(s)}") for k, s in zip(kinds, sizes, strict=True))
    height = int(entries.get("HEIGHT", ["1"])[0])
    points = int(entries["POINTS"][0]) if "POINTS" in entries else int(entries["WIDTH"][0]) * height
    if points < 0:
        raise ValueError("POINTS is negative")
    view = np.array([float(v) for v in entries.get("VIEWPOINT", ["0"] * 3)[:3]])
    if view.shape != (3,) or not np.isfinite(view).all():
        raise ValueError("VIEWPOINT is not a position")
    return Header(names, dtypes, counts, points, height, view, entries["DATA"][0].lower(), offset)


def read_pcd(path: str | os.PathLike[str]) -> PointCloud:
    """All points, those of NaN included; organised clouds are flattened.

    The VIEWPOINT becomes the position of the sensor if it is not the origin, or if the cloud is
    organised (an image of depths, taken from the origin): elsewhere 0 0 0 only says "not known".

    Raises:
        InputError: The file is cut off, or not a PCD file.
    """
    header = read_header(path)
    readers = {"ascii": _ascii, "binary": _binary, "binary_compressed": _compressed}
    if header.data not in readers:
        raise InputError(f"{path} holds PCD data of an unknown kind {header.data[:30]!r}.")
    columns = readers[header.data](Path(path), header)
    cloud = cloud_from_columns(_with_colours(columns), path)
    if header.height > 1 or header.viewpoint.any():
        sensors = np.broadcast_to(header.viewpoint, cloud.points.shape).copy()
        cloud = PointCloud(cloud.points, cloud.normals, cloud.colours, sensors)
    return cloud


def _cut_off(path: Path, header: Header, there: int) -> InputError:
    return InputError(
        f"{path} is cut off: its header promises {header.points} points, but only {there} are there; "
        "copy or export the file again."
    )


def _ascii(path: Path, header: Header) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        file.seek(header.offset)
        numbers = parse_numbers(file.read(), path)
    width = sum(header.counts)
    there = len(numbers) // max(width, 1)
    if there < header.points:
        raise _cut_off(path, header, there)
    rows = numbers[: header.points * width].reshape(header.points, width)
    starts = np.cumsum((0, *header.counts))
    single = [i for i, n in enumerate(header.counts) if n == 1]
    # A packed colour in an ascii file is the number, not its bits.
    return {header.names[i]: _number(rows[:, starts[i]], header.dtypes[i]) for i in single}


def _number(values: Float[np.ndarray, " n"], kind: np.dtype) -> np.ndarray:
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(kind)
    limits = np.iinfo(kind)
    return np.clip(np.nan_to_num(values), limits.min, float(limits.max)).astype(np.int64).astype(kind)


def _binary(path: Path, header: Header) -> dict[str, np.ndarray]:
    row = header.row
    there = max(path.stat().st_size - header.offset, 0) // max(row.itemsize, 1)
    if there < header.points:
        raise _cut_off(path, header, there)
    if not header.points:
        return {}
    mapped = np.memmap(path, row, "r", header.offset, (header.points,))
    return {name: mapped[f"f{i}"][:, 0] for i, name in enumerate(header.names) if header.counts[i] == 1}


def _compressed(path: Path, header: Header) -> dict[str, np.ndarray]:
    """Compressed files store field after field instead of point after point."""
    with path.open("rb") as file:
        file.seek(header.offset)
        data = file.read()
    if len(data) < 8:
        raise _cut_off(path, header, 0)
    packed, size = struct.unpack("<II", data[:8])
    if packed > len(data) - 8:
        raise InputError(
            f"{path} is cut off: of {packed} compressed bytes only {len(data) - 8} are there; "
            "copy or export the file again."
        )
    if header.points * header.row.itemsize > size or size > packed * MOST_EXPANSION:
        raise InputError(
            f"{path} promises {header.points} points, more than its {packed} compressed bytes can hold."
        )
    raw = decompress(data[8 : 8 + packed], size, path)
    columns, at = {}, 0
    for name, dtype, count in zip(header.names, header.dtypes, header.counts, strict=True):
        length = dtype.itemsize * count * header.points
        if count == 1:
            columns[name] = np.frombuffer(raw, dtype, header.points, at)
        at += length
    return columns


def _with_colours(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Adds r, g, b if there is a packed colour: 0x00RRGGBB as an integer or as the bits of a float."""
    packed = next((columns[name] for name in ("rgb", "rgba") if name in columns), None)
    if packed is None or packed.dtype.itemsize != 4:
        return dict(columns)
    bits = np.ascontiguousarray(packed).view(np.uint32)
    shift = {"r": 16, "g": 8, "b": 0}
    return {**columns, **{name: (bits >> by & 255).astype(np.uint8) for name, by in shift.items()}}
