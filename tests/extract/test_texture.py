"""Baked textures: every point of the surface finds its own colour in the picture."""

import sys

import numpy as np
import pytest
import torch

from isofield.data import read_mesh, write_mesh
from isofield.extract import extract_mesh, texture, unwrap
from isofield.extract.texture import bake_texture, surface_of_texels
from isofield.geometry import Box, Mesh
from isofield.geometry.mesh_checks import check_mesh

SIZE = 256


def torus(p):
    return 0.15 - ((p[:, :2].norm(dim=1) - 0.3) ** 2 + p[:, 2] ** 2).sqrt()


def waves(p):
    return 0.5 + 0.5 * torch.sin(torch.tensor([6.0, 7.0, 8.0]) * p)


@pytest.fixture(scope="module")
def ring() -> Mesh:
    return extract_mesh(torus, Box.cube(1.1), resolution=32, coarse=16, normals="faces")


@pytest.fixture(scope="module")
def baked(ring) -> Mesh:
    result = bake_texture(ring, waves, SIZE)
    assert result.note is None
    return result.mesh


def sampled(image, uv):
    """Bilinear samples, written plainly."""
    at = uv * (image.shape[1], image.shape[0]) - 0.5
    low = np.floor(at).astype(int)
    share = at - low
    total = 0.0
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - share[:, 0]) * np.abs(1 - dy - share[:, 1])
            row, column = np.clip(low[:, 1] + dy, 0, None), np.clip(low[:, 0] + dx, 0, None)
            total = total + weight[:, None] * image[row.clip(max=SIZE - 1), column.clip(max=SIZE - 1)]
    return total / 255


def test_the_picture_shows_the_colour_of_each_point(baked):
    """Corners and edges of faces included, where neighbours of charts would bleed in.

    Colours change by up to 0.03 from texel to texel where charts are not stretched; a few slivers are.
    """
    random = np.random.default_rng(0)
    for weights in (random.dirichlet((1, 1, 1), len(baked.faces)), np.eye(3)[[0]], np.array([[0.5, 0.5, 0]])):
        points = (weights[..., None] * baked.vertices[baked.faces]).sum(axis=1)
        uv = (weights[..., None] * baked.texture.uv).sum(axis=1)
        wanted = waves(torch.tensor(points)).numpy()
        error = np.abs(sampled(baked.texture.image.astype(float), uv) - wanted)
        assert np.quantile(error, 0.999) < 0.1
        assert error.max() < 0.3
        assert error.mean() < 0.005


def test_the_mesh_itself_stays(ring, baked):
    np.testing.assert_array_equal(baked.faces, ring.faces)
    np.testing.assert_array_equal(baked.vertices, ring.vertices)
    assert check_mesh(baked).is_sound
    assert baked.texture.image.shape == (SIZE, SIZE, 3)


def test_charts_lie_apart(baked):
    """No texel's centre lies in two faces."""
    covered = np.zeros((SIZE, SIZE), int)
    for corners in baked.texture.uv * SIZE:
        low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        turns = [
            (v[0] - u[0]) * (y - u[1]) - (v[1] - u[1]) * (x - u[0])
            for u, v in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        ]
        inside = (np.min(turns, 0) > 1e-9) | (np.max(turns, 0) < -1e-9)
        covered[low[1] : high[1], low[0] : high[0]] += inside
    assert covered.max() == 1
    assert covered.mean() > 0.3


def test_texels_find_their_nearest_point():
    """Every texel against all faces, plainly by many samples of each face."""
    random = np.random.default_rng(1)
    uv, size = random.random((5, 3, 2)) * 0.2 + random.random((5, 1, 2)) * 0.8, 24
    face, weights = surface_of_texels(uv, size)
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60)), -1).reshape(-1, 2)
    grid = grid[grid.sum(1) <= 1 + 1e-9]
    spots = np.einsum("nk,fkc->fnc", np.column_stack([1 - grid.sum(1), grid]), uv * size)
    centres = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2) + 0.5
    nearest = np.linalg.norm(centres[:, None, None] - spots, axis=-1).min(axis=(1, 2))
    assert (face[nearest < texture.RIM - 0.1] >= 0).all()
    assert (face[nearest > texture.RIM + 0.1] < 0).all()
    hit = face >= 0
    found = np.einsum("nk,nkc->nc", weights[hit], uv[face[hit]] * size)
    assert (np.linalg.norm(found - centres[hit], axis=1) <= nearest[hit] + 1e-9).all()
    assert weights[hit].min() >= 0
    assert weights[hit].sum(1) == pytest.approx(1)


