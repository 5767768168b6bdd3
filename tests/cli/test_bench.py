"""`isofield bench representation`: rows for every representation, a page with all meshes, and going on."""

import json
import re

import pytest
import trimesh

from isofield.cli import main
from isofield.cli.bench_shape import contenders
from isofield.report.representation import called, error_over_bytes, means


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("bench")
    trimesh.creation.torus(major_radius=3.0, minor_radius=1.2).export(place / "ring.obj")
    return place


@pytest.fixture(scope="module")
def out(folder):
    words = ["bench", "representation", str(folder / "ring.obj"), "-o", str(folder / "out"), "--jobs", "1"]
    words += ["--systems", "grid", "psgn", "--effort", "0.16", "--quiet"]
    assert main(words) == 0
    return folder / "out"


def test_there_is_a_row_for_everything(out):
    rows = json.loads((out / "results.json").read_text())
    assert [row["representation"] for row in rows] == contenders(("grid", "psgn"))
    assert all("failed" not in row for row in rows)
    by_name = {row["representation"]: row for row in rows}
    assert by_name["voxels_64"]["error"] < by_name["voxels_32"]["error"] < by_name["voxels_16"]["error"]
    assert by_name["points_2048"]["error"] < by_name["points_512"]["error"]
    assert by_name["grid"]["error"] < 0.01
    assert by_name["grid"]["iou"] > 0.9
    assert "iou" not in by_name["psgn"]
    assert by_name["mesh_4k"]["bytes"] < 5_000


def test_the_page_needs_no_network_and_shows_all(out):
    page = (out / "index.html").read_text()
    assert page.count("data:image/png;base64,") == len(contenders(("grid", "psgn")))
    assert not re.search(r'(?:src|href)="(?:http|//)', page)
    assert "voxels 32³" in page
    assert "<!--" not in page
    assert (out / "error_over_bytes.svg").read_text().startswith("<svg")


def test_what_is_there_is_not_done_again(folder, out, monkeypatch):
    from isofield.cli import bench_shape

    def forbidden(self, name):
        raise AssertionError(name)

    monkeypatch.setattr(bench_shape.ShapeBench, "measure", forbidden)
    words = ["bench", "representation", str(folder / "ring.obj"), "-o", str(out), "--jobs", "1"]
    assert main([*words, "--systems", "grid", "psgn", "--effort", "0.16", "--quiet"]) == 0


def test_another_effort_is_measured_anew(folder, out):
    before = json.loads((out / "rows" / "ring" / "psgn.json").read_text())
    words = ["bench", "representation", str(folder / "ring.obj"), "-o", str(out), "--jobs", "1", "--quiet"]
    assert main([*words, "--systems", "psgn", "--effort", "0.02"]) == 0
    after = json.loads((out / "rows" / "ring" / "psgn.json").read_text())
    assert before["made_of"]["effort"] == 0.16
    assert after["made_of"]["effort"] == 0.02
    assert after["error"] > before["error"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.obj"], "there is no file none.obj"),
        (["ring.obj", "--systems", "gauss"], "'gauss' learns no shapes by heart; choose among grid"),
        (["ring.obj", "--effort", "0"], "--effort 0.0 is impossible"),
        (["ring.obj", "./ring.obj"], "two of the shapes have one name"),
    ],
)
def test_what_the_user_can_mend(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder)
    assert main(["bench", "representation", *words, "-o", "other"]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "other").exists()


def test_another_question_is_refused(capsys):
    assert main(["bench", "ring.obj", "other.obj", "-o", "other"]) == 2
    assert "type isofield bench representation SHAPES" in capsys.readouterr().err


def test_a_shape_thinner_than_voxels_is_told(folder, capsys):
    trimesh.creation.box((1.0, 1.0, 0.01)).export(folder / "sheet.obj")
    out = folder / "sheet"
    words = ["bench", "representation", str(folder / "sheet.obj"), "-o", str(out), "--jobs", "1", "--quiet"]
    assert main([*words, "--systems", "grid", "--effort", "0.02", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (
        "sheet: voxels_16: no cell's middle is inside: the shape is thinner than the voxels"
        in record["warnings"]
    )
    assert (out / "index.html").exists()


def test_means_are_over_the_shapes_that_worked():
    rows = [
        {"shape": "a", "representation": "grid", "error": 0.1, "bytes": 10},
        {"shape": "b", "representation": "grid", "error": 0.3, "bytes": 10},
        {"shape": "c", "representation": "grid", "failed": "why", "bytes": 10},
        {"shape": "a", "representation": "voxels_16", "error": 1e-9, "bytes": 512},
    ]
    assert means(rows)["grid"] == {"error": pytest.approx(0.2), "bytes": 10, "shapes": 2}
    assert "voxels" in error_over_bytes(rows)
    assert error_over_bytes([]) == ""
    assert called("points_2048") == "2,048 points"
    assert called("mesh_4k") == "mesh, 4 KiB"
