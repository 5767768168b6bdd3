"""`isofield check` says what is true, and what to type next."""

import json

import numpy as np
import pytest

from isofield.cli import main
from isofield.cli.describe import number, share
from isofield.data import read_mesh, write_mesh, write_points
from isofield.geometry import Mesh
from isofield.observation import PointCloud


@pytest.fixture
def said(capsys):
    """Runs `isofield check ...`; the table as a dictionary."""

    def run(*words, code=0):
        assert main(["check", *map(str, words)]) == code
        lines = capsys.readouterr().out.splitlines()
        return {k.strip(): v.strip() for k, v in (line.split("  ", 1) for line in lines)}

    return run


def sphere(count, radius=1.0):
    points = np.random.default_rng(0).normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


def test_a_closed_scan_with_everything(tmp_path, said):
    normals = sphere(3000)
    write_points(tmp_path / "my scan.ply", PointCloud(0.4 * normals + 7, normals, (normals + 1) / 2))
    rows = said(tmp_path / "my scan.ply")
    assert rows["kind"] == "PLY, 3,000 points"
    assert rows["extent"].startswith("0.8 x 0.8 x 0.8, around (7, 7, 7)")
    assert rows["units"] == "metres, a guess: an object of 80 cm"
    assert rows["noise"].startswith("none")
    assert rows["outliers"] == "none found"
    assert rows["duplicates"] == "none"
    assert rows["normals"].endswith("pointing outwards")
    assert rows["colours"].startswith("there")
    assert rows["surface"].startswith("closed")
    assert rows["next"] == f"isofield reconstruct '{tmp_path}/my scan.ply' -o 'my scan.glb'"


def test_terrain_in_map_coordinates(tmp_path, said):
    xy = np.random.default_rng(0).random((5000, 2)) * [1000, 900]
    z = 20 * np.sin(xy[:, 0] / 200) + 300
    write_points(tmp_path / "a.xyz", PointCloud(np.column_stack([xy + np.array([5e5, 5.4e6]), z])))
    rows = said(tmp_path / "a.xyz")
    assert "map coordinates" in rows["units"]
    assert rows["surface"].startswith("open: one height")
    assert rows["next"].endswith(" -o a.glb --open")
    assert "note 1" not in rows


def test_rounded_coordinates_are_noticed(tmp_path, said):
    points = (sphere(3000) + np.array([5e5, 5.4e6, 300])).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    assert "rounded to 0.5" in said(tmp_path / "a.npy")["note 1"]


def test_noise_duplicates_nan_and_doubtful_normals(tmp_path, said):
    points = sphere(3000, 100)
    noisy = points + np.random.default_rng(1).normal(size=points.shape)
    flips = np.random.default_rng(2).choice([-1, 1], (3000, 1))
    rows = np.hstack([noisy, points / 100 * flips])
    rows = np.concatenate([rows, rows[:30], np.full((5, 6), np.nan)])
    np.savetxt(tmp_path / "a.xyz", rows)
    table = said(tmp_path / "a.xyz")
    assert table["kind"] == "text, 3,035 points, 5 of them not finite and left out"
    assert table["units"].startswith("millimetres")
    assert table["duplicates"].startswith("30 points (1.0 %)")
    assert table["normals"].startswith("there, but not consistent: only 5")
    value = float(table["noise"].split()[1])
    assert value == pytest.approx(1, rel=0.2)