def test_textured_glb_is_what_trimesh_reads(tmp_path, baked):
    import trimesh

    write_mesh(tmp_path / "a.glb", baked)
    other = trimesh.load(tmp_path / "a.glb", force="mesh", process=False)
    source, uv, faces = baked.texture.along_seams(baked.faces)
    np.testing.assert_array_equal(other.faces, faces)
    np.testing.assert_allclose(other.vertices, baked.vertices[source], atol=1e-6)
    assert np.abs(other.visual.uv - np.column_stack([uv[:, 0], 1 - uv[:, 1]])).max() < 1e-6
    picture = np.asarray(other.visual.material.baseColorTexture.convert("RGB"))
    np.testing.assert_array_equal(picture, baked.texture.image)


def test_colours_come_back_from_a_textured_glb(tmp_path, baked):
    write_mesh(tmp_path / "a.glb", baked)
    back = read_mesh(tmp_path / "a.glb")
    wanted = waves(torch.tensor(back.vertices)).numpy()
    error = np.abs(back.colours - wanted)
    assert np.quantile(error, 0.998) < 0.1
    assert error.max() < 0.3


def test_the_same_bytes_again(tmp_path, ring, baked):
    write_mesh(tmp_path / "a.glb", baked)
    write_mesh(tmp_path / "b.glb", bake_texture(ring, waves, SIZE).mesh)
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_large_meshes_are_simplified_first(ring):
    result = bake_texture(ring, waves, 64, faces=500)
    assert len(result.mesh.faces) <= 500
    assert (
        result.note
        == f"simplified from {len(ring.faces)} to {len(result.mesh.faces)} faces to carry the texture"
    )


@pytest.mark.parametrize(
    ("program", "seconds", "reason"),
    [
        ("import time; time.sleep(60)", 0.5, "xatlas did not finish within 0.5 s"),
        ("raise MemoryError('too much')", 60.0, "xatlas ended with code 1 MemoryError: too much"),
        ("pass", 60.0, "xatlas gave no charts"),
    ],
)
def test_without_charts_vertices_get_the_colours(ring, monkeypatch, tmp_path, program, seconds, reason):
    script = tmp_path / "atlas.py"
    script.write_text(program)
    monkeypatch.setattr(unwrap, "PROGRAM", script)
    result = bake_texture(ring, waves, SIZE, faces=500, seconds=seconds)
    assert result.note == f"no texture was made, the colours are those of the vertices: {reason}"
    assert result.mesh.texture is None
    assert len(result.mesh.faces) == len(ring.faces)
    np.testing.assert_allclose(result.mesh.colours, waves(torch.tensor(ring.vertices)), atol=1e-5)


def test_a_mesh_without_area_has_no_charts():
    flat = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    assert bake_texture(flat, waves, 64).mesh.texture is None


def test_sizes():
    square = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    assert texture._size(square, None, 0.01) == 128  # 0.5 / 0.6 of the square, 91 texels
    assert texture._size(square, None, 1e-9) == texture.LARGEST
    assert texture._size(square, None, 10.0) == texture.SMALLEST
    with pytest.raises(ValueError, match="between 64 and 8192"):
        texture._size(square, 20, None)
    with pytest.raises(ValueError, match="or the length of a texel"):
        texture._size(square, None, None)


def test_the_program_runs_without_isofield():
    """It must start at once: no torch."""
    assert "isofield" not in unwrap.PROGRAM.read_text().split('"""')[2]
    assert sys.version_info >= (3, 11)  # for -P
