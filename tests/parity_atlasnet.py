"""Runs our AtlasNet on the golden of the original: code and patches, plain and bound."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

Outputs = dict[str, Tensor | np.ndarray]


def atlasnet(weights: Any, meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """All outputs of the golden."""
    from isofield.condition import Code
    from isofield.geometry.template import square
    from isofield.official.atlasnet import atlasnet_from_official, check_options, infer_config

    state = weights.state_dict(meta)
    check_options(meta["config"])
    system = atlasnet_from_official(state, infer_config(state))
    code = system.encoder(torch.as_tensor(weights.make_input(meta, data, "points")).transpose(1, 2))
    side = int((meta["config"]["number_points_eval"] // meta["config"]["nb_primitives"]) ** 0.5)
    grid = torch.as_tensor(square(side)[0]).float().expand(len(code.vector), system.config.patches, -1, -1)
    bound = [system.field.bind(Code(vector[None]))(grid[0]) for vector in code.vector]
    return {
        "out_latent": code.vector,
        "out_primitives": system.field(grid, code).transpose(2, 3),
        "bound out_primitives": torch.stack(bound).transpose(2, 3),
    }
