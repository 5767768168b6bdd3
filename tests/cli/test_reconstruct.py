import json
from pathlib import Path

import numpy as np
import pytest

from isofield.cli import main
from isofield.data import read_mesh, read_points, write_points
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import PointCloud


@pytest.fixture
def scan(tmp_path, sphere_cloud, ball_system):
    path = tmp_path / "scan.ply"
    write_points(path, sphere_cloud)
    return path


def radius(mesh) -> np.ndarray:
    return np.linalg.norm(mesh.vertices - [10, -4, 2], axis=1)


def test_mesh_comes_back_in_the_frame_and_units_of_the_scan(scan, tmp_path):
    assert main(["reconstruct", str(scan), "-o", str(tmp_path / "out.ply"), "--quiet"]) == 0
    mesh = read_mesh(tmp_path / "out.ply")
    assert radius(mesh) == pytest.approx(3, abs=0.02)
    assert check_mesh(mesh).is_sound
    assert mesh.colours == pytest.approx((mesh.vertices - [10, -4, 2]) / 6 + 0.5, abs=0.02)


def test_default_output_lies_beside_the_scan(scan):
    assert main(["reconstruct", str(scan), "--quiet"]) == 0
    names = {path.name for path in scan.parent.iterdir()}
    assert names == {"scan.ply", "scan.mesh.glb", "scan.mesh.report.html", "scan.mesh.run.json"}


def test_record_says_what_was_run(scan, tmp_path):
    output = tmp_path / "out.glb"
    assert (
        main(["reconstruct", str(scan), "-o", str(output), "--resolution", "24", "--seed", "5", "--quiet"])
        == 0
    )
    record = json.loads((tmp_path / "out.run.json").read_text())
    assert record["command"][:2] == ["isofield", "reconstruct"]
    assert record["command"][-2:] == ["--seed", "5"]
    assert record["seed"] == 5
    assert record["resolution"]["cells"] == 24
    assert record["mesh"]["is_closed"] is True
    assert record["normalisation"]["world_from_scene"]["scale"] == pytest.approx(6, abs=0.01)
    assert record["notes"] == {"radius": 0.5}
    assert set(record["seconds"]) == {"read", "start", "reconstruct", "extract", "write", "report"}
    assert len(record["inputs"][0]["sha256"]) == 64
    assert [out["path"] for out in record["outputs"]] == [str(output), str(tmp_path / "out.report.html")]


