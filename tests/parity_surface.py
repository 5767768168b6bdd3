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
    fx, fy, cx, cy, skew = (intrinsics[:, i, j, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2), (0, 1)))
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


def dvr(meta: dict[str, Any], data: dict[str, np.ndarray], weights: Any) -> Outputs:
    """Field, rays, crossings, and gradients through them; in float64, as the golden was made.

    The original counts rays that start inside the object as seen, with depth 0, and marches those that miss
    the box from the camera on.
    """
    from isofield.geometry.rays import Rays
    from isofield.official.dvr import config_from_official, dvr_from_official
    from isofield.render.surface import intersect
    from isofield.systems.dvr import rays_within

    system = dvr_from_official(weights.state_dict(meta), config_from_official(meta["config"]))
    given = {name: torch.as_tensor(weights.make_input(meta, data, name)) for name in meta["inputs"]}
    out = dvr_bound(system, given)
    system = system.double()
    given = {name: v.double() if v.dtype == torch.float32 else v for name, v in given.items()}
    codes = dvr_codes(system, given)
    if codes[0] is not None:
        out["out_c"] = torch.stack([code.detach() for code in codes if code is not None])
    plain = torch.stack([system.field.rows(c)(p) for p, c in zip(given["points"], codes, strict=True)])
    out |= {"out_logits": plain[..., 0], "out_rgb_points": plain[..., 1:].sigmoid()}
    origins, directions = dvr_rays(given)
    out |= {"out_ray_origin": origins, "out_ray_dir": directions}
    seen, points, colours = [], [], []
    with torch.enable_grad():
        for k, code in enumerate(codes):
            both = system.field.rows(code)
            rays = rays_within(origins[k].expand_as(directions[k]), directions[k], system.box)
            missed = rays.near >= rays.far
            near, far = rays.near.masked_fill(missed, 0.0), rays.far.masked_fill(missed, 2.4)
            rays = Rays(rays.origins, rays.directions, near, far)
            hits = intersect(lambda p, both=both: both(p)[:, 0], rays, 128)
            t = torch.where(hits.starts_inside | ~hits.found, 0.0, hits.t)
            seen.append((t.detach(), hits))
            places, found = rays.at(t), hits.found[:, None]
            points.append(places * found)
            colours.append(both(places)[:, 1:].sigmoid() * found)
        shown = {"points": torch.stack(points), "rgb": torch.stack(colours)}
        for name, value in shown.items():
            loss = (given[f"w_{name}"] * value)[given["loss_mask"]].sum()
            out[f"out_loss_{name}"] = loss[None]
            out |= {f"out_grad_{name}_{key}": g for key, g in dvr_gradients(system, loss, codes).items()}
    out["out_mask_pred"] = torch.stack([hits.found for _, hits in seen])
    out["out_mask_first_occupied"] = torch.stack([hits.starts_inside for _, hits in seen])
    out["out_depth"] = torch.stack([torch.where(hits.found, t, 0.0) for t, hits in seen])
    out["out_stable"] = torch.as_tensor(data["out_stable"])
    out |= {"out_points_world": shown["points"], "out_rgb": shown["rgb"]}
    return out


def dvr_codes(system: Any, given: Mapping[str, Tensor]) -> list[Tensor | None]:
    """One per object, cut off from the encoder; None where there is no encoder."""
    if system.encoder is None:
        return [None] * len(given["pixels"])
    codes = system.encoder(given["inputs"].movedim(1, -1)).vector
    return [code.clone().requires_grad_() for code in codes]


def dvr_bound(system: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the field gives once its code is fixed; in float32."""
    codes = dvr_codes(system, given)
    ways = {"logits": system.field.bind, "rgb_points": system.field.bind_colour}
    pairs = list(zip(given["points"], codes, strict=True))
    return {f"bound out_{name}": torch.stack([way(c)(p) for p, c in pairs]) for name, way in ways.items()}


def dvr_rays(given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Origins and directions, these not of unit length, in object space; pixels from -1 to 1."""
    back = torch.linalg.inv(given["camera_mat"] @ given["world_mat"] @ given["scale_mat"])
    pixels = given["pixels"]
    ones = torch.ones_like(pixels[..., :1])
    ahead = torch.einsum("bij,brj->bri", back, torch.cat([pixels, ones, ones], -1))[..., :3]
    origins = back[:, None, :3, 3]
    return origins, ahead - origins


def dvr_gradients(system: Any, loss: Tensor, codes: list[Tensor | None]) -> dict[str, Tensor]:
    """First rows of the gradients that the golden keeps, and those of the codes."""
    names = {
        "decoder.fc_p.weight": system.field.lift.weight,
        "decoder.fc_p.bias": system.field.lift.bias,
        "decoder.blocks.2.fc_0.bias": system.field.blocks[2].inner.bias,
        "decoder.fc_out.bias": system.field.out.bias,
        "decoder.fc_out.weight": system.field.out.weight,
    }
    if codes[0] is not None:
        names["decoder.fc_c.1.bias"] = system.field.known[1].bias
    tensors = [*names.values(), *(code for code in codes if code is not None)]
    # a code whose rays all miss has no part in the loss
    found = torch.autograd.grad(loss, tensors, retain_graph=True, allow_unused=True, materialize_grads=True)
    result = {name: g[:64] for name, g in zip(names, found, strict=False)}
    return result | ({"c": torch.stack(found[len(names) :])} if codes[0] is not None else {})


def idr_tolerance(meta: dict[str, Any], data: Mapping[str, np.ndarray]) -> Mapping[str, float]:
    """The golden's; masks have to agree, norms of gradients as the gradients beside them."""
    exact = dict.fromkeys(("out_mask", "out_train_mask", "out_stable_mask"), 0.5)
    return meta["tolerance"] | exact | {"out_grad_norms": 1e-3 * float(data["out_grad_norms"].max())}


def dvr_tolerance(meta: dict[str, Any], data: Mapping[str, np.ndarray]) -> Mapping[str, float]:
    """What the golden says in words, its gradients' relative part left out; losses as what they sum."""
    exact = dict.fromkeys(("out_mask_pred", "out_mask_first_occupied", "out_stable"), 0.5)
    places = dict.fromkeys(
        ("out_points_world", "out_depth", "out_rgb", "out_loss_points", "out_loss_rgb"), 5e-4
    )
    steep = {k: 1e-3 * float(np.abs(v).max()) for k, v in data.items() if k.startswith("out_grad_")}
    return {"atol": 1e-4, "rtol": 0.0} | exact | places | steep


TOLERANCES = {"IDR": idr_tolerance, "dvr": dvr_tolerance}
"""meta["system"] -> largest absolute error per output."""