def test_json_is_one_object(tmp_path, capsys):
    write_points(tmp_path / "a.ply", PointCloud(sphere(500)))
    assert main(["check", str(tmp_path / "a.ply"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["points"] == 500
    assert record["closedness"] == "closed"
    assert record["survey"]["normals_agree"] is None
    assert record["next"].startswith("isofield reconstruct ")


def test_meshes(tmp_path, said):
    tetrahedron = Mesh(
        np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
    )
    write_mesh(tmp_path / "closed.stl", tetrahedron)
    rows = said(tmp_path / "closed.stl")
    assert rows["kind"].startswith("STL mesh, 4 vertices, 4 faces")
    assert rows["surface"] == "closed: every edge of the mesh has two faces"
    assert "noise" not in rows
    write_mesh(tmp_path / "open.obj", Mesh(tetrahedron.vertices, tetrahedron.faces[:3]))
    assert "3 open edges" in said(tmp_path / "open.obj")["surface"]
    assert len(read_mesh(tmp_path / "open.obj").faces) == 3


def test_a_folder_has_a_row_per_file(tmp_path, said):
    write_points(tmp_path / "a.ply", PointCloud(sphere(500)))
    (tmp_path / "sub").mkdir()
    write_points(tmp_path / "sub" / "b.xyz", PointCloud(sphere(600)))
    (tmp_path / "notes.md").write_text("nothing")
    rows = said(tmp_path)
    assert rows["a.ply"].startswith("PLY, 500 points, 1.98 x 2 x 1.99, closed")
    assert rows["sub/b.xyz"].startswith("text, 600 points")
    assert rows["sum"] == "2 of 2 files can be read"
    (tmp_path / "c.ply").write_bytes(b"")
    rows = said(tmp_path, code=2)
    assert rows["c.ply"] == f"PROBLEM: {tmp_path / 'c.ply'} is empty."
    assert rows["sum"] == "2 of 3 files can be read"


def test_a_data_set_is_recognised(tmp_path, said):
    for name in ("m1", "m2"):
        folder = tmp_path / "chair" / name
        folder.mkdir(parents=True)
        np.savez(
            folder / "points.npz", points=np.zeros((8, 3), np.float16), occupancies=np.zeros(1, np.uint8)
        )
    (tmp_path / "chair" / "train.lst").write_text("m1\nm2\n\n")
    rows = said(tmp_path)
    assert rows["kind"] == "a data set for training: 1 category"
    assert rows["chair"] == "2 models; 2 train, 0 val, 0 test"
    assert rows["contents"] == "m1: points.npz with points 8x3, occupancies 1; no pointcloud.npz"
    assert rows["next"] == f"isofield train convonet {tmp_path} -o run"
    np.savez(tmp_path / "chair" / "m1" / "sdf.npz", pos=np.zeros((3, 4)), neg=np.zeros((2, 4)))
    rows = said(tmp_path)
    assert rows["contents"].endswith("no pointcloud.npz; sdf.npz with pos 3x4, neg 2x4")
    assert rows["next"] == f"isofield train deepsdf {tmp_path} -o run"
    (tmp_path / "chair" / "test.lst").write_text("m3\n")
    assert "1 listed but not there, the first is m3" in said(tmp_path, code=2)["chair"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("1 2 3\n", "holds 1 point; a surface needs at least ten"),
        ("1 2 3\n" * 20, "all at the same place"),
        ("".join(f"{i} {i} 0\n" for i in range(20)), "all on one line"),
        ("nan nan nan\n" * 20, "none has finite coordinates"),
        ("", "is empty"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(tmp_path, capsys, content, sentence):
    (tmp_path / "a.xyz").write_text(content)
    assert main(["check", str(tmp_path / "a.xyz")]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_missing_paths_and_empty_folders(tmp_path, capsys):
    assert main(["check", str(tmp_path / "no.ply")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["check", str(tmp_path)]) == 2
    assert "holds no file that we read" in capsys.readouterr().err


def test_numbers_for_people():
    assert [number(v) for v in (0, 0.01234, 12.345, 54321.6, 3e-7)] == [
        "0",
        "0.0123",
        "12.3",
        "54,322",
        "3.00e-07",
    ]
    assert [share(v) for v in (0.0002, 0.042, 0.5, 0.9999, 1.0)] == [
        "less than 0.1 %", "4.2 %", "50 %", "more than 99.9 %", "100 %",
    ]  # fmt: skip
