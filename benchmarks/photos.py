"""Photos to a scene: seconds, PSNR on held-out pictures, Chamfer; a plain NeRF is given the same minutes.

    python benchmarks/photos.py NAME=FOLDER[:LONGEST[:SURFACE]] ... -o benchmarks/results/photos.json

SURFACE is a PLY of points on the true surface that can be seen, in the frame of the cameras; beside it
mesh.ply is the whole. Rows are added to the file by name; memory is that of the first fit alone, since the
peak of a process only grows. --ablate runs the named options one by one on the first folder, --nerf SECONDS
the plain NeRF.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from isofield.cli.run_record import peak_memory
from isofield.data.photos import read_views
from isofield.data.pixel_rays import PixelRays
from isofield.extract import extract_mesh
from isofield.geometry import Mesh
from isofield.geometry.sampling import sample_surface
from isofield.observation import Views
from isofield.systems.radiance import Radiance, RadianceConfig
from isofield.systems.radiance_scene import Fitted

OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "no silhouettes": {"silhouette": 0.0},
    "no balloon": {"balloon": 0.0},
    "no masks": {"masks": False},
    "random greys": {"random_background": True},
    "4 channels": {"channels": 4},
    "half the effort": {"effort": 0.5},
}


def psnr(fitted: Fitted, views: Views, of: Any) -> float:
    """Mean over held-out pictures, on white."""
    pixels = PixelRays.of(views, fitted.world_from_scene.inverse())
    found = []
    for start, stop in zip(pixels.starts[:-1], pixels.starts[1:], strict=True):
        which = torch.arange(int(start), int(stop))
        white = torch.ones(len(which), 3)
        rgb, _, _ = fitted.light(pixels.rays(which), white, of)
        found.append(-10 * float(torch.log10(((rgb - pixels.over(which, white)) ** 2).mean())))
    return float(np.mean(found))


def chamfer(mesh: Mesh, path: Path) -> dict[str, float]:
    """Mean of accuracy and completeness over the longest side: between samples, and points to the mesh."""
    import igl
    import trimesh
    from scipy.spatial import cKDTree

    truth = np.asarray(trimesh.load(path).vertices)
    longest = float(np.ptp(truth, axis=0).max())
    drawn = sample_surface(mesh, 100_000, 0)[0]
    there, back = cKDTree(truth).query(drawn)[0].mean(), cKDTree(drawn).query(truth)[0].mean()
    squared = igl.point_mesh_squared_distance(truth, mesh.vertices, mesh.faces.astype(np.int64))[0]
    whole = trimesh.load(path.with_name("mesh.ply"))
    away = igl.point_mesh_squared_distance(drawn, np.asarray(whole.vertices), np.asarray(whole.faces))[0]
    complete, accurate = (float(np.sqrt(part).mean()) / longest for part in (squared, away))
    return {
        "chamfer_exact": (complete + accurate) / 2,
        "accuracy_exact": accurate,
        "chamfer_samples": float(there + back) / 2 / longest,
        "accuracy_samples": float(there) / longest,
        "completeness_samples": float(back) / longest,
        "completeness_exact": complete,
    }


def row(folder: Path, longest: int | None, truth: Path | None, config: RadianceConfig) -> dict[str, Any]:
    """One fit, measured."""
    started = time.perf_counter()
    views, _ = read_views(folder, longest)
    system, curve = Radiance(config), []

    def watch(share: float, said: str) -> None:
        curve.append([round(time.perf_counter() - started, 1), said])

    fitted = system.fit(views, watch)
    seconds = time.perf_counter() - started
    held_out = views[[i for i, kept in enumerate(views.held_out or []) if kept]]
    found: dict[str, Any] = {
        "pictures": len(views) - len(held_out),
        "pixels": list(views.images[0].shape[1::-1]),
        "seconds": seconds,
        "psnr_volume": psnr(fitted, held_out, fitted.volume),
        "peak_memory": peak_memory(),
        "stages": [
            {
                "name": stage.name,
                "resolution": stage.resolution,
                "seconds": measures.seconds,
                "rays_per_second": measures.rays / measures.seconds,
                "samples_per_ray": measures.samples,
                "psnr_training": measures.psnr,
            }
            for stage, measures in system.measures
        ],
        "curve": curve[:: max(1, len(curve) // 60)],
    }
    if fitted.surface is not None:
        found["psnr_surface"] = psnr(fitted, held_out, fitted.surface)
    if truth is not None:
        scene = fitted.scene()
        assert scene.inside is not None
        mesh = extract_mesh(scene.inside, scene.box, resolution=scene.resolution)
        found |= chamfer(mesh.transformed(scene.world_from_scene), truth)
    return found


def plain_nerf(folder: Path, seconds: float) -> dict[str, Any]:
    """The network of the paper (8 x 256, 64 + 128 samples) on the same photos, for so many seconds."""
    from isofield.systems.nerf import NeRF, NeRFConfig

    items, config = 4, NeRFConfig(early=0)
    source, rays = NeRF.batches(config, folder, 0, items), items * config.rays
    torch.manual_seed(0)
    torch.set_num_threads(2)
    system = NeRF(config)
    optimiser = torch.optim.Adam(system.parameters(), lr=5e-4)
    started, losses = time.perf_counter(), []
    while time.perf_counter() - started < seconds:
        loss = torch.stack(list(system.losses(source.batch(len(losses), 0, 1)).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()) / 2)  # of two networks
    took = time.perf_counter() - started
    return {
        "steps": len(losses),
        "rays_per_second": len(losses) * rays / took,
        "seconds": took,
        "psnr_training": -10 * float(np.log10(np.mean(losses[-10:]))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scenes", nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--effort", type=float, default=1.0)
    parser.add_argument("--no-surface", action="store_true")
    parser.add_argument("--suffix", default="")
    parser.add_argument("--ablate", action="store_true")
    parser.add_argument("--nerf", type=float, default=0.0)
    args = parser.parse_args()
    config = RadianceConfig(resolution=args.resolution, effort=args.effort, surface=not args.no_surface)
    results = json.loads(args.output.read_text()) if args.output.exists() else {}
    fits = 0
    for number, scene in enumerate(args.scenes):
        name, _, rest = scene.partition("=")
        folder, longest, truth = ([*rest.split(":"), "", ""])[:3]
        given = (Path(folder), int(longest) if longest else None)
        wanted = OPTIONS if args.ablate and number == 0 else {"default": {}}
        for option, values in wanted.items():
            if args.nerf and number == 0:
                results[f"{name}, plain NeRF"] = plain_nerf(given[0], args.nerf)
                break
            torch.set_num_threads(1)
            label = name + args.suffix + ("" if option == "default" else f", {option}")
            results[label] = row(*given, Path(truth) if truth else None, replace(config, **values))
            if fits:
                del results[label]["peak_memory"]
            fits += 1
            said = {k: v for k, v in results[label].items() if k not in ("stages", "curve")}
            print(label, json.dumps(said), flush=True)
            args.output.write_text(json.dumps(results, indent=1) + "\n")
        args.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
