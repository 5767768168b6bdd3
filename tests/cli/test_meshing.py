"""Every choice of the extraction from the command line: what it does, and one sentence where it cannot."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.cli import main
from isofield.cli.learned import LEARNED
from isofield.cli.seen import Seen, uncoloured
from isofield.data import read_mesh, read_points, write_points
from isofield.geometry import Box
from isofield.observation import Photo, PointCloud, Voxels
from isofield.systems.stored import shipped_weights


@pytest.fixture
def scan(tmp_path, sphere_cloud, ball_system, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_points(tmp_path / "scan.ply", sphere_cloud)
    return "scan.ply"


@pytest.fixture
def field(tmp_path, monkeypatch):
    """A field file of |x|_1 - 0.4 in a turned frame: an octahedron."""
    monkeypatch.chdir(tmp_path)
    frame = np.linalg.qr([[1, 0.3, -0.2], [0.2, 1, 0.5], [-0.4, 0.1, 1]])[0]
    sides = np.concatenate([frame, -frame], axis=1).astype(np.float32)
    arrays = {"0000.dense.A": sides, "0000.dense.b": np.zeros(6, np.float32), "0001.relu._": np.zeros(0)}
    arrays |= {"0002.dense.A": np.ones((6, 1), np.float32), "0002.dense.b": np.array([-0.4], np.float32)}
    np.savez(tmp_path / "field.npz", **arrays)
    return "field.npz"


def reconstructed(capsys, *words):
    """The record of a run."""
    assert main(["reconstruct", *words, "--json", "--no-report"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_mise_gives_the_grid_of_the_original(scan, capsys):
    record = reconstructed(capsys, scan, "-o", "mise.ply", "--mise", "--resolution", "64")
    assert record["command"][-4:] == ["--resolution", "64", "--mise", "--json"][:4]
    assert record["mesh"]["is_closed"]
    own = reconstructed(capsys, scan, "-o", "own.ply", "--resolution", "64")
    assert record["mesh"]["faces"] == own["mesh"]["faces"]
    radii = np.linalg.norm(read_mesh("mise.ply").vertices - [10, -4, 2], axis=1)
    assert 1e-5 < np.abs(radii - 3).max() < 0.01  # linear between nodes, not on the surface itself


def test_certified_reads_field_files(field, capsys):
    record = reconstructed(capsys, field, "-o", "out.ply", "--certified", "--resolution", "32")
    assert record["mesh"]["is_closed"]
    frame = np.load(field)["0000.dense.A"][:, :3]
    assert np.abs(read_mesh("out.ply").vertices @ frame).sum(axis=1) == pytest.approx(0.4, abs=1e-3)


def test_sharp_keeps_the_edges_of_a_field(field, capsys):
    volumes = [
        reconstructed(capsys, field, "-o", "out.ply", "--resolution", "32", *more)["mesh"]["volume"]
        for more in ([], ["--sharp"])
    ]
    truth = 4 / 3 * 0.4**3
    assert abs(volumes[1] - truth) < 0.2 * abs(volumes[0] - truth)


def test_polish_moves_vertices_and_is_recorded(scan, capsys):
    words = [scan, "--resolution", "24"]
    reconstructed(capsys, *words, "-o", "plain.ply")
    record = reconstructed(capsys, *words, "-o", "polished.ply", "--polish", "3")
    assert "--polish" in record["command"]
    plain, polished = read_mesh("plain.ply"), read_mesh("polished.ply")
    assert np.array_equal(plain.faces, polished.faces)
    assert 0 < np.abs(plain.vertices - polished.vertices).max() < 0.1


def test_memory_writes_the_same_surface_piece_by_piece(scan, capsys):
    record = reconstructed(capsys, scan, "-o", "pieces.ply", "--resolution", "64", "--memory", "8GB")
    whole = reconstructed(capsys, scan, "-o", "whole.ply", "--resolution", "64")
    pieces, mesh = read_mesh("pieces.ply"), read_mesh("whole.ply")
    assert np.array_equal(pieces.faces, mesh.faces)
    assert np.abs(pieces.vertices - mesh.vertices).max() < 1e-5
    assert pieces.normals is None
    assert record["mesh"]["vertices"] == whole["mesh"]["vertices"]
    assert record["mesh"]["pieces"] == 1
    assert not list(Path().glob("*.html"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "m.ply", "--memory", "plenty"], "not a size"),
        (["-o", "m.glb", "--memory", "2GB"], "write a PLY"),
        (["-o", "m.ply", "--memory", "2GB", "--keep", "largest"], "--keep needs the whole mesh"),
        (["-o", "m.ply", "--memory", "2GB", "--sharp"], "--sharp does not work piece by piece"),
        (["-o", "m.ply", "--memory", "50MB", "--resolution", "256"], "too little"),
        (["-o", "m.ply", "--memory", "2GB", "--resolution", "24"], "leave the memory out"),
    ],
)
def test_memory_that_cannot_be_is_one_sentence(scan, words, said, capsys):
    assert main(["reconstruct", scan, *words]) == 2
    assert said in capsys.readouterr().err
    assert not Path("m.ply").exists()


@pytest.mark.parametrize("words", [["--texture"], ["--texture", "128"]])
def test_texture_of_a_glb(scan, capsys, words):
    import trimesh

    record = reconstructed(capsys, scan, "-o", "out.glb", *words)
    assert set(record["seconds"]) >= {"extract", "texture"}
    mesh = trimesh.load("out.glb", process=False).to_geometry()
    image = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"), float) / 255
    assert image.shape[0] == (128 if words[1:] else image.shape[1])
    uv = mesh.visual.uv
    pixels = image[
        np.minimum(((1 - uv[:, 1]) * len(image)).astype(int), len(image) - 1),
        np.minimum((uv[:, 0] * len(image)).astype(int), len(image) - 1),
    ]
    true = (mesh.vertices - [10, -4, 2]) / 6 + 0.5
    assert np.abs(pixels - true).mean() < 0.02


def test_texture_of_an_obj_lies_beside_it(scan, tmp_path, capsys):
    record = reconstructed(capsys, scan, "-o", "out.obj", "--texture", "128")
    named = [output["path"] for output in record["outputs"]]
    assert named == ["out.obj", "out.mtl", "out.texture.png"]
    assert all((tmp_path / name).stat().st_size > 50 for name in named)


def test_size_may_be_left_out_anywhere(scan, capsys):
    reconstructed(capsys, "--texture", scan, "-o", "out.glb")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--mise", "--certified"], "two ways to search for the surface"),
        (["--mise", "--sharp"], "the original knows marching cubes only"),
        (["--mise", "--open"], "--mise closes every surface"),
        (["--mise", "--resolution", "1024"], "ends at 512 cells, not 1024"),
        (["--certified"], "needs a network whose layers are known"),
        (["--certified", "--faces", "100"], "exclude each other"),
        (["--polish", "-1"], "--polish -1 is out of range"),
        (["--polish", "5000"], "--polish 5000 is out of range"),
        (["--texture", "10"], "--texture 10 is out of range"),
        (["--texture", "128", "256"], "more than one size"),
        (["--texture", "-o", "out.ply"], "out.ply has no room for a --texture"),
        (["--texture", "-o", "out.stl"], "write a mesh as .glb or .obj"),
    ],
)
def test_wrong_words_end_in_one_sentence(scan, tmp_path, capsys, words, sentence):
    assert main(["reconstruct", scan, *words, "--quiet"]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"scan.ply"}


def test_a_field_file_has_no_colours(field, tmp_path, capsys):
    assert main(["reconstruct", field, "--texture", "--quiet"]) == 2
    assert "--texture needs colours, and the file holds a shape alone" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"field.npz"}


def test_why_there_are_no_colours():
    points, cube = np.random.default_rng(0).random((9, 3)), np.ones((2, 2, 2), bool)
    plain, coloured = Seen("points", PointCloud(points)), Seen("points", PointCloud(points, colours=points))
    assert uncoloured(plain, "gauss") == "the points have none"
    assert "onet does not pass on" in uncoloured(coloured, "onet")
    assert "shape alone" in uncoloured(Seen("image", Photo(np.ones((4, 4, 3)))), "onet")
    assert uncoloured(Seen("voxels", Voxels(cube, Box.cube())), "gauss") == "voxels have none"


def test_a_field_without_gradient_is_not_polished(scan, monkeypatch, capsys):
    from isofield import systems
    from isofield.scene import Scene

    steps = Scene(inside=lambda p: torch.sign(0.5 - p.norm(dim=1)).detach(), resolution=24)
    monkeypatch.setattr(systems.system_class("ball"), "reconstruct", lambda self, cloud: steps)
    assert main(["reconstruct", scan, "--polish", "2", "--quiet"]) == 2
    assert "has no gradient to follow" in capsys.readouterr().err


def test_a_network_that_sees_nothing_it_knows_says_what_it_has_learned(tmp_path, capsys):
    """A rocking horse is no furniture."""
    scan = Path(__file__).parents[2] / "examples" / "scan.ply"
    write_points(tmp_path / "horse.ply", read_points(scan)[::10])
    assert main(["reconstruct", str(tmp_path / "horse.ply"), "--system", "onet", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "onet as it comes has learned furniture from 300 noisy points" in said
    assert "lies between" in said
    assert "take --system gauss" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["horse.ply"]


def test_every_file_of_weights_is_described():
    folder = shipped_weights("onet", "points").parent
    found = {path.stem for path in folder.glob("*.safetensors")} - {"onet_generative", "onet_nothing"}
    assert found <= set(LEARNED)


def test_a_picture_is_not_shown_to_who_sees_points(tmp_path, ball_system, capsys):
    from PIL import Image

    Image.new("RGB", (32, 32), "white").save(tmp_path / "white.png")
    assert main(["reconstruct", str(tmp_path / "white.png"), "--system", "ball", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "holds pictures, and this system sees points" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["white.png"]
