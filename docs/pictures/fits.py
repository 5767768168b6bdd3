"""Pictures of the pages of systems that learn shapes by heart, of what `isofield bench representation` drew.

    python docs/pictures/fits.py BENCH

For each system SYSTEM.png: some shapes as they are, and below what the system made of them; and
representation.png, one shape in every representation.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isofield.report.representation import called
from isofield.systems.fits import FITS

HERE = Path(__file__).parent
SHAPES = ("teddyBear", "kitchenChair", "coffee_machine", "bidet")
ONE = "teddyBear"
TRUTH = "mesh_256k"
COLUMNS = 5


def picture(bench: Path, shape: str, name: str) -> Image.Image:
    """What was drawn; white where there is nothing."""
    path = bench / "pictures" / shape / f"{name}.png"
    return Image.open(path).convert("RGB") if path.exists() else Image.new("RGB", (240, 200), "white")


def strip(bench: Path, name: str) -> Image.Image:
    """The shapes above, what the system made of them below."""
    rows = [[picture(bench, shape, kind) for shape in SHAPES] for kind in (TRUTH, name)]
    return Image.fromarray(np.concatenate([np.concatenate(list(map(np.asarray, row)), 1) for row in rows], 0))


def everything(bench: Path) -> Image.Image:
    """One shape in every representation, with its name and error."""
    rows = [row for row in json.loads((bench / "results.json").read_text()) if row["shape"] == ONE]
    tiles = []
    for row in rows:
        tile = Image.new("RGB", (240, 240), "white")
        tile.paste(picture(bench, ONE, row["representation"]), (0, 0))
        words = called(row["representation"]).replace("³", "^3") + (
            f"\nerror {row['error']:.4f}" if "error" in row else "\nno surface"
        )
        ImageDraw.Draw(tile).multiline_text(
            (120, 202), words, "#333", ImageFont.load_default(14), anchor="ma", align="center"
        )
        tiles.append(np.asarray(tile))
    while len(tiles) % COLUMNS:
        tiles.append(np.full_like(tiles[0], 255))
    lines = [np.concatenate(tiles[k : k + COLUMNS], 1) for k in range(0, len(tiles), COLUMNS)]
    return Image.fromarray(np.concatenate(lines, 0))


def main() -> None:
    """Writes them all."""
    bench = Path(sys.argv[1])
    everything(bench).quantize(128).save(HERE / "representation.png", optimize=True)
    for name in FITS:
        strip(bench, name).quantize(64).save(HERE / f"fit_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
