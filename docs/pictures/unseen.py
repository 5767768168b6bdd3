"""The picture of docs/representation.md: python docs/pictures/unseen.py FOLDER CATEGORY/MODEL ...

FOLDER is what `benchmarks/unseen.py --meshes FOLDER` wrote. A column for each model: as it is, and what
each of the trained systems made of it.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isofield.data import read_mesh
from isofield.data.judging import clearest
from isofield.data.models import find_models
from isofield.data.sampling import normalised
from isofield.geometry import Box, Mesh
from isofield.observation import PointCloud
from isofield.report.picture import Look, beads, draw_mesh

HERE = Path(__file__).parent
DOWNLOADS = HERE.parents[1] / "datasets" / "downloads"
SYSTEMS = ("gauss", "onet", "imnet", "deepsdf", "ldif", "voxel_decoder", "atlasnet", "psgn")
NAME = 112
"""Pixels left of each row for its name."""


def made(path: Path) -> Mesh | None:
    """What a system made; None where it found no surface. Points become beads."""
    if not path.exists():
        return None
    mesh = read_mesh(path)
    return mesh if len(mesh.faces) else beads(PointCloud(mesh.vertices), 0.008)


def line(meshes: list[Mesh | None], name: str) -> np.ndarray:
    """Pictures side by side, with a name before them."""
    look = Look(180, 160, samples=2, frame=Box.cube(0.9), floor=False)
    tiles = [np.ones((160, 180, 3)) if mesh is None else draw_mesh(mesh, look) for mesh in meshes]
    label = Image.new("RGB", (NAME, 160), "white")
    font = ImageFont.load_default(14)
    ImageDraw.Draw(label).text((NAME - 6, 80), name, "#333", font, anchor="rm")
    return np.concatenate([np.asarray(label) / 255, *tiles], 1)


def main() -> None:
    """Writes unseen.png."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    models = {f"{m.category}/{m.id}": m for m in find_models(sorted(DOWNLOADS.glob("**/*.sh3f")))}
    truth: list[Mesh | None] = [clearest(normalised(models[name].read())[0], 0).mesh for name in names]
    lines = [line(truth, "as it is")]
    lines += [line([made(folder / kind / f"{name}.ply") for name in names], kind) for kind in SYSTEMS]
    picture = Image.fromarray(np.round(np.concatenate(lines, 0) * 255).astype(np.uint8))
    picture.quantize(96).save(HERE / "unseen.png", optimize=True)


if __name__ == "__main__":
    main()
