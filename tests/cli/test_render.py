"""`isofield render` from files to films and pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from isofield.cli import main
from isofield.cli.journey import along
from isofield.cli.render import Render, journey, opened
from isofield.data import write_mesh
from isofield.data.transforms_writing import write_transforms
from isofield.extract import extract_mesh
from isofield.geometry import Box
from isofield.geometry.camera import Camera
from isofield.observation import Views
from isofield.render.image import Painter
from isofield.systems.nerf import NeRF, NeRFConfig
from isofield.systems.onet import ONet, ONetConfig
from isofield.training.weights import save_weights

SIZE = ["--width", "16", "--height", "12", "--quiet"]


@pytest.fixture
def ball(tmp_path):
    mesh = extract_mesh(lambda p: 0.4 - p.norm(dim=1), Box.cube(1.0), resolution=16)
    write_mesh(tmp_path / "ball.ply", mesh)
    return str(tmp_path / "ball.ply")


@pytest.fixture
def learnt(tmp_path):
    torch.manual_seed(0)
    config = NeRFConfig(depth=2, width=8, skips=(), octaves=1, coarse=4, fine=4)
    system = NeRF(config)
    with torch.no_grad():
        system.fine.density.bias += 30
    save_weights(tmp_path / "scene.safetensors", "nerf", config, system.state_dict())
    return str(tmp_path / "scene.safetensors")


def test_a_mesh_becomes_a_folder_of_pictures_from_all_around(ball, tmp_path):
    assert main(["render", ball, "-o", str(tmp_path / "out"), "--frames", "3", *SIZE]) == 0
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == ["0.png", "1.png", "2.png"]
    picture = np.asarray(Image.open(files[0]))
    assert picture.shape == (12, 16, 3)
    assert (picture[0, 0] == 255).all()
    assert picture[6, 8].max() < 255


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_has_its_frames(ball, tmp_path, suffix):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    film = tmp_path / f"ball{suffix}"
    words = ["render", ball, "-o", str(film), "--frames", "4", "--width", "64", "--height", "48", "--quiet"]
    assert main(words) == 0
    if suffix == ".mp4":
        assert ffmpeg.count_frames_and_secs(str(film))[0] == 4
    else:
        with Image.open(film) as frames:
            assert frames.size == (64, 48)
            assert frames.n_frames >= 1  # equal frames may have been joined


def test_a_learnt_scene_is_seen_as_light_and_as_a_surface(learnt, tmp_path, capsys):
    picture = tmp_path / "one.png"
    words = ["render", learnt, "-o", str(picture), "--width", "16", "--height", "12"]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["show"] == "colour"
    assert float(record["samples per ray"]) > 0
    first = np.asarray(Image.open(picture))
    assert main([*words, "--show", "depth", "--quiet"]) == 0
    assert not np.array_equal(first, np.asarray(Image.open(picture)))


def test_it_goes_along_the_cameras_of_photos(ball, tmp_path):
    cameras = [Camera.orbiting(0.3 * k, 0.2, 3.0, 20.0, 16) for k in range(3)]
    blank = [np.zeros((16, 16, 3), np.float32)] * 3
    write_transforms(tmp_path / "photos", Views(blank, cameras, ["a.png", "b.png", "c.png"]))
    words = ["render", ball, "--path", str(tmp_path / "photos"), *SIZE]
    assert main([*words, "-o", str(tmp_path / "each")]) == 0
    assert len(list((tmp_path / "each").iterdir())) == 3
    assert main([*words, "-o", str(tmp_path / "more"), "--frames", "7"]) == 0
    assert len(list((tmp_path / "more").iterdir())) == 7


def test_frames_between_shuffled_cameras_go_around_the_object(ball, tmp_path):
    """Listed in no order, on a half circle: every frame still shows the ball in the middle, from as far."""
    angles = np.linspace(0.0, np.pi, 9)[[4, 0, 7, 2, 8, 1, 5, 3, 6]]
    cameras = [Camera.orbiting(angle, 0.2, 3.0, 20.0, 16) for angle in angles]
    blank = [np.zeros((16, 16, 3), np.float32)] * 9
    write_transforms(tmp_path / "photos", Views(blank, cameras, [f"{k}.png" for k in range(9)]))
    out = str(tmp_path / "out")
    args = Render(Path(ball), Path(out), Path(tmp_path / "photos"), 25, width=16, height=16)
    found = journey(args, Painter(opened(Path(ball))))
    centres = np.stack([camera.centre for camera in found])
    assert np.linalg.norm(centres, axis=1) == pytest.approx(3.0)
    assert np.linalg.norm(np.diff(centres, axis=0), axis=1).max() < 3 * np.pi / 24 * 1.2
    for camera in found:
        assert camera.project(np.zeros((1, 3)))[0][0] == pytest.approx([8, 8])
    listed = journey(replace(args, frames=None), Painter(opened(Path(ball))))
    assert [c.centre[0] for c in listed] == pytest.approx([c.centre[0] for c in cameras])


def test_cameras_that_look_outward_are_joined_by_straight_lines():
    turn = [Camera.orbiting(angle, 0.0, 1.0, 20.0, 16) for angle in (0.0, 0.8, 1.6)]
    away = np.diag([-1.0, 1, -1])  # each turned around on the spot
    cameras = [Camera(c.pixel_from_camera, away @ c.camera_from_world) for c in turn]
    middle = along(cameras, 5)[1].centre
    assert middle == pytest.approx((cameras[0].centre + cameras[1].centre) / 2)


def test_a_folder_with_a_scene_is_taken_for_it(learnt, tmp_path, capsys):
    assert main(["render", str(tmp_path), "-o", str(tmp_path / "one.png"), *SIZE]) == 0
    (tmp_path / "empty").mkdir()
    assert main(["render", str(tmp_path / "empty"), "-o", str(tmp_path / "two.png"), *SIZE]) == 2
    assert "is a folder without scene.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.ply", "-o", "out"], "there is no file"),
        (["BALL", "-o", "out.jpg"], "pictures are written as"),
        (["BALL", "-o", "no/such/out.png"], "there is no folder"),
        (["BALL", "-o", "out.png", "--width", "0"], "--width 0 is out of range"),
        (["BALL", "-o", "out.mp4", "--width", "15"], "are even"),
        (["BALL", "-o", "out.png", "--show", "colour"], "nothing to show as colour"),
        (["BALL", "-o", "out.png", "--elevation", "90"], "--elevation 90"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(ball, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["render", *(ball if word == "BALL" else word for word in words)]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_systems_that_wait_for_an_observation_are_refused(tmp_path, capsys):
    config = ONetConfig(code_size=8, encoder_width=8, field_width=8, field_blocks=1)
    save_weights(tmp_path / "w.safetensors", "onet", config, ONet(config).state_dict())
    assert main(["render", str(tmp_path / "w.safetensors"), "-o", str(tmp_path / "out.png")]) == 2
    assert "reconstruct first" in capsys.readouterr().err
