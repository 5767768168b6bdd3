"""Renders photos of furniture models with known cameras, masks and depths: `make demo-photos`.

    python recipes/demo_photos.py [--output datasets/photos] [--size 200] [--models chair table lamp bear]

Each scene is a folder with transforms.json, images/ (RGBA), depths/ (16 bits), and the truth in the same
frame: mesh.ply, and surface.ply with points of what can be seen from outside, with normals. 48 pictures to
reconstruct from and 12 held out, 200x200. The models are of Blend Swap, CC0, from the Debian package
sweethome3d-furniture, which recipes/furniture.py fetches.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = "BlendSwap-CC-0.sh3f"
MODELS = {"chair": "chairWithCushion", "table": "oakTable", "lamp": "desklamp", "bear": "teddyBear"}
POINTS = 100_000


def main() -> int:
    """Exit code 0 when all scenes are written, 2 with a sentence when something is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "datasets" / "photos")
    parser.add_argument("--downloads", type=Path, default=ROOT / "datasets" / "downloads")
    parser.add_argument("--size", type=int, default=200, help="pixels along an edge")
    parser.add_argument("--models", nargs="+", choices=[*MODELS], default=[*MODELS])
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT / "recipes"))
    from furniture import fetch

    try:
        archive = fetch(args.downloads) / ARCHIVE
    except RuntimeError as error:
        print(f"demo_photos: {error}", file=sys.stderr)
        return 2
    for name in args.models:
        start = time.perf_counter()
        write_scene(archive, MODELS[name], args.output / name, args.size)
        print(f"{args.output / name}: {time.perf_counter() - start:.0f} s")
    return 0


def write_scene(archive: Path, model_name: str, folder: Path, size: int) -> None:
    """The photos of one model, and its surface."""
    from isofield.data.models import find_models
    from isofield.data.rendered_photos import Tour, photographed_around
    from isofield.data.sampling import normalised
    from isofield.data.surfaces import outer_surface
    from isofield.data.transforms_writing import write_transforms
    from isofield.data.writing import write_mesh, write_points
    from isofield.observation import PointCloud

    (model,) = [m for m in find_models([archive]) if m.id.split("-")[-1] == model_name]
    write_transforms(folder, photographed_around(model.read_painted(), replace(Tour(), size=size)))
    mesh = model.read()
    write_mesh(folder / "mesh.ply", mesh)
    unit, loc, scale = normalised(mesh)
    points, normals = outer_surface(unit, POINTS, seed=0)
    write_points(folder / "surface.ply", PointCloud(points * scale + loc, normals))


if __name__ == "__main__":
    raise SystemExit(main())
