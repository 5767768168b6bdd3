"""`isofield reconstruct PHOTOS -o SCENE`: what lies in the folder, and every fault a sentence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isofield.cli import main, reconstruct_photos
from isofield.data import read_mesh
from isofield.data.painted import plain
from isofield.data.rendered_photos import Tour, photographed_around
from isofield.data.transforms_writing import write_transforms
from isofield.geometry import Mesh


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    import trimesh

    made = trimesh.creation.box((3.0, 2.0, 1.5))
    mesh = Mesh(np.asarray(made.vertices, np.float64) + 7, np.asarray(made.faces, np.int64))
    folder = tmp_path_factory.mktemp("photos") / "block"
    views = photographed_around(plain(mesh), Tour(count=14, held_out=2, size=40, samples=1))
    write_transforms(folder, replace(views, depths=None))
    return folder


@pytest.fixture(autouse=True)
def little_work(monkeypatch) -> None:
    monkeypatch.setattr(reconstruct_photos, "QUALITIES", {"normal": (40, 32, 0.08), "fast": (40, 32, 0.04)})
    monkeypatch.setattr(reconstruct_photos, "FRAMES", 3)
    monkeypatch.setattr(reconstruct_photos, "EDGE", 32)


def test_a_folder_of_photos_becomes_a_folder_with_everything(photos: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "block.scene"
    assert main(["reconstruct", str(photos), "-o", str(out)]) == 0
    assert "2 held-out photos" in capsys.readouterr().out
    mesh = read_mesh(out / "mesh.glb")
    assert np.abs((mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2 - 7).max() < 0.3
    assert np.abs(np.ptp(mesh.vertices, axis=0) - (3.0, 2.0, 1.5)).max() < 0.5
    assert mesh.colours is not None
    record = json.loads((out / "run.json").read_text())
    assert record["views"]["held_out"]
    assert record["mesh"]["is_closed"]
    assert len(list((out / "views").glob("*.png"))) == 2
    assert "the scene from the same places" in (out / "report.html").read_text()
    with Image.open(out / "turntable.gif") as film:
        assert film.n_frames == 3
    assert not (out / "cache" / "state.npz").exists()
    shown = tmp_path / "one.png"
    scene = str(out / "scene.safetensors")
    assert main(["render", scene, "-o", str(shown), "--width", "32", "--height", "32"]) == 0
    with Image.open(shown) as picture:
        assert np.asarray(picture).std() > 5


def test_the_same_seed_gives_the_same_mesh(photos: Path, tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        out = tmp_path / name
        assert main(["reconstruct", str(photos), "-o", str(out), "--quality", "fast", "--no-report"]) == 0
        files.append((out / "mesh.glb").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--system", "nerf"], "isofield train nerf"),
        (["--weights", "w.safetensors"], "--weights is not for photos"),
        (["--mise"], "--mise is not for photos"),
        (["-o", "mesh.glb"], "photos become a folder"),
    ],
)
def test_what_photos_cannot_have_is_said(words: list[str], said: str, photos: Path, capsys) -> None:
    assert main(["reconstruct", str(photos), *words]) == 2
    assert said in capsys.readouterr().err


def test_too_few_pictures(photos: Path, tmp_path: Path, capsys) -> None:
    whole = json.loads((photos / "transforms.json").read_text())
    few = {**whole, "frames": whole["frames"][:2]}
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "images").symlink_to(photos / "images")
    (folder / "transforms.json").write_text(json.dumps(few))
    assert main(["reconstruct", str(folder), "-o", str(tmp_path / "out")]) == 2
    assert "too few" in capsys.readouterr().err


def test_an_empty_folder(tmp_path: Path, capsys) -> None:
    (tmp_path / "nothing").mkdir()
    assert main(["reconstruct", str(tmp_path / "nothing"), "-o", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert "nothing" in err
    assert "Traceback" not in err


def test_black_masks(photos: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "black"
    (folder / "images").mkdir(parents=True)
    (folder / "transforms.json").write_text((photos / "transforms.json").read_text())
    for path in (photos / "images").iterdir():
        picture = np.asarray(Image.open(path)).copy()
        picture[..., 3] = 0
        Image.fromarray(picture).save(folder / "images" / path.name)
    assert main(["reconstruct", str(folder), "-o", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert "mask" in err
    assert "Traceback" not in err
