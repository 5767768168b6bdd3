"""Adapters of the goldens about surfaces seen in pictures: IDR and DVR; used by `parity`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Input = Callable[[dict[str, Any], dict[str, np.ndarray], str], np.ndarray]
Outputs = Mapping[str, Tensor | np.ndarray]


def idr(meta: dict[str, Any], data: dict[str, np.ndarray], weights: Any) -> Outputs:
    """Networks, traced points in evaluation and training, losses and their gradients."""
    from isofield.geometry.rays import Rays
    from isofield.official.idr import config_from_official, idr_from_official
    from isofield.render.sphere_tracing import trace, trace_training, within_ball
    from isofield.render.surface import attached

    system = idr_from_official(weights.state_dict(meta), config_from_official(meta["config"]))
    given = {name: torch.as_tensor(weights.make_input(meta, data, name)) for name in meta["inputs"]}
    out: dict[str, Tensor] = {}
    values, slope = system.distance.gradient(given["xyz"])
    view = torch.nn.functional.normalize(given["view"], dim=-1)
    out |= {"out_implicit": values[:, :17], "out_sdf_grad": slope}
    out["out_rgb_at_xyz"] = system.light(given["xyz"], slope, view, values[:, 1:])

    directions = idr_directions(given["uv"], given["pose"], given["intrinsics"])
    out["out_ray_dirs"] = directions
    origins = given["pose"][:, None, :3, 3].expand_as(directions)
    flat = Rays(origins.flatten(0, 1), directions.flatten(0, 1), *torch.zeros(2, origins[..., 0].numel()))
    rays = within_ball(flat, system.config.ball)
    out["out_sphere_hits"] = torch.stack([rays.near, rays.far], -1).view(*directions.shape[:2], 2)

    bound, mask = system.distance.bind(), given["object_mask"].flatten()
    traced = trace(bound, rays)
    points = rays.at(traced.t)
    out |= {"out_points": points, "out_mask": traced.hit, "out_sdf_at_points": bound(points)[:, None]}
    out["out_rgb"] = torch.ones_like(points)
    out["out_rgb"][traced.hit] = system.shade(rays[traced.hit], traced.t[traced.hit])

    shares, cube = given["steps_u"], 2 * given["eik_u"] - 1
    traced = trace_training(bound, rays, mask, shares)
    seen = traced.hit & mask
    out |= {"out_train_points": rays.at(traced.t), "out_train_mask": traced.hit}
    out["out_train_rgb"] = torch.ones_like(points)
    out["out_train_rgb"][seen] = system.shade(rays[seen], traced.t[seen])
    with torch.enable_grad():
        losses = system.terms(rays, mask, given["rgb_gt"].flatten(0, 1), shares, cube, 50.0)
        total = torch.stack(list(losses.values())).sum()
        total.backward()
    out |= {
        "out_train_loss": total,
        "out_train_rgb_loss": losses["colour"],
        "out_train_eikonal_loss": losses["eikonal"] / 0.1,
        "out_train_mask_loss": losses["mask"] / 100.0,
    }
    gradients = idr_gradients(system)
    out["out_grad_norms"] = torch.stack([gradients[key].norm() for key in meta["grad_norm_order"]])
    out |= {key: gradients[key[9:]].flatten()[:256] for key in data if key.startswith("out_grad:")}

    system.zero_grad()
    with torch.enable_grad():
        here, t = rays[seen], traced.t[seen]
        slope = system.distance.gradient(here.at(t))[1]
        out["out_isect_dots"] = (slope * here.directions).sum(-1)
        moved = attached(lambda p: system.distance(p)[:, 0], here, t, least=0.0)
        (here.at(moved) @ torch.tensor([0.3, -0.7, 0.5])).sum().backward()
    gradients = idr_gradients(system)
    out["out_isect_grad_lastbias"] = gradients["implicit_network.lin8.bias"][:4]
    out["out_isect_grad_lin0bias"] = gradients["implicit_network.lin0.bias"][:256]
    return stable_alone(out, data, {"out_points", "out_mask", "out_rgb", "out_sdf_at_points"})


def idr_gradients(system: Any) -> dict[str, Tensor]:
    """Of all parameters, by official name; zero where nothing arrives."""
    from isofield.official.idr import _official

    return {
        _official(key, system.config.layers): torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for key, p in system.named_parameters()
    }


def idr_directions(uv: Tensor, pose: Tensor, intrinsics: Tensor) -> Tensor:
    """Unit directions of the original's rays: skewed pinholes, no half pixel."""
    fx, fy, cx, cy, skew = (
        intrinsics[:, i, j, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2), (0, 1))
    )
    y = (uv[..., 1] - cy) / fy
    x = (uv[..., 0] - cx - skew * y) / fx
    seen = torch.stack([x, y, torch.ones_like(x)], -1)
    return torch.nn.functional.normalize(torch.einsum("bij,brj->bri", pose[:, :3, :3], seen), dim=-1)


def stable_alone(out: dict[str, Tensor], data: dict[str, np.ndarray], names: set[str]) -> Outputs:
    """The outputs with the golden's own numbers where it says that nothing is to be compared."""
    stable = torch.as_tensor(data["out_stable_mask"])
    result = dict(out)
    for name in names:
        theirs = torch.as_tensor(data[name])
        result[name] = torch.where(stable.view(-1, *[1] * (theirs.ndim - 1)), out[name], theirs)
    return result | {"out_stable_mask": stable}
