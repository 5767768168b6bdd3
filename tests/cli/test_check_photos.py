"""`isofield check photos/`: the table, the record and the page."""

import json

import numpy as np
import pytest

from isofield.cli import main
from isofield.data.painted import plain
from isofield.data.rendered_photos import Tour, photographed_around
from isofield.data.transforms_writing import write_transforms
from isofield.geometry import Mesh


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    import trimesh

    made = trimesh.creation.box((3.0, 2.0, 1.5))
    mesh = Mesh(np.asarray(made.vertices, np.float64), np.asarray(made.faces, np.int64))
    folder = tmp_path_factory.mktemp("some photos")
    write_transforms(folder, photographed_around(plain(mesh), Tour(count=12, held_out=3, size=48, samples=1)))
    return folder


def test_the_table(photos, capsys):
    assert main(["check", str(photos)]) == 0
    rows = {k.strip(): v.strip() for k, v in (x.split("  ", 1) for x in capsys.readouterr().out.splitlines())}
    assert rows["kind"] == "photos with cameras: instant-ngp/nerfstudio transforms.json, OpenGL axes"
    assert rows["pictures"] == "12, 48 x 48; 3 are held out for measuring"
    assert rows["cameras"].startswith("look inward, at one object")
    assert "times the edge of the box away from its middle" in rows["cameras"]
    assert rows["up"] == "+y of the world"
    assert rows["masks"].startswith("there; the object covers")
    assert "visual hull" in rows["box"]
    assert rows["exposure"] == "even"
    assert rows["next"] == f"isofield reconstruct '{photos}' -o scene"
    assert "note 1" not in rows


def test_the_record_and_the_page(photos, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["check", str(photos / "transforms.json"), "--report", str(page), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["pictures"], record["held_out"], record["looks"]) == (12, 3, "inward")
    assert record["up"] == [0, 1, 0]
    assert record["report"] == str(page)
    text = page.read_text()
    assert text.count("<figure") == 12 + 2
    assert text.count("data:image/jpeg") == 12
    assert text.count('<polyline class="box"') == 12 * 12
    assert "<!--" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_box_is_drawn_around_the_object(photos, tmp_path):
    import re

    from isofield.data.photos import read_views

    page = tmp_path / "page.html"
    main(["check", str(photos), "--report", str(page), "--quiet"])
    views, _ = read_views(photos)
    figures = re.findall(r"<figure class=.*?</figure>", page.read_text(), re.DOTALL)
    for figure, mask in zip(figures, views.masks, strict=True):
        lines = re.findall(r'class="box" points="([^"]+)"', figure)
        corners = np.array([[float(x) for x in pair.split(",")] for line in lines for pair in line.split()])
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        low, high = corners.min(axis=0), corners.max(axis=0)
        assert (low <= [columns[0] + 1, rows[0] + 1]).all()
        assert (high >= [columns[-1], rows[-1]]).all()
        assert (high - low < 1.5 * np.array([np.ptp(columns), np.ptp(rows)]) + 3).all()


def test_what_is_wrong_is_noted(photos, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(photos, copy)
    (copy / "images/003.png").unlink()
    assert main(["check", str(copy)]) == 0
    out = capsys.readouterr().out
    assert "1 of 12 listed pictures are missing and left out: images/003.png" in out
    (copy / "images/004.png").write_bytes((copy / "images/004.png").read_bytes()[:100])
    assert main(["check", str(copy), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["missing"], record["damaged"], record["pictures"]) == (["images/003.png"], ["004.png"], 10)
    assert any(r.startswith("1 of 11 pictures cannot be read and") for r in record["remarks"])
    (copy / "transforms.json").write_text("{")
    assert main(["check", str(copy)]) == 2
    assert capsys.readouterr().err.strip().endswith(".")


def test_pictures_without_cameras_get_them_later(photos, tmp_path, capsys):
    from PIL import Image

    assert main(["check", str(photos / "images")]) == 0
    rows = {k.strip(): v.strip() for k, v in (x.split("  ", 1) for x in capsys.readouterr().out.splitlines())}
    assert rows["kind"] == "photos without cameras"
    assert rows["pictures"] == "12, 48 x 48"
    assert rows["cameras"].startswith("none: `isofield reconstruct` finds them itself, in about a minute")
    assert rows["focal length"] == "not stated, it is found with the cameras"
    assert rows["next"] == f"isofield reconstruct '{photos / 'images'}' -o scene"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    for number in range(3):
        Image.new("L", (40, 30 + number // 2), 9).save(tmp_path / f"{number}.jpg", exif=exif)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "0.jpg").read_bytes()[:-20])
    assert main(["check", str(tmp_path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["pictures"], record["has_cameras"]) == ("photos", 4, False)
    assert record["damaged"] == ["cut.jpg"]
    assert record["words"]["pictures"] == "4, 40 x 30 and 1 other size"
    assert record["words"]["focal length"] == "26 mm on 35 mm film"
    (remark,) = record["remarks"]
    assert remark.startswith("1 picture damaged, and will be left out: cut.jpg (")
    (tmp_path / "1.jpg").write_bytes(b"no picture")
    assert main(["check", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "has 2 photos that can be read; give at least 3, better 20; 2 pictures damaged" in said
    assert "1.jpg, cut.jpg (no picture that can be read)" in said


def test_without_pycolmap_it_is_named(photos, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pycolmap", None)
    assert main(["check", str(photos / "images")]) == 0
    assert "run pip install 'isofield[photos]'" in capsys.readouterr().out


def test_one_picture_is_not_enough(tmp_path, capsys):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    assert main(["check", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "give at least 3, better 20; or let a network guess" in err
    assert err.strip().endswith(f"(isofield reconstruct {tmp_path / 'one.png'}).")
    (tmp_path / "one.png").write_bytes(b"")
    assert main(["check", str(tmp_path)]) == 2
    assert "has one photo, which cannot be read: one.png" in capsys.readouterr().err


def test_an_empty_folder_is_told_what_could_be_in_it(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "ply" in err
    assert "photos png, jpg" in err
    assert "at least 3 photos of one thing" in err


def test_points_are_still_points(tmp_path, capsys):
    from isofield.data import write_points
    from isofield.observation import PointCloud

    points = np.random.default_rng(0).normal(size=(500, 3))
    cloud = PointCloud(points / np.linalg.norm(points, axis=1)[:, None])
    write_points(tmp_path / "cloud.npz", cloud)
    np.save(tmp_path / "cloud.npy", cloud.points)
    for name in ("cloud.npz", "cloud.npy"):
        assert main(["check", str(tmp_path / name)]) == 0
        assert "500 points" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "cloud.npz"), "--report", str(tmp_path / "a.html")]) == 2
    assert "--report is for photos with cameras" in capsys.readouterr().err


def test_two_pictures_are_looked_at_and_said_to_be_too_few(photos, tmp_path, capsys):
    import shutil

    shutil.copytree(photos, tmp_path / "two")
    whole = json.loads((tmp_path / "two/transforms.json").read_text())
    learnt = [frame for frame in whole["frames"] if frame["split"] == "train"]
    (tmp_path / "two/transforms.json").write_text(json.dumps({**whole, "frames": learnt[:2]}))
    assert main(["check", str(tmp_path / "two"), "--json"]) == 0
    remarks = json.loads(capsys.readouterr().out)["remarks"]
    assert "2 pictures are too few to see depth: give at least 3, better 20" in remarks
