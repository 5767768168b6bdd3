"""What official files of the baselines of Occupancy Networks share: encoders, and what stands in no tensor.

Read from autonomousvision/occupancy_networks, commit 406f794, where its baselines have its own encoders.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.lineages import Choices
from isofield.official.onet import inferred_code, inferred_encoder


def coded_fields(state: Mapping[str, Tensor], choices: Choices) -> dict[str, Any]:
    """Fields of a `CodedConfig` that an official state dict, and the official yaml if there is one, tell of.

    Raises:
        InputError: The encoder is none of the baselines', or planes were chosen.
    """
    choices.refuse_planes("this network has one code for the whole shape")
    sees, kind, width, objects = inferred_encoder(state)
    if sees in ("voxels", "nothing") or kind == "simple":
        seen = "a simple PointNet" if kind == "simple" else sees
        raise InputError(f"its encoder sees {seen}; this baseline comes with PointNet, ResNet-18 or a table")
    data = dict((choices.content or {}).get("data") or {})
    return {
        "sees": sees,
        "code_size": inferred_code(state, sees),
        "encoder_width": width,
        "objects": objects,
        "cloud_size": data.get("pointcloud_n", 300),
        "image_size": data.get("img_size", 224),
    }


def seen(config: Any) -> str:
    """What is seen, and how it is known."""
    what = {"points": f"{config.cloud_size:,} points", "image": "picture"}.get(config.sees, "one of a set")
    return f"{what} -> code of {config.code_size}"
