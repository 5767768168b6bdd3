"""Runs our IM-NET on the golden of the original: both encoders and the generator, plain and bound."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

Outputs = dict[str, Tensor | np.ndarray]


def imnet(weights: Any, meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """All outputs of the golden."""
    from isofield.condition import Code
    from isofield.fields.imnet import clipped
    from isofield.official.imnet import imnet_from_official, infer_config

    state = weights.state_dict(meta)
    asked = {
        name: torch.as_tensor(weights.make_input(meta, data, name))
        for name in ("voxels", "points", "z", "image")
    }
    first = {key: t for key, t in state.items() if not key.startswith("img_encoder.")}
    second = {key: t for key, t in state.items() if not key.startswith("encoder.")}
    voxels, picture = (imnet_from_official(part, infer_config(part)) for part in (first, second))
    code = voxels.encoder(asked["voxels"][:, 0])
    given, points = Code(asked["z"]), asked["points"]
    bound = [clipped(voxels.field.bind(Code(z[None]))(points[0])) for z in asked["z"]]
    return {
        "out_z": code.vector,
        "out_value": voxels.field(points, code)[..., None],
        "bound out_value": clipped(voxels.field.bind(code)(points[0]))[None, :, None],
        "out_value_from_z": voxels.field(points.expand(2, -1, -1), given)[..., None],
        "bound out_value_from_z": torch.stack(bound)[..., None],
        "out_z_image": picture.encoder(asked["image"][:, 0, :, :, None].expand(-1, -1, -1, 3)).vector,
    }
