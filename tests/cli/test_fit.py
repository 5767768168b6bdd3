"""`isofield fit`: from a mesh to a folder with its fit, resumed to the same bytes, and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from isofield.cli import main

SMALL = ["--set", "levels=4", "--set", "finest=48", "--set", "log_rows=13", "--steps", "60", "--threads", "1"]


@pytest.fixture
def mesh(tmp_path) -> Path:
    path = tmp_path / "ring.obj"
    made = trimesh.creation.torus(major_radius=30.0, minor_radius=12.0)
    made.apply_translation([1000, 0, 5])
    made.export(path)
    return path


def test_a_ring_comes_back_in_its_own_frame(mesh, tmp_path, capsys):
    assert main(["fit", str(mesh), "-o", str(tmp_path / "fit"), *SMALL, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    found = record["shapes"]["ring.glb"]
    assert found["is_closed"]
    assert found["error_percent"] < 1
    assert found["error"] == pytest.approx(found["error_percent"] / 100 * 84, rel=0.01)
    back = trimesh.load(tmp_path / "fit" / "ring.glb", force="mesh")
    np.testing.assert_allclose(back.bounds.mean(axis=0), [1000, 0, 5], atol=1)
    assert list((tmp_path / "fit" / "previews").glob("*.ply"))
    kinds = [
        json.loads(line)["kind"] for line in (tmp_path / "fit" / "metrics.jsonl").read_text().splitlines()
    ]
    assert "validation" in kinds


def test_more_steps_go_on_and_end_as_if_never_interrupted(mesh, tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    common = ["--quiet", "--threads", "1", "--resolution", "32"]
    common += ["--set", "levels=3", "--set", "finest=24", "--set", "log_rows=10", "--learning-rate", "0.03"]
    assert main(["fit", str(mesh), "-o", str(whole), "--steps", "40", *common]) == 0
    from isofield.training import loop

    advance = loop.Training.advance

    def interrupted(self, batch, stop=False):
        advance(self, batch, stop=stop or self.step == 7)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Training, "advance", interrupted)
        assert main(["fit", str(mesh), "-o", str(parts), "--steps", "40", *common]) == 130
    assert not (parts / "ring.glb").exists()
    assert main(["fit", str(mesh), "-o", str(parts), "--steps", "40", *common]) == 0
    assert (parts / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert (parts / "ring.glb").read_bytes() == (whole / "ring.glb").read_bytes()


def test_two_shapes_have_a_code_each(mesh, tmp_path, capsys):
    ball = tmp_path / "ball.obj"
    trimesh.creation.icosphere(radius=3).export(ball)
    words = ["fit", str(mesh), str(ball), "-o", str(tmp_path / "two"), "--system", "onet", "--steps", "150"]
    words += [
        "--set",
        "field_width=32",
        "--set",
        "field_blocks=2",
        "--set",
        "code_size=8",
        "--resolution",
        "32",
    ]
    assert main([*words, "--learning-rate", "0.005", "--json"]) == 0
    shapes = json.loads(capsys.readouterr().out)["shapes"]
    assert set(shapes) == {"ring.glb", "ball.glb"}
    assert all(found["error_percent"] < 5 for found in shapes.values())
    assert shapes["ball.glb"]["error"] < 0.4


@pytest.mark.parametrize(
    ("system", "settings", "file", "kind"),
    [
        ("voxel_decoder", "resolution=32 code_size=8", "ring.glb", "is_closed"),
        ("atlasnet", "patches=4 width=32 code_size=8 points=600 vertices=600", "ring.glb", "is_closed"),
        ("psgn", "made=500 width=64 code_size=8", "ring.ply", "points"),
    ],
)
def test_what_comes_out_is_what_the_system_has(mesh, tmp_path, capsys, system, settings, file, kind):
    words = ["fit", str(mesh), "-o", str(tmp_path / "out"), "--system", system, "--steps", "150", "--json"]
    words += [word for setting in settings.split() for word in ("--set", setting)]
    assert main([*words, "--learning-rate", "0.005", "--resolution", "32", "--threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out)["shapes"][file]
    assert found["error_percent"] < 5
    assert kind in found
    assert (tmp_path / "out" / file).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "there is nothing to fit"),
        (["none.obj"], "there is no file none.obj"),
        (["ring.obj", "--system", "what"], "there is no system 'what'; choose one of grid"),
        (["ring.obj", "--system", "gauss"], "'gauss' is not fitted to single shapes; choose one of grid"),
        (["ring.obj", "other.obj"], "grid knows one shape, and 2 were given"),
        (["ring.obj", "--steps", "0"], "--steps 0 is impossible"),
        (["ring.obj", "--resolution", "2"], "--resolution 2 is out of range"),
        (["ring.obj", "--set", "finest=many"], "'many' is not int"),
        (["ring.obj", "./ring.obj", "--system", "onet"], "two of the meshes have one name"),
        (["flat.obj"], "flat.obj encloses nothing"),
        (["ring.obj", "--steps", "1"], "ring: after 1 steps grid has no surface yet; give more --steps"),
    ],
)
def test_what_the_user_can_mend(mesh, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert main(["fit", *words, "-o", "out"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("out/*.glb"))
