"""Systems that give a mesh or points: `isofield train`, `reconstruct` and `evaluate` with them."""

import json

import numpy as np
import pytest
import torch

from isofield.cli import main
from isofield.data import read_mesh, read_points, write_points
from isofield.data.binvox import write_binvox
from isofield.geometry import Box
from isofield.observation import PointCloud, Voxels
from isofield.systems.atlasnet import AtlasNet, AtlasNetConfig
from isofield.systems.psgn import PSGN, PSGNConfig
from isofield.training.weights import save_weights

PATCHES = AtlasNetConfig(
    patches=2, code_size=8, encoder_width=4, width=8, layers=1, cloud_size=40, points=40, vertices=50
)
SET = PSGNConfig(code_size=8, encoder_width=8, width=16, made=60, cloud_size=30)


@pytest.fixture
def scan(tmp_path):
    directions = np.random.default_rng(0).standard_normal((400, 3))
    points = 3 * directions / np.linalg.norm(directions, axis=1, keepdims=True) + [10, -4, 2]
    write_points(tmp_path / "scan.ply", PointCloud(points))
    return tmp_path / "scan.ply"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    files = {}
    for name, system in {"atlasnet": AtlasNet(PATCHES), "psgn": PSGN(SET)}.items():
        files[name] = tmp_path / f"{name}.safetensors"
        save_weights(files[name], name, system.config, system.state_dict())
    return files


def test_a_mesh_of_patches_is_written_where_the_scan_is_and_said_to_be_open(scan, weights, tmp_path, capsys):
    words = ["reconstruct", str(scan), "--weights", str(weights["atlasnet"]), "-o", str(tmp_path / "o.ply")]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    mesh = read_mesh(tmp_path / "o.ply")
    assert len(mesh.vertices) == 50
    assert np.abs(mesh.vertices - [10, -4, 2]).max() < 12
    assert record["system"] == "atlasnet"
    assert record["mesh"]["is_closed"] is False
    assert record["notes"] == {"patches": 2, "template": "square"}
    assert "resolution" not in record
    assert any("not closed" in sentence for sentence in record["warnings"])
    assert (tmp_path / "o.report.html").stat().st_size > 10_000
    assert main(words) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if " " in line)
    assert rows["closed"] == "no"
    assert "cell" not in rows


def test_points_are_written_where_the_scan_is(scan, weights, tmp_path, capsys):
    assert main(["reconstruct", str(scan), "--weights", str(weights["psgn"]), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    cloud = read_points(tmp_path / "scan.points.ply")
    assert len(cloud) == record["made"]["points"] == 60
    assert np.abs(cloud.points - [10, -4, 2]).max() < 6
    assert record["normalisation"]["world_from_scene"]["scale"] == pytest.approx(6, rel=0.1)
    assert [out["path"] for out in record["outputs"]] == [str(tmp_path / "scan.points.ply")]
    assert json.loads((tmp_path / "scan.points.run.json").read_text())["system"] == "psgn"
    assert main(["reconstruct", str(scan), "--weights", str(weights["psgn"])]) == 0
    assert "none: there is no mesh" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        (
            "atlasnet",
            ["--resolution", "64"],
            "--resolution is about extraction, and atlasnet gives its mesh as is",
        ),
        ("atlasnet", ["--open"], "--open is about extraction"),
        ("psgn", ["--sharp"], "--sharp is about extraction, and psgn gives points as is"),
        ("psgn", ["-o", "made.glb"], "made.glb has no room for bare points, which psgn gives"),
    ],
)
def test_what_explicit_systems_cannot(name, words, message, scan, weights, capsys):
    assert main(["reconstruct", str(scan), "--weights", str(weights[name]), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def balls(tmp_path):
    """A data set of three balls."""
    for i in range(3):
        folder = tmp_path / "data" / "things" / f"ball{i}"
        folder.mkdir(parents=True)
        draw = np.random.default_rng(i)
        surface = draw.standard_normal((2000, 3))
        surface *= 0.5 / np.linalg.norm(surface, axis=1, keepdims=True)
        frame = {"loc": np.zeros(3), "scale": np.float64(1)}
        np.savez(folder / "pointcloud.npz", points=surface, normals=surface * 2, **frame)
        points = draw.uniform(-0.5, 0.5, (500, 3)).astype(np.float32)
        inside = np.packbits(np.linalg.norm(points, axis=1) < 0.5)
        np.savez(folder / "points.npz", points=points, occupancies=inside, **frame)
        middles = np.linalg.norm(Box.cube().cell_centres(32), axis=1).reshape(32, 32, 32)
        write_binvox(folder / "model.binvox", Voxels(middles < 0.5, Box.cube()))
    for part, names in {"train": "ball0\nball1", "val": "ball2", "test": "ball2"}.items():
        (tmp_path / "data" / "things" / f"{part}.lst").write_text(names)
    return tmp_path / "data"


SETTINGS = {
    "atlasnet": "patches=2 code_size=8 encoder_width=4 width=8 cloud_size=40 points=40 vertices=50",
    "psgn": "code_size=8 encoder_width=8 width=16 made=60 cloud_size=30",
    "voxel_decoder": "code_size=8 encoder_width=8 width=64 cloud_size=30",
    "imnet": "code_size=8 field_width=8 voxel_width=2 points=100",
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("sees", ["observation", "object"])
def test_they_train(name, sees, balls, tmp_path, capsys):
    more = "" if sees == "observation" else " sees=object objects=2"
    words = [word for setting in (SETTINGS[name] + more).split() for word in ("--set", setting)]
    words += ["--steps", "3", "--batch-size", "2", "--validate-every", "2", "--threads", "1"]
    words += ["--preview-every", "None", "--device", "cpu"]
    assert main(["train", name, str(balls), "-o", str(tmp_path / "run"), *words, "--quiet"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    measure = "chamfer_l1" if name in ("atlasnet", "psgn") else "iou"
    assert any(measure in line for line in lines)
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_meshes_and_points_are_measured(balls, weights, tmp_path, capsys):
    words = ["evaluate", "--truth", str(balls), "--json", "--samples", "500"]
    assert main([*words, "--system", "atlasnet", "--weights", str(weights["atlasnet"])]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["chamfer_l1"] > 0
    assert "iou_field" not in row
    kept = ["--protocol", "onet", "--meshes", str(tmp_path / "kept")]
    assert main([*words, "--system", "psgn", "--weights", str(weights["psgn"]), *kept]) == 0
    assert len(read_points(tmp_path / "kept" / "things" / "ball2.ply")) == 60
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["chamfer_l1"] == pytest.approx((row["accuracy"] + row["completeness"]) / 2)
    assert not {"iou", "normal_consistency", "reason"} & set(row)
