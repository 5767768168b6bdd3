"""Textured OBJ files, read by trimesh."""

import numpy as np
import pytest
import trimesh
from PIL import Image

from isofield.data.textured_obj import write_textured_obj
from isofield.errors import InputError
from isofield.geometry import Mesh, Texture

CORNERS = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0], [1, 0.5, 3]], float)
FACES = np.array([[0, 2, 1], [0, 3, 2], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])


@pytest.fixture
def pyramid():
    """Each face is a chart of its own, so that corners part everywhere."""
    draw = np.random.default_rng(0)
    image = draw.integers(0, 255, (16, 16, 3)).astype(np.uint8)
    mesh = Mesh(CORNERS, FACES, texture=Texture(draw.random((6, 3, 2)), image))
    return Mesh(CORNERS, FACES, mesh.vertex_normals(), texture=mesh.texture)


def test_every_corner_finds_its_place(pyramid, tmp_path):
    path = tmp_path / "pyramid.obj"
    write_textured_obj(path, pyramid)
    read = trimesh.load(path, process=False)
    corners = read.vertices[read.faces]
    assert corners == pytest.approx(CORNERS[FACES], abs=1e-6)
    uv = read.visual.uv[read.faces]
    assert uv[..., 0] == pytest.approx(pyramid.texture.uv[..., 0], abs=1e-6)
    assert uv[..., 1] == pytest.approx(1 - pyramid.texture.uv[..., 1], abs=1e-6)
    assert np.array_equal(np.asarray(read.visual.material.image.convert("RGB")), pyramid.texture.image)


def test_the_file_keeps_the_mesh_closed(pyramid, tmp_path):
    write_textured_obj(tmp_path / "pyramid.obj", pyramid)
    lines = (tmp_path / "pyramid.obj").read_text().splitlines()
    assert sum(line.startswith("v ") for line in lines) == 5
    assert sum(line.startswith("vt ") for line in lines) == 18
    assert sum(line.startswith("f ") for line in lines) == 6
    assert (tmp_path / "pyramid.mtl").read_text().endswith("map_Kd pyramid.texture.png\n")
    with Image.open(tmp_path / "pyramid.texture.png") as image:
        assert image.size == (16, 16)


def test_the_same_mesh_gives_the_same_bytes(pyramid, tmp_path):
    written = []
    for _ in range(2):
        write_textured_obj(tmp_path / "a.obj", pyramid)
        written.append([(tmp_path / f"a{end}").read_bytes() for end in (".obj", ".mtl", ".texture.png")])
    assert written[0] == written[1]


def test_names_that_obj_cannot_quote(pyramid, tmp_path):
    with pytest.raises(InputError, match="white space"):
        write_textured_obj(tmp_path / "my pyramid.obj", pyramid)
    assert not list(tmp_path.iterdir())


def test_without_texture_there_is_nothing_to_write(tmp_path):
    with pytest.raises(ValueError, match="without texture"):
        write_textured_obj(tmp_path / "a.obj", Mesh(CORNERS, FACES))
