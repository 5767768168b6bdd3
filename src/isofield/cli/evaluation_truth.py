"""The truth that `isofield evaluate` takes from a data set."""

from typing import TYPE_CHECKING

from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.evaluate import Evaluate
    from isofield.data.shapenet import Item
    from isofield.metrics import Truth


def known(item: "Item", args: "Evaluate") -> "Truth":
    """A model's labelled points and its cloud.

    As in the papers' loader, the protocol `onet` moves points off the raster of float16.

    Raises:
        InputError: Its files can't be read, or do not say which voids are hidden.
    """
    import numpy as np

    from isofield.data.shapenet import TIE_NOISE
    from isofield.metrics import Samples, Truth

    occupied = item.occupied(noise=TIE_NOISE if args.protocol == "onet" else 0.0)
    inside = occupied.inside
    if args.voids == "filled":
        if occupied.hidden is None:
            raise InputError(
                f"{item.folder / 'points.npz'} does not say which points are hidden: use --voids free"
            )
        inside = inside | occupied.hidden
    cloud = item.cloud()
    return Truth(occupied.points.astype(np.float64), inside, Samples(cloud.points, cloud.normals))
