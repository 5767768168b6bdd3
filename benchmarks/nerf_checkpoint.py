"""A NeRF that others have trained: its pictures against those that were held out, in decibels.

    python benchmarks/nerf_checkpoint.py CHECKPOINT PHOTOS [--size 100] [--pictures N]

CHECKPOINT is the widely used FlexibleNeRF of the lego scene, PHOTOS the folder of its 400 x 400 pictures
with `split` in transforms.json. The held-out pictures, on black, are averaged over blocks of pixels; rays
go where the official code sends them: through the corners of its training pixels, displaced by half a
pixel from their middles, so pixel i of the small picture is seen at (4 i + 1.5) / 4 in its own units.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from isofield.data.photos import read_views
from isofield.data.ray_source import bounded_rays, psnr
from isofield.official.nerf import as_trained, nerf_from_official, read_networks
from isofield.report.picture import write_picture

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=None)
    args = parser.parse_args()
    system = nerf_from_official(read_networks(args.checkpoint))
    views, _ = read_views(args.photos, args.size)
    whole, _ = read_views(args.photos)
    shrunk = args.size / whole.images[0].shape[1]
    held = [k for k, h in enumerate(views.held_out or []) if h][: args.pictures]
    pictures = views[held].on(0.0)
    found: dict[str, list[float]] = {"as trained": [], "half a pixel off": []}
    rows, began, rays_done = [], time.monotonic(), 0
    for truth, camera in zip(pictures, views[held].cameras, strict=True):
        height, width = truth.shape[:2]
        rays = bounded_rays(as_trained(camera, shrunk), height, width, system.world_from_scene, system.bounds)
        seen = system.looked(rays)
        image = seen.colour.view(height, width, 3).numpy()
        found["as trained"].append(psnr(float(np.square(image - truth).mean())))
        rows.append(
            (truth, image, (seen.depth / seen.depth.max()).view(height, width, 1).expand(-1, -1, 3).numpy())
        )
        rays_done += len(rays)
        print(f"{len(rows)} of {len(held)}: {found['as trained'][-1]:.2f} dB", flush=True)
    seconds = time.monotonic() - began
    truth, camera = pictures[0], views[held].cameras[0]
    naive = system.picture(camera, *truth.shape[:2]).numpy()
    found["half a pixel off"].append(psnr(float(np.square(naive - truth).mean())))
    record = {
        "pictures": len(held),
        "size": args.size,
        "psnr": float(np.mean(found["as trained"])),
        "psnr_each": found["as trained"],
        "psnr_first_picture_through_pixel_middles": found["half a pixel off"][0],
        "seconds": seconds,
        "rays_per_second": rays_done / seconds,
        "samples_per_ray": [system.config.coarse, system.config.coarse + system.config.fine],
        "threads": torch.get_num_threads(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "nerf_checkpoint.json").write_text(json.dumps(record, indent=1) + "\n")
    shown = np.concatenate([np.concatenate(row, 1) for row in rows[:4]], 0).clip(0, 1)
    write_picture(RESULTS / "nerf_checkpoint.png", shown)
    print(json.dumps({k: v for k, v in record.items() if k != "psnr_each"}, indent=1))


if __name__ == "__main__":
    main()
