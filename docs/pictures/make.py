"""Draw the pictures of the documentation again: `python docs/pictures/make.py`."""

import tempfile
from pathlib import Path

import numpy as np

from isofield.cli import main
from isofield.data import read_mesh, read_points
from isofield.geometry import Box
from isofield.report.picture import Look, draw_mesh, draw_points, write_picture

HERE = Path(__file__).parent
SCAN = HERE.parent.parent / "examples" / "scan.ply"


def rocking_horse() -> None:
    """The scan that ships and its mesh, side by side."""
    cloud = read_points(SCAN)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "mesh.ply"
        assert main(["reconstruct", str(SCAN), "-o", str(output), "--quiet", "--no-report"]) == 0
        mesh = read_mesh(output)
    look = Look(width=560, height=440, samples=4, sky_rays=12, frame=Box.around(cloud.points))
    pair = np.concatenate([draw_points(cloud, look), draw_mesh(mesh, look)], axis=1)
    write_picture(HERE / "rocking_horse.png", pair)


if __name__ == "__main__":
    rocking_horse()
