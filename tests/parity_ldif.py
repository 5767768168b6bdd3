"""Runs our LDIF on the golden of the original: elements, Gaussians, local networks, their sum."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

Outputs = dict[str, Tensor | np.ndarray]
NAMES = {
    "decoder.fc1": "decoder.lift",
    "decoder.fc2": "decoder.out",
    "decoder.resnet.fc1": "decoder.blocks.0.inner",
    "decoder.resnet.fc2": "decoder.blocks.0.outer",
    "decoder.resnet.bn1": "decoder.blocks.0.before",
    "decoder.resnet.bn2": "decoder.blocks.0.between",
    "decoder.bn": "decoder.norm",
}
"""The golden's names, which are those of a PyTorch port, and ours."""
LEAVES = {"fc_beta": "beta", "fc_gamma": "gamma", "running_mean": "mean", "running_var": "variance"}


def ldif(weights: Any, meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """All outputs of the golden; sums plain and bound."""
    from isofield.ops.elements import weights as gaussians
    from isofield.systems.ldif import LDIF, LDIFConfig

    official = meta["config"]
    config = LDIFConfig(
        sees="object",
        objects=1,
        elements=official["element_count"],
        symmetric=official["left_right_symmetric_elements"],
        code_size=official["implicit_parameters"],
        blocks=official["resnet_layers"],
        level=official["isolevel"],
        hardness=official["hardness"],
        radius=official["max_blob_radius"],
    )
    system = LDIF(config).eval()
    system.field.load_state_dict({ours(key): tensor for key, tensor in weights.state_dict(meta).items()})
    raw, points = (
        torch.as_tensor(weights.make_input(meta, data, k))[None] for k in ("activation", "samples")
    )
    elements = system.activated(raw)
    frames = elements.frames()
    place = frames.whitened(points[:, None])
    local = place * frames.local
    alone = LDIF(replace(config, code_size=0)).field
    plain = replace(elements, codes=elements.codes[..., :0])
    value = system.field(points, elements)[0]
    out: Outputs = {
        "out_constants": elements.constants[0, :, None],
        "out_centers": elements.centres[0],
        "out_radii": torch.cat([elements.variances, elements.angles], -1)[0],
        "out_weights": gaussians(place)[0, :, :40],
        "out_local": local[0, :, :10],
        "out_decoder_values": system.field.decoder(local, elements.with_mirrored(elements.codes))[0, :, :40],
        "out_ldif_sdf": value,
        "bound out_ldif_sdf": system.field.bind(elements)(points[0]),
        "out_sif_sdf": alone(points, plain)[0],
        "bound out_sif_sdf": alone.bind(plain)(points[0]),
    }
    return out | {"out_ldif_class": system.outside(value)}


def ours(key: str) -> str:
    layer = next(name for name in sorted(NAMES, key=len, reverse=True) if key.startswith(f"{name}."))
    rest = key.removeprefix(f"{layer}.")
    for theirs, leaf in LEAVES.items():
        rest = rest.replace(theirs, leaf)
    return f"{NAMES[layer]}.{rest}"
