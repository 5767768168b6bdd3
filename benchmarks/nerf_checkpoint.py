"""A NeRF that others have trained: its pictures against those that were held out, in decibels.

    python benchmarks/nerf_checkpoint.py CHECKPOINT PHOTOS [--size 100] [--pictures N] [--way published]

CHECKPOINT is the widely used FlexibleNeRF of the lego scene, PHOTOS the folder of its 400 x 400 pictures
with `split` in transforms.json. The held-out pictures, on black, are averaged over blocks of pixels; rays
go where the official code sends them: through the corners of its training pixels, displaced by half a
pixel from their middles, so pixel i of the small picture is seen at (4 i + 1.5) / 4 in its own units.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isofield.data.photos import read_views
from isofield.data.ray_source import bounded_rays, psnr
from isofield.geometry.camera import Camera
from isofield.geometry.rays import Rays
from isofield.official.nerf import as_trained, nerf_from_official, read_networks
from isofield.render.image import SAMPLES
from isofield.render.occupancy import Counted, Occupancy, render_pruned
from isofield.render.volume import Rendered, render_all
from isofield.report.picture import write_picture
from isofield.systems.nerf import NeRF

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=None)
    parser.add_argument("--way", choices=["published", "pruned"], action="append")
    args = parser.parse_args()
    system = nerf_from_official(read_networks(args.checkpoint))
    held = held_out(args.photos, args.size, args.pictures)
    file = RESULTS / "nerf_checkpoint.json"
    record = json.loads(file.read_text()) if file.exists() else {}
    ways = {"published": published, "pruned": pruned}
    for way in args.way or ways:
        record |= {"pictures": len(held), "size": args.size, way: ways[way](system, held)}
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(record | {"threads": torch.get_num_threads()}, indent=1) + "\n")
    print(file.read_text())


def held_out(photos: Path, size: int, count: int | None) -> list[tuple[np.ndarray, Camera]]:
    """Pictures on black, and the cameras that official weights see them from."""
    views, _ = read_views(photos, size)
    whole, _ = read_views(photos)
    shrunk = size / whole.images[0].shape[1]
    held = views[[k for k, h in enumerate(views.held_out or []) if h][:count]]
    return [(truth, as_trained(c, shrunk)) for truth, c in zip(held.on(0.0), held.cameras, strict=True)]


def compared(
    system: NeRF, held: list[tuple[np.ndarray, Camera]], render: Callable[[Rays], Rendered]
) -> tuple[dict[str, Any], list[tuple[np.ndarray, Rendered]]]:
    """Decibels of every picture, speed, and what was seen."""
    decibels, seen, began = [], [], time.monotonic()
    for truth, camera in held:
        height, width = truth.shape[:2]
        found = render(bounded_rays(camera, height, width, system.world_from_scene, system.bounds))
        decibels.append(psnr(float(np.square(found.colour.view(height, width, 3).numpy() - truth).mean())))
        seen.append((truth, found))
        print(f"{len(seen)} of {len(held)}: {decibels[-1]:.2f} dB", flush=True)
    seconds = time.monotonic() - began
    count = sum(truth.shape[0] * truth.shape[1] for truth, _ in held)
    speed = {"seconds": seconds, "rays_per_second": count / seconds}
    return {"psnr": float(np.mean(decibels)), "psnr_each": decibels, **speed}, seen


def published(system: NeRF, held: list[tuple[np.ndarray, Camera]]) -> dict[str, Any]:
    """Both networks at all samples; draws picture, rendering and depth of the first four."""
    record, seen = compared(system, held, system.looked)
    rows = []
    for truth, found in seen[:4]:
        depth = (found.depth / found.depth.max()).view(*truth.shape[:2], 1).expand(-1, -1, 3).numpy()
        rows.append(np.concatenate([truth, found.colour.view(truth.shape).numpy(), depth], 1))
    write_picture(RESULTS / "nerf_checkpoint.png", np.concatenate(rows, 0).clip(0, 1))
    return record | {"samples_per_ray": [system.config.coarse, system.config.coarse + system.config.fine]}


def pruned(system: NeRF, held: list[tuple[np.ndarray, Camera]]) -> dict[str, Any]:
    """The fine network in full cells only."""
    scene, counted, began = system.reconstruct(), Counted(), time.monotonic()
    radiance = scene.radiance
    assert radiance is not None
    occupancy = Occupancy.of(lambda p: radiance(p, p)[0], scene.box)
    prepared, step = time.monotonic() - began, float(scene.box.extent.max()) / SAMPLES

    def render(rays: Rays) -> Rendered:
        return render_all(lambda some: render_pruned(radiance, some, occupancy, step, counted=counted), rays)

    record, _ = compared(system, held, render)
    work = {"samples_per_ray": counted.per_ray, "share_of_cells_full": occupancy.share}
    return record | work | {"seconds_to_prepare": prepared}


if __name__ == "__main__":
    main()
