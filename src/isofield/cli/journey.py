"""Journeys along the cameras of photos, for films."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isofield.geometry.camera import Camera


def along(cameras: "Sequence[Camera]", count: int) -> "list[Camera]":
    """So many cameras on a short walk past the given ones, around what they look at.

    Photos need not be listed in the order in which one walks. Where the cameras look outward or one way there
    is no point to go around, and the walk goes straight from each to the next.
    """
    import numpy as np

    from isofield.data.view_frame import looking
    from isofield.render.walk import between, tour

    if len(cameras) == 1:
        return [cameras[0]] * count
    looks, focus = looking(cameras)
    order = tour(np.stack([camera.centre for camera in cameras]))
    return between([cameras[i] for i in order], count, focus if looks == "inward" else None)
