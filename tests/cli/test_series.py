"""Shapes from codes, and reconstructions from what is no cloud, by the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from isofield.cli import main
from isofield.data import read_mesh
from isofield.data.binvox import write_binvox
from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import Voxels
from isofield.systems.onet import ONet, ONetConfig
from isofield.training.weights import save_weights


def weights(path: Path, **config: object) -> Path:
    """A network whose every shape is a blob: random, with the logit lowered away from the middle."""
    torch.manual_seed(0)
    known = ONetConfig(field_blocks=1, field_width=16, encoder_width=8, **config)  # type: ignore[arg-type]
    system = ONet(known)
    with torch.no_grad():
        system.field.lift.weight.copy_(torch.randn_like(system.field.lift.weight) * 4)
        system.field.lift.bias.zero_()
        system.field.out.weight.fill_(-0.3)
        system.field.out.bias.fill_(2.0)
    save_weights(path, "onet", known, system.state_dict())
    return path


@pytest.fixture
def generative(tmp_path: Path) -> Path:
    config = {"sees": "nothing", "code_size": 0, "latent_size": 4, "field": "simple"}
    return weights(tmp_path / "generative.safetensors", **config)


def test_generate_writes_the_same_closed_shapes_again(generative: Path, tmp_path: Path, capsys) -> None:
    words = ["generate", "--weights", str(generative), "--resolution", "32", "--json"]
    found = []
    for name, count in (("a", 2), ("b", 3)):
        assert main([*words, "-o", str(tmp_path / name), "--count", str(count)]) == 0
        found.append([Path(p) for p in json.loads(capsys.readouterr().out)["outputs"]])
    assert [len(files) for files in found] == [2, 3]
    assert found[0][1].read_bytes() == found[1][1].read_bytes()
    assert found[0][0].read_bytes() != found[0][1].read_bytes()
    assert all(check_mesh(read_mesh(p)).is_closed for p in found[1])


def test_interpolate_between_a_mesh_and_a_draw(generative: Path, tmp_path: Path, capsys) -> None:
    assert (
        main(["generate", "--weights", str(generative), "-o", str(tmp_path / "g"), "--count", "1", "--quiet"])
        == 0
    )
    capsys.readouterr()
    words = ["interpolate", str(tmp_path / "g" / "onet_00.glb"), "7", "--weights", str(generative)]
    assert main([*words, "-o", str(tmp_path / "i"), "--steps", "3", "--resolution", "32", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["outputs"]
    assert [Path(p).name for p in files] == ["step_00.glb", "step_01.glb", "step_02.glb"]


def test_reconstruct_from_a_picture(tmp_path: Path, capsys) -> None:
    known = weights(tmp_path / "image.safetensors", sees="image", code_size=8, image_size=32)
    image = np.full((60, 80, 3), 255, np.uint8)
    image[20:40, 30:50] = 90
    Image.fromarray(image).save(tmp_path / "photo.png")
    words = ["reconstruct", str(tmp_path / "photo.png"), "--weights", str(known), "--resolution", "32"]
    assert main([*words, "-o", str(tmp_path / "out.ply"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["system"] == "onet"
    assert record["image"]["height"] == record["image"]["width"]
    assert record["mesh"]["is_closed"]
    assert "data:image/png" in (tmp_path / "out.report.html").read_text()


def test_reconstruct_from_voxels_in_their_own_frame(tmp_path: Path, capsys) -> None:
    place = (np.arange(20) + 0.5) / 20 - 0.5
    x, y, z = np.meshgrid(place, place, place, indexing="ij")
    ball = Voxels(x**2 + y**2 + z**2 < 0.16, Box(np.array([1.0, 2, 3]), np.array([3.0, 4, 5])))
    write_binvox(tmp_path / "ball.binvox", ball)
    words = ["reconstruct", str(tmp_path / "ball.binvox"), "-o", str(tmp_path / "out.ply"), "--no-report"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mesh"]["is_closed"]
    mesh = read_mesh(tmp_path / "out.ply")
    np.testing.assert_allclose(Box.around(mesh.vertices).centre, [2, 3, 4], atol=0.1)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - [2, 3, 4], axis=1).mean(), 0.8, atol=0.08)


@pytest.mark.parametrize("extra", [[], ["--certified"]])
def test_reconstruct_a_network_file(tmp_path: Path, capsys, extra: list[str]) -> None:
    normals = np.concatenate([np.eye(3), -np.eye(3)]).T.astype(np.float32)  # distance to a cube, roughly
    np.savez(
        tmp_path / "cube.npz",
        **{
            "0000.dense.A": normals, "0000.dense.b": np.full(6, -0.5, np.float32), "0001.relu._": 0,
            "0002.dense.A": np.ones((6, 1), np.float32), "0002.dense.b": np.full(1, -0.1, np.float32),
        },
    )  # fmt: skip
    words = ["reconstruct", str(tmp_path / "cube.npz"), "-o", str(tmp_path / "out.ply"), "--no-report"]
    assert main([*words, "--resolution", "32", "--json", *extra]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["mesh"]["is_closed"]
    extent = Box.around(read_mesh(tmp_path / "out.ply").vertices).extent
    np.testing.assert_allclose(extent, 1.2, atol=0.02)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["generate", "nonsense"], "there is no system"),
        (["generate", "gauss"], "draws nothing by itself"),
        (["generate", "--count", "0"], "--count 0 is out of range"),
        (["interpolate", "0", "1", "--steps", "1"], "--steps 1 is out of range"),
    ],
)
def test_wrong_words_end_in_one_sentence(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--quiet"]) == 2
    assert sentence in capsys.readouterr().err
