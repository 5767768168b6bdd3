"""DeepSDF by the command line: prepared, trained, shown, blended, fitted to a cloud."""

import json

import numpy as np
import pytest
import trimesh

from isofield.cli import main
from isofield.data import read_mesh, write_points
from isofield.observation import PointCloud
from isofield.systems.stored import load_system

NETWORK = ["code_size=4", "widths=48,48,48", "latent_in=2", "dropout=", "norm_layers=0,1,2", "samples=1024"]
FIT = ["fit_steps=100", "fit_rate=0.02", "code_std=0.1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights of a network that was taught a few ellipsoids."""
    folder = tmp_path_factory.mktemp("deepsdf")
    for k in range(6):
        shape = trimesh.creation.icosphere(3)
        shape.apply_scale([1, 0.5 + 0.08 * k, 0.6])
        path = folder / "meshes" / "eggs" / f"egg{k}.ply"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape.export(path)
    data = folder / "data"
    small = ["--points", "2000", "--near", "800", "--cloud", "800", "--views", "0", "--jobs", "1"]
    words = ["prepare", str(folder / "meshes"), "-o", str(data), *small, "--sdf", "--sdf-points", "8000"]
    assert main([*words, "--quiet"]) == 0
    count = sum(len(path.read_text().split()) for path in data.glob("*/train.lst"))
    sets = [word for each in (*NETWORK, *FIT) for word in ("--set", each)]
    options = ["--steps", "250", "--batch-size", "4", "--learning-rate", "5e-3", "--warmup", "10", "--quiet"]
    options += ["--threads", "1", "--validate-every", "125", "--ema", "None", "--preview-every", "None"]
    assert main(["train", "deepsdf", str(data), "-o", str(folder / "run"), *sets, *options]) == 0
    return folder / "run", count


@pytest.mark.slow
def test_training_learns_where_the_surfaces_are(trained):
    run, count = trained
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    sides = [line["side"] for line in lines if "side" in line]
    assert len(sides) == 2
    assert sides[-1] > 0.9
    assert (run / "best.safetensors").exists()
    assert load_system(run / "weights.safetensors", "deepsdf").config.objects == count


@pytest.mark.slow
def test_shapes_of_the_table_and_between_them(trained, tmp_path, capsys):
    run, count = trained
    weights = ["--weights", str(run / "weights.safetensors"), "--resolution", "32"]
    words = ["generate", "deepsdf", *weights, "-o", str(tmp_path / "g")]
    assert main([*words, "--count", str(count), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["outputs"]) == count
    mesh = read_mesh(tmp_path / "g" / "deepsdf_00.glb")
    assert 0.85 < np.ptp(mesh.vertices, axis=0).max() < 1.1
    assert main([*words, "--count", str(count + 1)]) == 2
    assert f"these weights know {count}" in capsys.readouterr().err
    assert (
        main(["interpolate", "0", "1", *weights, "--steps", "3", "-o", str(tmp_path / "i"), "--quiet"]) == 0
    )
    first = (tmp_path / "i" / "step_00.glb").read_bytes()
    assert first == (tmp_path / "g" / "deepsdf_00.glb").read_bytes()
    assert len(list((tmp_path / "i").iterdir())) == 3


@pytest.mark.slow
def test_a_cloud_is_reconstructed_and_blended(trained, tmp_path, capsys):
    run, _ = trained
    draw = np.random.default_rng(0)
    directions = draw.standard_normal((1500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sides = np.array([1, 0.7, 0.6])
    normals = directions / sides
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    write_points(tmp_path / "egg.ply", PointCloud(20 * sides * directions + [100, 0, 0], normals))
    weights = ["--weights", str(run / "weights.safetensors"), "--resolution", "32"]
    words = ["reconstruct", str(tmp_path / "egg.ply"), "--system", "deepsdf", *weights]
    assert main([*words, "-o", str(tmp_path / "egg.glb"), "--quiet"]) == 0
    found = read_mesh(tmp_path / "egg.glb").vertices
    level = np.linalg.norm((found - [100, 0, 0]) / (20 * sides), axis=1)
    assert abs(level.mean() - 1) < 0.08
    words = [
        "interpolate",
        str(tmp_path / "egg.ply"),
        "1",
        *weights,
        "--steps",
        "2",
        "-o",
        str(tmp_path / "i"),
    ]
    assert main([*words, "--quiet"]) == 0
