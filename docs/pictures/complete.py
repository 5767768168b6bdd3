"""The picture of docs/complete.md: python docs/pictures/complete.py FOLDER MODEL ...

FOLDER is what `benchmarks/complete.py --meshes FOLDER` wrote. A row for each model: the scan, what `complete`
makes of it, and what `gauss` does; then all three from behind.
"""

import sys
from pathlib import Path

import numpy as np

from isofield.data import read_mesh, read_points
from isofield.geometry import Box
from isofield.observation import PointCloud
from isofield.report.picture import Look, draw_mesh, draw_points, write_picture

HERE = Path(__file__).parent


def row(folder: Path, model: str) -> np.ndarray:
    """Pictures of one model, side by side."""
    scan = PointCloud(read_points(folder / f"{model}.scan.ply").points)
    meshes = [read_mesh(folder / f"{model}.{kind}.ply") for kind in ("complete", "gauss")]
    frame = Box.around(np.concatenate([scan.points, meshes[0].vertices]))
    tiles = []
    for turn in (35.0, 215.0):
        look = Look(240, 210, samples=2, frame=frame, floor=False, turn=turn)
        tiles += [draw_points(scan, look, 0.005), *(draw_mesh(mesh, look) for mesh in meshes)]
    return np.concatenate(tiles, 1)


if __name__ == "__main__":
    rows = [row(Path(sys.argv[1]), model) for model in sys.argv[2:]]
    write_picture(HERE / "complete.png", np.concatenate(rows, 0))