def test_json_is_the_record_and_nothing_else(scan, tmp_path, capsys):
    assert main(["reconstruct", str(scan), "-o", str(tmp_path / "out.stl"), "--json", "--no-report"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["mesh"]["faces"] > 100
    assert printed.err == ""
    assert not (tmp_path / "out.report.html").exists()


def test_plain_table_when_nobody_watches(scan, tmp_path, capsys):
    assert main(["reconstruct", str(scan), "-o", str(tmp_path / "out.off")]) == 0
    printed = capsys.readouterr()
    rows = dict(line.split(maxsplit=1) for line in printed.out.splitlines() if not line.startswith("peak"))
    assert rows["closed"] == "yes"
    assert rows["points"] == "2,000"
    assert "\x1b" not in printed.out + printed.err
    assert next(line.split(":")[0] for line in printed.err.splitlines()) == "read"


def test_the_same_command_gives_the_same_bytes(scan, tmp_path):
    output = tmp_path / "out.glb"
    found = []
    for _ in range(2):
        assert main(["reconstruct", str(scan), "-o", str(output), "--quiet", "--no-report"]) == 0
        found.append(output.read_bytes())
    assert found[0] == found[1]


def test_open_cuts_off_what_no_point_supports(scan, tmp_path):
    output = tmp_path / "out.ply"
    assert main(["reconstruct", str(scan), "-o", str(output), "--open", "--quiet", "--no-report"]) == 0
    mesh = read_mesh(output)
    assert mesh.vertices[:, 2].min() > 2 - 0.3
    assert check_mesh(mesh).boundary_edges > 20


def test_voxel_is_a_length_in_the_scan(scan, tmp_path, capsys):
    output = tmp_path / "out.ply"
    assert (
        main(["reconstruct", str(scan), "-o", str(output), "--voxel", "0.25", "--json", "--no-report"]) == 0
    )
    cell = json.loads(capsys.readouterr().out)["resolution"]["cell"]
    assert cell == pytest.approx(0.25, rel=0.03)


def test_faces_simplifies(scan, tmp_path, capsys):
    assert main(["reconstruct", str(scan), "--faces", "500", "--json", "--no-report"]) == 0
    assert json.loads(capsys.readouterr().out)["mesh"]["faces"] == pytest.approx(500, abs=30)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "out.xyz"], "meshes are not written as .xyz"),
        (["-o", "missing/out.ply"], "there is no folder missing"),
        (["-o", "scan.ply"], "is the scan itself"),
        (["--system", "magic"], "there is no system 'magic'"),
        (["--system", "convonet"], "learns from data; give what it has learnt as --weights"),
        (["--resolution", "64", "--voxel", "1"], "say the same thing twice"),
        (["--open", "--closed"], "exclude each other"),
        (["--voxel", "-1"], "not a length"),
        (["--voxel", "1e-9"], "give a length between"),
        (["--keep", "some"], "neither all, largest nor a share"),
        (["--faces", "2"], "too few"),
        (["--weights", "nothing.safetensors"], "there is no file nothing.safetensors"),
    ],
)
def test_wrong_words_end_in_one_sentence(scan, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(scan.parent)
    before = scan.read_bytes()
    assert main(["reconstruct", "scan.ply", *words, "--quiet"]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert scan.read_bytes() == before
    assert {path.name for path in scan.parent.iterdir()} == {"scan.ply"}


def test_previous_output_survives_a_bad_scan(tmp_path, ball_system, capsys):
    scan, output = tmp_path / "scan.xyz", tmp_path / "out.glb"
    output.write_bytes(b"precious")
    scan.write_text("1 2 3\n")
    assert main(["reconstruct", str(scan), "-o", str(output)]) == 2
    assert output.read_bytes() == b"precious"
    assert "holds 1 point" in capsys.readouterr().err


def test_troubling_statistics_are_said(tmp_path, ball_system, capsys):
    flat = np.random.default_rng(0).random((100, 3)) * [1, 1, 1e-5]
    write_points(tmp_path / "flat.ply", PointCloud(flat))
    assert main(["reconstruct", str(tmp_path / "flat.ply"), "--no-report"]) == 0
    said = capsys.readouterr().err
    assert "100 points are few" in said
    assert "almost in a plane" in said


def test_a_mesh_is_a_source_of_points(tmp_path, ball_system, capsys):
    import trimesh

    trimesh.creation.icosphere(subdivisions=3).export(tmp_path / "ball.stl")
    assert main(["reconstruct", str(tmp_path / "ball.stl"), "--no-report"]) == 0
    assert "is a mesh; 100,000 points were drawn" in capsys.readouterr().err


def test_points_left_out_are_said(tmp_path, ball_system, sphere_cloud, capsys):
    rows = sphere_cloud.points.tolist()
    rows[7] = [float("nan")] * 3
    (tmp_path / "scan.xyz").write_text("\n".join(" ".join(map(str, row)) for row in rows))
    assert main(["reconstruct", str(tmp_path / "scan.xyz"), "--no-report"]) == 0
    assert "1 of 2,000 points have no finite coordinates" in capsys.readouterr().err


def test_real_default_closes_a_real_scan(tmp_path, capsys):
    scan = Path(__file__).parents[2] / "examples" / "scan.ply"
    write_points(tmp_path / "scan.ply", read_points(scan)[::10])
    assert main(["reconstruct", str(tmp_path / "scan.ply"), "--json", "--no-report"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["mesh"]["is_closed"]
    assert record["mesh"]["is_manifold"]
    assert record["warnings"] == []
    mesh = read_mesh(tmp_path / "scan.mesh.glb")
    cloud = read_points(scan)
    assert mesh.vertices.min(axis=0) == pytest.approx(cloud.points.min(axis=0), abs=0.02)
    assert mesh.vertices.max(axis=0) == pytest.approx(cloud.points.max(axis=0), abs=0.02)
    assert mesh.colours is not None


def test_weights_bring_their_system(tmp_path, sphere_cloud, monkeypatch, ball_system, capsys):
    from isofield.systems import stored, system_class

    write_points(tmp_path / "scan.ply", sphere_cloud)
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    ball = system_class(ball_system)(None)
    asked = []
    monkeypatch.setattr(stored, "load_system", lambda path, expected: asked.append(expected) or ball)
    words = ["reconstruct", str(tmp_path / "scan.ply"), "--weights", str(tmp_path / "w.safetensors")]
    for more, expected in (([], None), (["--system", "ball"], "ball")):
        assert main([*words, *more, "--json", "--no-report"]) == 0
        assert json.loads(capsys.readouterr().out)["system"] == "ball"
        assert asked.pop() == expected


def test_weights_that_come_with_isofield_are_found(tmp_path, monkeypatch):
    from isofield.systems import stored

    monkeypatch.setattr(stored, "files", lambda package: tmp_path)
    assert stored.shipped_weights("ball") is None
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "ball.safetensors").touch()
    assert stored.shipped_weights("ball") == tmp_path / "weights" / "ball.safetensors"


def test_terrain_looks_up(tmp_path, capsys):
    x, y = np.random.default_rng(0).random((2, 3000)) * 100
    hills = np.stack([x, y, 5 * np.sin(x / 15) * np.cos(y / 20)], axis=1)
    write_points(tmp_path / "hills.xyz", PointCloud(hills))
    assert main(["reconstruct", str(tmp_path / "hills.xyz"), "-o", str(tmp_path / "h.ply"), "--open"]) == 0
    assert "taken for terrain" in capsys.readouterr().err
    mesh = read_mesh(tmp_path / "h.ply")
    areas = mesh.face_areas()
    assert 100**2 < areas.sum() < 1.3 * 100**2  # it ends a few spacings beyond the last points
    assert areas[mesh.face_normals()[:, 2] > 0].sum() > 0.99 * areas.sum()
    assert (
        np.abs(
            mesh.vertices[:, 2] - 5 * np.sin(mesh.vertices[:, 0] / 15) * np.cos(mesh.vertices[:, 1] / 20)
        ).mean()
        < 0.5
    )


def test_sensor_tells_the_outside(tmp_path, ball_system, sphere_cloud, monkeypatch, capsys):
    from isofield import systems

    _, ball = systems.SYSTEMS["ball"][0], systems.system_class("ball")
    seen, before = [], ball.reconstruct
    monkeypatch.setattr(ball, "reconstruct", lambda self, cloud: seen.append(cloud) or before(self, cloud))
    write_points(tmp_path / "scan.ply", sphere_cloud)
    assert main(["reconstruct", str(tmp_path / "scan.ply"), "--no-report", "--sensor=10,-4,2.5"]) == 0
    assert np.array_equal(seen[0].sensors, np.tile([10, -4, 2.5], (2000, 1)))
    for wrong in ("1,2", "a,b,c", "1,2,nan"):
        assert main(["reconstruct", str(tmp_path / "scan.ply"), "--sensor", wrong]) == 2
        assert "is not a place; give three numbers like 0,0,1.6" in capsys.readouterr().err


def test_weights_that_need_an_observation_are_no_shape(tmp_path, capsys):
    from isofield.systems.onet import ONet, ONetConfig
    from isofield.training.weights import save_weights

    config = ONetConfig(code_size=8, encoder_width=8, field_width=8, field_blocks=1)
    save_weights(tmp_path / "w.safetensors", "onet", config, ONet(config).state_dict())
    assert main(["reconstruct", str(tmp_path / "w.safetensors")]) == 2
    assert "isofield reconstruct OBSERVATION --weights w.safetensors" in capsys.readouterr().err
