"""LAS and LAZ files, through laspy (the extra `las`)."""

import os
import struct
from typing import Any

import numpy as np

from isofield.data.columns import unit_colours
from isofield.errors import InputError
from isofield.observation import PointCloud


def read_las(path: str | os.PathLike[str]) -> PointCloud:
    """Points in the coordinates of the file, scale and offset applied, with colours if there are any.

    Raises:
        InputError: laspy is not installed, or the file is damaged.
    """
    try:
        import laspy
    except ImportError:
        raise InputError(f"{path} needs one more package: pip install 'isofield[las]'.") from None
    _check_records(path)
    try:
        with laspy.open(path) as reader:
            header = reader.header
            _check_size(path, header)
            data = reader.read()
        points = np.stack([np.asarray(data.x), np.asarray(data.y), np.asarray(data.z)], axis=1)
        colours = _colours(data)
    except InputError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]
        raise InputError(f"{path} cannot be read as LAS: {reason}.") from error
    if len(points) < header.point_count:
        raise InputError(
            f"{path} is cut off: its header promises {header.point_count} points, "
            f"but only {len(points)} are there; copy or export the file again."
        )
    return PointCloud(points.astype(np.float64), colours=colours)


def _check_records(path: str | os.PathLike[str]) -> None:
    """Refuses counts of header records beyond what the file can hold: laspy would read them for hours."""
    with open(path, "rb") as file:
        head = file.read(375).ljust(375, b"\0")
    size = os.path.getsize(path)
    (records,) = struct.unpack_from("<I", head, 100)
    (extended,) = struct.unpack_from("<I", head, 243) if head[25] >= 4 else (0,)
    if records * 54 + extended * 60 > size:
        raise InputError(
            f"{path} is damaged: its header promises {records + extended} records that are not there."
        )


def _check_size(path: str | os.PathLike[str], header: Any) -> None:
    size = os.path.getsize(path) - header.offset_to_point_data
    record = header.point_format.size
    # LAZ rarely gets below a bit per value; a hundredth of the raw size is beyond it.
    there = size // record if not header.are_points_compressed else size * 100 // record
    if header.point_count > max(there, 0):
        raise InputError(
            f"{path} is cut off: its header promises {header.point_count} points, but its {size} bytes "
            f"hold at most {max(there, 0)}; copy or export the file again."
        )


def _colours(data: Any) -> np.ndarray | None:
    if "red" not in data.point_format.dimension_names:
        return None
    channels = [np.asarray(data[name]) for name in ("red", "green", "blue")]
    if not any(channel.any() for channel in channels):
        return None  # the format has room for colours, the file has none
    return unit_colours(channels)
