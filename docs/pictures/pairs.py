"""Draw what came in beside the mesh that came out, or many meshes in a grid.

    python docs/pictures/pairs.py LEFT MESH [LEFT MESH ...] -o pairs.png
    python docs/pictures/pairs.py --grid MESH [MESH ...] -o grid.png

LEFT is a picture, points or voxels (.binvox). Points and voxels are seen from where their mesh is seen.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from PIL import Image, ImageDraw
from scans import write_small

from isofield.data import read_mesh, read_points
from isofield.data.binvox import read_binvox
from isofield.data.image import read_image
from isofield.errors import InputError
from isofield.geometry import Box
from isofield.report.cubes import cubes
from isofield.report.picture import Look, draw_mesh, draw_points

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
ARROW = 44
"""Pixels between what came in and the mesh."""


@dataclass(frozen=True)
class Figure:
    """Pairs of what came in and the mesh that came out, or meshes alone, as one picture."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """LEFT MESH [LEFT MESH ...], or meshes only with --grid."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """PNG to write."""
    grid: bool = False
    """All files are meshes, one in each place."""
    columns: int | None = None
    """Pairs or meshes in a row; 2 pairs or 4 meshes if left out."""
    size: int = 320
    """Pixels along the edge of each square."""
    turn: float = 35.0
    """Degrees around the upward axis, from the front."""
    tilt: float = 18.0
    """Degrees above the horizon."""
    up: Literal["x", "y", "z"] = "y"
    samples: int = 4
    """Rays per pixel edge."""
    floor: bool = True
    """A white floor with the object's shadow."""


def figure(args: Figure) -> np.ndarray:
    """The whole picture, in [0, 1]."""
    look = Look(args.size, args.size, args.turn, args.tilt, args.up, samples=args.samples, sky_rays=8)
    look = replace(look, floor=args.floor)
    if args.grid:
        return in_rows([draw_mesh(read_mesh(path), look) for path in args.files], args.columns or 4)
    if len(args.files) % 2:
        raise InputError(f"{len(args.files)} files are no pairs; give LEFT MESH [LEFT MESH ...], or --grid")
    pairs = zip(args.files[::2], args.files[1::2], strict=True)
    return in_rows([pair(left, mesh, look) for left, mesh in pairs], args.columns or 2)


def pair(left: Path, mesh: Path, look: Look) -> np.ndarray:
    """What came in, an arrow, and the mesh."""
    found = read_mesh(mesh)
    if left.suffix.lower() in PICTURES:
        seen = fitted(read_image(left), look.width)
    elif left.suffix.lower() == ".binvox":
        blocks = cubes(read_binvox(left))
        look = replace(look, frame=Box.around(np.concatenate([blocks.vertices, found.vertices])))
        seen = draw_mesh(blocks, look)
    else:
        cloud = read_points(left)
        look = replace(look, frame=Box.around(np.concatenate([cloud.points, found.vertices])))
        seen = draw_points(cloud, look)
    return np.concatenate([seen, arrow(look.height), draw_mesh(found, look)], axis=1)


def fitted(image: np.ndarray, size: int) -> np.ndarray:
    """The picture in the middle of a white square, as large as fits."""
    height, width, _ = image.shape
    scale = size / max(height, width)
    whole = Image.fromarray(np.rint(255 * image).astype(np.uint8))
    whole = whole.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (size, size), "white")
    square.paste(whole, ((size - whole.width) // 2, (size - whole.height) // 2))
    return np.asarray(square, float) / 255


def arrow(height: int) -> np.ndarray:
    """A grey arrow to the right, in the middle of a white strip."""
    fine = 4
    strip = Image.new("RGB", (ARROW * fine, height * fine), "white")
    draw, middle = ImageDraw.Draw(strip), height * fine // 2
    tip, tail, wing = (ARROW - 8) * fine, 8 * fine, 7 * fine
    for start in ((tail, middle), (tip - wing, middle - wing), (tip - wing, middle + wing)):
        draw.line([start, (tip, middle)], fill="#93a1ad", width=2 * fine)
    return np.asarray(strip.resize((ARROW, height), Image.Resampling.BOX), float) / 255


def in_rows(cells: list[np.ndarray], columns: int) -> np.ndarray:
    """Equal pictures row by row; the last row is filled up with white."""
    columns = min(columns, len(cells))
    white = [np.ones_like(cells[0])] * (-len(cells) % columns)
    rows = [*cells, *white]
    lines = [np.concatenate(rows[i : i + columns], axis=1) for i in range(0, len(rows), columns)]
    return np.concatenate(lines, axis=0)


if __name__ == "__main__":
    arguments = tyro.cli(Figure, description=__doc__)
    try:
        write_small(arguments.output, figure(arguments))
    except InputError as error:
        raise SystemExit(f"error: {error}") from error
