"""The surface of a NeRF that others have trained: extracted, coloured, written and drawn.

    python benchmarks/nerf_mesh.py CHECKPOINT [--resolution 256] [--level 10] [--output lego.ply]

The level is a density; towards lower ones the surface is closer to the haze that every NeRF has, towards
higher ones thin parts break. Pictures go beside the mesh.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from isofield.data import write_mesh
from isofield.extract import extract_mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.official.nerf import infer_config, nerf_from_official, read_networks
from isofield.report.picture import Look, draw_mesh, write_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--level", type=float, default=10.0)
    parser.add_argument("--output", type=Path, default=Path("lego.ply"))
    args = parser.parse_args()
    networks = read_networks(args.checkpoint)
    system = nerf_from_official(networks, replace(infer_config(networks), level=args.level))
    scene = system.reconstruct()
    assert scene.inside is not None
    began = time.monotonic()
    mesh = extract_mesh(
        scene.inside, scene.box, resolution=args.resolution, coarse=64, colour=scene.colour, keep=0.01
    )
    mesh = mesh.transformed(scene.world_from_scene)
    seconds = time.monotonic() - began
    write_mesh(args.output, mesh)
    look = Look(width=640, height=560, up="z", turn=-35.0, tilt=25.0)
    pictures = [draw_mesh(replace(mesh, colours=colours), look) for colours in (mesh.colours, None)]
    write_picture(args.output.with_suffix(".png"), np.concatenate(pictures, 1))
    found = {
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "seconds": seconds,
        "level": args.level,
    }
    print(json.dumps(found | {"is_closed": check_mesh(mesh).is_closed}))


if __name__ == "__main__":
    main()
