"""`isofield evaluate` on meshes, folders and data sets."""

import csv
import json

import numpy as np
import pytest

from isofield.cli import main
from isofield.data.writing import write_mesh
from isofield.geometry import Mesh

SAMPLES = ["--samples", "2000"]


def ball(radius=1.0, centre=(0.0, 0.0, 0.0)):
    import trimesh

    sphere = trimesh.creation.icosphere(3, radius)
    return Mesh(np.asarray(sphere.vertices) + centre, np.asarray(sphere.faces, np.int64))


def put(path, mesh):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mesh(path, mesh)


def evaluated(words, capsys):
    assert main(["evaluate", *map(str, words), "--json", *SAMPLES]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_mesh_against_a_mesh_in_its_own_units(tmp_path, capsys):
    put(tmp_path / "truth.ply", ball(40, (100, 0, 0)))
    put(tmp_path / "made.obj", ball(36, (100, 0, 0)))
    (row,) = evaluated([tmp_path / "made.obj", "--truth", tmp_path / "truth.ply"], capsys)["rows"]
    assert row["iou"] == pytest.approx(0.9**3, abs=0.05)
    assert row["accuracy_to_triangles_mean"] == pytest.approx(0.05, abs=2e-3)
    assert row["closed"] is True


def test_folders_are_matched_by_name_and_gaps_have_reasons(tmp_path, capsys):
    truth, made = tmp_path / "truth", tmp_path / "made"
    for name in ("round/a", "round/b", "other/c", "other/d", "other/e"):
        put(truth / f"{name}.ply", ball())
    put(made / "round/a.obj", ball())
    put(made / "round/b.ply", ball(0.9))
    (made / "other").mkdir()
    (made / "other/c.ply").write_bytes(b"ply\n")
    (made / "other/d.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (truth / "other/e.ply").write_bytes(b"ply\n")
    table = tmp_path / "table.csv"
    found = evaluated([made, "--truth", truth, "-o", table], capsys)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["a"]["iou"] == 1
    assert "reason" not in rows["b"]
    assert (rows["c"]["iou"], rows["d"]["iou"]) == (0, 0)
    assert rows["c"]["reason"]
    assert "no faces" in rows["d"]["reason"]
    assert "iou" not in rows["e"]  # a broken truth says nothing about the prediction
    assert found["summary"]["failed"] == 3
    assert found["summary"]["mean_over_classes"]["iou"] == pytest.approx((1 + rows["b"]["iou"]) / 4)
    with open(table) as stream:
        names = [line["name"] for line in csv.DictReader(stream)]
    assert names[-2:] == ["mean_over_classes", "mean_over_objects"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A ball and an egg, prepared; all in the test split or not as their names fall."""
    folder = tmp_path_factory.mktemp("prepared")
    put(folder / "in/round/ball.ply", ball(3, (5, 0, 0)))
    put(folder / "in/round/egg.ply", Mesh(ball().vertices * [1, 2, 1], ball().faces))
    words = ["--points", "4000", "--near", "0", "--cloud", "4000", "--jobs", "1", "--quiet"]
    assert main(["prepare", str(folder / "in"), "-o", str(folder / "set"), *words]) == 0
    for split, names in (("train", ""), ("val", ""), ("test", "ball\negg\n")):
        (folder / "set" / "round" / f"{split}.lst").write_text(names)
    return folder / "set"


def test_meshes_against_a_data_set_in_either_frame(dataset, tmp_path, capsys):
    put(tmp_path / "unit/round/ball.ply", ball(0.5))
    found = evaluated([tmp_path / "unit", "--truth", dataset], capsys)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["ball"]["iou"] > 0.97
    assert "no mesh of this name" in rows["egg"]["reason"]
    put(tmp_path / "world/ball.ply", ball(3, (5, 0, 0)))
    rows = evaluated([tmp_path / "world", "--truth", dataset, "--frame", "world"], capsys)["rows"]
    assert rows[0]["iou"] > 0.97
    assert rows[0]["chamfer_l1"] < 0.03


def test_a_system_runs_on_a_split(dataset, tmp_path, capsys, monkeypatch):
    from isofield.geometry import Box, Similarity
    from isofield.scene import Scene
    from isofield.system import System
    from isofield.systems import SYSTEMS

    class Fitted(System):
        """The ball whose radius is the mean distance of the points: right for balls."""

        def reconstruct(self, observation):
            assert len(observation) == 500
            assert observation.normals is None
            if np.ptp(observation.points, axis=0).min() < 0.7:
                raise ValueError("this is no ball")
            radius = float(np.linalg.norm(observation.points, axis=1).mean())
            inside = lambda p: radius / 2 - p.norm(dim=1)  # noqa: E731
            return Scene(inside=inside, box=Box.cube(1.0), world_from_scene=Similarity(2.0), resolution=32)

    monkeypatch.setitem(SYSTEMS, "fitted", ("here", "Fitted"))
    monkeypatch.setattr("isofield.systems.stored.ready_system", lambda name: Fitted())
    words = ["--system", "fitted", "--truth", dataset, "--points", "500", "--meshes", tmp_path / "kept"]
    found = evaluated(words, capsys)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["ball"]["iou"] > 0.95
    assert rows["ball"]["iou_field"] > 0.95
    assert rows["ball"]["seconds"] > 0
    assert rows["egg"] == {"class": "round", "name": "egg", "iou": 0.0, "reason": "this is no ball"}
    assert (tmp_path / "kept/round/ball.ply").exists()
    assert found["about"]["points"] == 500


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{tmp}/a.ply"], "--truth is missing"),
        (["{tmp}/a.ply", "--truth", "{tmp}/nowhere"], "nowhere to compare with"),
        (["{tmp}/nowhere", "--truth", "{tmp}/a.ply"], "nowhere to measure"),
        (["--truth", "{tmp}/a.ply"], "give either meshes"),
        (["--system", "gauss", "--truth", "{tmp}/a.ply"], "is not a data set"),
        (["{tmp}/a.ply", "--truth", "{tmp}"], "must both be"),
        (["{tmp}/a.ply", "--truth", "{tmp}/a.ply", "-o", "{tmp}/t.xlsx"], "written as .csv or .json"),
        (["{tmp}/a.ply", "--truth", "{tmp}/empty.ply"], "is no truth to compare with"),
    ],
)
def test_mistakes_end_in_one_sentence(tmp_path, capsys, words, message):
    put(tmp_path / "a.ply", ball())
    (tmp_path / "empty.ply").write_bytes(b"ply\n")
    assert main(["evaluate", *(w.format(tmp=tmp_path) for w in words)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("isofield: ")
    assert message in error


def test_a_system_that_has_learnt_nothing_is_not_measured(dataset, capsys):
    assert main(["evaluate", "--system", "convonet", "--truth", str(dataset)]) == 2
    assert "give what it has learnt as --weights FILE" in capsys.readouterr().err
