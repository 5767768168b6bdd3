"""`isofield complete` with a network that knows boxes: a coloured whole in the scan's frame, and refusals."""

import json

import numpy as np
import pytest
import torch
import trimesh

from isofield.cli import main
from isofield.data import write_points
from isofield.data.half_scan import half_scan
from isofield.geometry.mesh import Mesh
from isofield.observation import PointCloud
from isofield.systems.deepsdf import DeepSDF, DeepSDFConfig
from isofield.training.weights import save_weights

BALL = 0.7


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights that know one ball, learnt here in a moment, and a scan of its front, larger and far off."""
    place = tmp_path_factory.mktemp("complete")
    torch.manual_seed(0)
    config = DeepSDFConfig(code_size=2, widths=(32,) * 3, latent_in=(), norm_layers=(), dropout=(), clamp=0.5)
    system = DeepSDF(config)
    optimiser = torch.optim.Adam(system.field.parameters(), 5e-3)
    from isofield.condition import Code

    for _ in range(200):
        points = torch.rand(1, 2_000, 3) * 2.4 - 1.2
        loss = (system.field(points, Code(torch.zeros(1, 2))) - (points.norm(dim=-1) - BALL)).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    save_weights(place / "ball.safetensors", "deepsdf", config, system.state_dict())
    sphere = trimesh.creation.icosphere(4, 0.5)
    scan = half_scan(Mesh(np.array(sphere.vertices), np.array(sphere.faces)), azimuth=20.0, count=1_500)
    write_points(place / "scan.ply", PointCloud(10 * scan.points + [100, 0, 0]))
    return place, 10 * scan.sensors[0] + [100, 0, 0]


def test_the_front_of_a_ball_becomes_a_ball(folder, capsys):
    place, sensor = folder
    words = ["complete", str(place / "scan.ply"), "--weights", str(place / "ball.safetensors"), "--json"]
    words += ["--sensor", ",".join(map(str, sensor)), "-o", str(place / "whole.ply"), "--resolution", "48"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["mesh"]["is_closed"]
    assert 0.3 < record["seen"] < 0.7
    whole = trimesh.load(place / "whole.ply", process=False)
    np.testing.assert_allclose(whole.bounds, [[95, -5, -5], [105, 5, 5]], atol=1.0)
    colours = np.asarray(whole.visual.vertex_colors)[:, :3]
    assert len(np.unique(colours, axis=0)) == 2
    towards = (whole.vertices - [100, 0, 0]) @ (sensor - [100, 0, 0])
    blue = colours[:, 2] > colours[:, 0]
    assert towards[blue].mean() > towards[~blue].mean()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.ply"], "there is no file none.ply"),
        (["scan.ply", "--up", "w"], "--up w is no axis"),
        (["scan.ply", "--yaws", "0"], "--yaws 0 is out of range"),
        (["scan.ply", "--sensor", "1,2"], "--sensor 1,2 is not a place"),
        (["scan.ply", "--colour", "red"], "--colour red is neither parts nor none"),
        (["scan.ply", "-o", "scan.ply"], "scan.ply is the scan itself"),
        (["scan.ply", "--weights", "scan.ply"], "scan.ply"),
    ],
)
def test_what_the_user_can_mend(folder, monkeypatch, capsys, words, message):
    place, _ = folder
    monkeypatch.chdir(place)
    given = words if "--weights" in words else [*words, "--weights", "ball.safetensors"]
    assert main(["complete", *given]) == 2
    assert message in capsys.readouterr().err
