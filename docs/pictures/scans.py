"""Draw the gallery of real scans again: `python docs/pictures/scans.py CLOUDS [NAME ...]`.

CLOUDS is a folder with clouds of the Point Cloud Library's data repository; they are not shipped.
"""

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from isofield.cli import main
from isofield.data import atomic_write, read_mesh
from isofield.geometry import Box, Mesh
from isofield.report.picture import Look, draw_mesh

HERE = Path(__file__).parent / "scans"


@dataclass(frozen=True)
class Subject:
    """A cloud, how it is reconstructed and from where it is seen."""

    file: str
    options: tuple[str, ...]
    look: Look
    low: tuple[float, float, float] = (-np.inf,) * 3
    high: tuple[float, float, float] = (np.inf,) * 3
    """Faces outside this box are cut away, in the frame of the scan."""
    camera_frame: bool = False
    """Whether y points down and z away from the camera, as in depth pictures."""


SUBJECTS = {
    "terrain": Subject("CSite1_red1-utm.pcd", ("--open",), Look(up="z", turn=30, tilt=42)),
    "room": Subject(
        "room_scan1.pcd",
        ("--open", "--sensor=0,0,0"),
        Look(up="z", turn=25, tilt=58),
        (-6.5, -5.5, -2.0),
        (7.5, 6.5, 1.0),
    ),
    "table": Subject(
        "table_scene_mug_stereo_textured.pcd",
        ("--open",),
        Look(turn=20, tilt=30, floor=False),
        high=(1.0, 1.0, 1.25),
        camera_frame=True,
    ),
    "face": Subject("model.pcd", ("--open",), Look(turn=25, tilt=4, floor=False), camera_frame=True),
    "cat": Subject("ism_train_cat.pcd", (), Look(up="z", turn=60, tilt=15)),
    "horse": Subject("ism_train_horse.pcd", (), Look(up="z", turn=60, tilt=15)),
}


def picture(subject: Subject, clouds: Path) -> np.ndarray:
    """The mesh that the command line makes of the cloud."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "mesh.ply"
        words = ["reconstruct", str(clouds / subject.file), "-o", str(output), "--quiet", "--no-report"]
        assert main([*words, *subject.options]) == 0
        mesh = read_mesh(output)
    corners = mesh.vertices[mesh.faces]
    mesh = mesh.with_faces(((corners > subject.low) & (corners < subject.high)).all(axis=(1, 2)))
    if subject.camera_frame:
        mesh = upright(mesh)
    look = replace(subject.look, width=600, height=450, samples=3, sky_rays=4)
    return draw_mesh(mesh, replace(look, frame=Box.around(mesh.vertices)))


def upright(mesh: Mesh) -> Mesh:
    """Half a turn around x."""
    turn = np.array([1.0, -1, -1])
    return replace(
        mesh, vertices=mesh.vertices * turn, normals=None if mesh.normals is None else mesh.normals * turn
    )


def write_small(path: Path, image: np.ndarray) -> None:
    """A PNG of 160 colours: a third of the bytes."""
    rgb = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    with atomic_write(path) as temporary:
        rgb.quantize(160, dither=Image.Dither.NONE).save(temporary, format="PNG", optimize=True)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name in sys.argv[2:] or SUBJECTS:
        write_small(HERE / f"{name}.png", picture(SUBJECTS[name], Path(sys.argv[1])))
