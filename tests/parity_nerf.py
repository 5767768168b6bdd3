"""Runs our NeRF on the golden of the original: network, compositing, samples, cameras, whole picture."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

Outputs = dict[str, Tensor | np.ndarray]
Inputs = Callable[[str], np.ndarray]


def nerf(weights: Any, meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """All outputs of the golden; fields plain and bound."""
    from isofield.official.nerf import nerf_from_official

    tensors = weights.state_dict(meta)
    networks = {
        part: {k.removeprefix(f"{part}."): t for k, t in tensors.items() if k.startswith(f"{part}.")}
        for part in ("coarse", "fine")
    }
    system = nerf_from_official(networks)
    asked = {name: weights.make_input(meta, data, name) for name in meta["inputs"]}
    return field(system, asked) | composed(asked) | cameras(asked) | picture(system, data)


def field(system: Any, asked: dict[str, np.ndarray]) -> Outputs:
    from isofield.ops.encodings import encode

    xyz, towards = torch.as_tensor(asked["xyz"]), normalize(torch.as_tensor(asked["dirs"]), dim=1)
    density, rgb = system.coarse(xyz, towards)
    return {"out_embed_xyz": encode(xyz[:8], 10), "out_raw_coarse": torch.cat([rgb, density[:, None]], 1)}


def composed(asked: dict[str, np.ndarray]) -> Outputs:
    """The original's t runs along directions that are not of unit length."""
    from isofield.ops.transmittance import inverse_cdf, middles
    from isofield.render.volume import composite

    raw, z = torch.as_tensor(asked["raw"]), 2 + torch.as_tensor(asked["z_gaps"]).cumsum(1)
    length = torch.as_tensor(asked["rays_d"]).norm(dim=1)
    seen = composite(raw[..., 3].relu(), raw[..., :3].sigmoid(), z * length[:, None], background=1.0)
    out: Outputs = {
        "out_comp_rgb": seen.colour,
        "out_comp_acc": seen.opacity,
        "out_comp_weights": seen.weight,
        "out_comp_depth": seen.depth / length,
        "out_comp_disp": seen.opacity / (seen.depth / length),
    }
    even = torch.linspace(0, 1, 128).expand(len(z), 128)
    for name, u in {"out_pdf_samples": even, "out_pdf_samples_u": torch.as_tensor(asked["pdf_u"])}.items():
        out[name] = inverse_cdf(middles(z), seen.weight[:, 1:-1], u)
    return out


def cameras(asked: dict[str, np.ndarray]) -> Outputs:
    from isofield.official.nerf_cameras import ndc_rays, official_rays, pose_spherical, recentered, spherified

    pose = pose_spherical(35, -30, 4)
    origins, directions = official_rays(5, 6, 7.5, pose)
    ndc = ndc_rays(5, 6, 7.5, 1.0, asked["ndc_o"], asked["ndc_d"])
    poses, bounds = spherified(asked["llff_poses"], asked["llff_bounds"])
    return {
        "out_pose_spherical_35_-30_4": pose,
        "out_rays_o": origins,
        "out_rays_dirs": directions,
        "out_ndc_rays_o": ndc[0],
        "out_ndc_rays_d": ndc[1],
        "out_llff_recentered": recentered(asked["llff_poses"]),
        "out_llff_spherified": poses,
        "out_llff_spherified_bounds": bounds,
    }


def picture(system: Any, data: dict[str, np.ndarray]) -> Outputs:
    """By our own camera, displaced as the original's pixels are; depths along the axis."""
    from isofield.data.ray_source import bounded_rays
    from isofield.geometry.camera import Camera
    from isofield.official.nerf import as_trained
    from isofield.official.nerf_cameras import pose_spherical
    from isofield.ops.transmittance import inverse_cdf, middles

    pose = pose_spherical(35, -30, 4)[:3] @ np.diag([1.0, -1, -1, 1])
    turn = pose[:, :3].T
    intrinsic = np.array([[7.5, 0, 3], [0, 7.5, 2.5], [0, 0, 1]])
    camera = as_trained(Camera(intrinsic, np.concatenate([turn, -turn @ pose[:, 3:]], 1)))
    rays = bounded_rays(camera, 5, 6, system.world_from_scene, system.bounds)
    # what the original calls z runs from 2 to 6 along every ray
    unit = (2 / rays.near)[:, None]
    out: Outputs = {}
    for way, radiance in {"": system._learning, "bound ": system._bound}.items():
        for suffix, seen in zip(("0", ""), system.render(rays, radiance), strict=True):
            out |= {
                f"{way}out_render_rgb{suffix}": seen.colour.view(5, 6, 3),
                f"{way}out_render_acc{suffix}": seen.opacity.view(5, 6),
                f"{way}out_render_disp{suffix}": (seen.opacity / (seen.depth * unit[:, 0])).view(5, 6),
            }
            if not suffix:
                continue
            u = torch.linspace(0, 1, 128).expand(30, 128)
            more = inverse_cdf(middles(seen.t * unit), seen.weight[:, 1:-1], u)
            out[f"{way}out_render_z_std"] = more.std(1, correction=0).view(5, 6)
    return out
