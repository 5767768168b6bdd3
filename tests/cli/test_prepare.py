"""`isofield prepare` as a user types it."""

import json

import numpy as np
import pytest

from isofield.cli import main

FEW = ["--points", "400", "--near", "80", "--cloud", "100", "--views", "0"]


def write_box(path, size=(1.0, 0.5, 0.5), faces=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * size
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    lines = ["v " + " ".join(map(str, c)) for c in corners]
    lines += ["f " + " ".join(str(i + 1) for i in q) for q in quads] if faces else []
    path.write_text("\n".join(lines) + "\n")


def test_a_folder_becomes_a_data_set(tmp_path, capsys):
    for i in range(3):
        write_box(tmp_path / "in" / "boxes" / f"box{i}.obj", (1, 0.3 + 0.2 * i, 0.4))
    write_box(tmp_path / "in" / "boxes" / "nothing.obj", faces=False)
    out = tmp_path / "out"
    assert main(["prepare", str(tmp_path / "in"), "-o", str(out), "--jobs", "1", *FEW]) == 0
    said = capsys.readouterr()
    assert "3 of 4" in said.out
    assert "boxes/nothing failed" in said.err
    record = json.loads((out / "run.json").read_text())
    assert record["counts"]["ok"] == 3
    assert list(record["left_out"]) == ["boxes/nothing"]
    assert (out / "metadata.yaml").read_text() == "boxes:\n  id: boxes\n  name: boxes\n"
    assert sum(len((out / "boxes" / f"{s}.lst").read_text().split()) for s in ("train", "val", "test")) == 3
    box = np.load(out / "boxes" / "box0" / "points.npz")
    inside = np.unpackbits(box["occupancies"])[:400].astype(bool)
    assert (inside == (abs(box["points"]) < [0.5, 0.15, 0.2]).all(axis=1)).all()


def test_json_for_programs(tmp_path, capsys):
    write_box(tmp_path / "a.obj")
    assert main(["prepare", str(tmp_path / "a.obj"), "-o", str(tmp_path / "out"), "--json", *FEW]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["ok"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["{tmp}/empty"], "no mesh in"),
        (["{tmp}/flat.obj"], "none of 1 models can be used"),
        (["{tmp}/note.txt"], "neither a mesh"),
        (["{tmp}/flat.obj", "--points", "0"], "--points must be at least 8"),
        (["{tmp}/flat.obj", "--view-size", "3"], "--view-size at least 16"),
    ],
)
def test_mistakes_end_in_one_sentence(tmp_path, capsys, words, message):
    (tmp_path / "empty").mkdir()
    write_box(tmp_path / "flat.obj", (1.0, 1.0, 0.0))
    (tmp_path / "note.txt").write_text("hello")
    words = [w.format(tmp=tmp_path) for w in words]
    assert (
        main(["prepare", *words, "-o", str(tmp_path / "out"), *(FEW if "--points" not in words else [])]) == 2
    )
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("isofield: ")
    assert message in error
