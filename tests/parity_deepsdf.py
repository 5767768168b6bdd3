"""Adapter of the golden of DeepSDF; used by `parity`."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def deepsdf(weights: Any, meta: dict[str, Any], data: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Distances and their gradients, plain and bound; the training's loss; ten steps towards a code."""
    from isofield.batch import DistanceBatch
    from isofield.condition import Code
    from isofield.official.deepsdf import config_from_official, deepsdf_from_official
    from isofield.systems.deepsdf_fit import CodeFit, fit_code

    config = config_from_official(meta["config"])
    given = {name: torch.as_tensor(weights.make_input(meta, data, name)) for name in meta["inputs"]}
    system = deepsdf_from_official(weights.state_dict(meta), config, given["latent"])
    with torch.enable_grad():
        points = given["xyz"].requires_grad_()
        code = given["latent"].requires_grad_()
        sdf = system.field(points[None], Code(code))[0]
        slope, towards = torch.autograd.grad(sdf.sum(), (points, code))
        bound = system.field.bind(Code(code))(points)
        (bound_slope,) = torch.autograd.grad(bound.sum(), points)
    known = given["sdf_gt"][:, 0]
    # the table would shorten codes that are longer than its bound; the golden has no table
    assert system.table is not None
    system.table.codes.max_norm = None
    batch = DistanceBatch(points.detach()[None], known[None], torch.tensor([0]), epoch=50)
    how = CodeFit(steps=10, fall=1.0, samples=None)
    fitted = fit_code(system.field, points.detach()[None], known[None], how, start=code.detach())
    return {
        "out_sdf": sdf[:, None],
        "bound out_sdf": bound[:, None],
        "out_grad_xyz": slope,
        "bound out_grad_xyz": bound_slope,
        "out_grad_latent": towards,
        "out_train_loss_epoch50": torch.stack(list(system.losses(batch).values())).sum(),
        "out_latent_fit": fitted.codes,
        "out_latent_fit_losses": fitted.losses[0],
    }
