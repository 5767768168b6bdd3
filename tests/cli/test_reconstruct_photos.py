"""`isofield reconstruct PHOTOS -o SCENE`: what lies in the folder, and every fault a sentence."""

import hashlib
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isofield.cli import main, photos_shown, reconstruct_photos
from isofield.cli.result_folder import results_in
from isofield.data import read_mesh
from isofield.data.painted import plain
from isofield.data.rendered_photos import Tour, photographed_around
from isofield.data.transforms_writing import write_transforms
from isofield.errors import InputError
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
    monkeypatch.setattr(photos_shown, "FRAMES", 3)
    monkeypatch.setattr(photos_shown, "EDGE", 32)


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory) -> Path:
    """A finished reconstruction, of photos and one more that is damaged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconstruct_photos, "QUALITIES", {"normal": (40, 32, 0.08)})
        patch.setattr(photos_shown, "FRAMES", 3)
        patch.setattr(photos_shown, "EDGE", 32)
        folder = tmp_path_factory.mktemp("made")
        shutil.copytree(photos, folder / "photos")
        (folder / "photos/images/cut.png").write_bytes(b"no picture")
        cameras = json.loads((photos / "transforms.json").read_text())
        cameras["frames"].append({**cameras["frames"][0], "file_path": "images/cut.png"})
        (folder / "photos/transforms.json").write_text(json.dumps(cameras))
        out = folder / "block.scene"
        assert main(["reconstruct", str(folder / "photos"), "-o", str(out)]) == 0
    return out


def test_a_folder_of_photos_becomes_a_folder_with_everything(made: Path) -> None:
    out = made
    mesh = read_mesh(out / "mesh.glb")
    assert np.abs((mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2 - 7).max() < 0.3
    assert np.abs(np.ptp(mesh.vertices, axis=0) - (3.0, 2.0, 1.5)).max() < 0.5
    assert mesh.colours is not None
    record = json.loads((out / "run.json").read_text())
    assert record["views"]["held_out"]
    assert record["mesh"]["is_closed"]
    assert record["views"]["pictures"] == len(list((out / "views").glob("*.png"))) == 2
    assert "the scene from the same places" in (out / "report.html").read_text()
    with Image.open(out / "turntable.gif") as film:
        assert film.n_frames == 3
    assert not (out / "cache").exists()


def test_the_record_names_every_file_and_only_real_warnings(made: Path) -> None:
    record = json.loads((made / "run.json").read_text())
    inputs = {Path(one["path"]).name: one for one in record["inputs"]}
    pictures = sorted(path.name for path in (made.parent / "photos/images").iterdir())
    assert sorted(inputs) == sorted({*pictures, "transforms.json"} - {"cut.png"})
    whole = (made.parent / "photos/images/003.png").read_bytes()
    assert inputs["003.png"]["sha256"] == hashlib.sha256(whole).hexdigest()
    outputs = {Path(one["path"]).name for one in record["outputs"]}
    assert outputs == {"mesh.glb", "scene.safetensors", "turntable.gif", "report.html"}
    (warning,) = record["warnings"]
    assert warning.startswith("1 of 15 pictures cannot be read and are left out: images/cut.png (no picture")
    assert record["photos"]["cameras"] == "instant-ngp/nerfstudio transforms.json, OpenGL axes"


def test_the_same_again_fits_nothing(made: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    from isofield.systems.radiance import Radiance

    out = tmp_path / "again"
    shutil.copytree(made, out)
    (out / "mesh.glb").unlink()
    words = ["reconstruct", str(made.parent / "photos"), "-o", str(out)]
    with monkeypatch.context() as patch:
        patch.setattr(Radiance, "fit", None)
        assert main(words) == 0
    assert "fitted before, with the same photos and options" in capsys.readouterr().err
    assert (out / "mesh.glb").read_bytes() == (made / "mesh.glb").read_bytes()
    first, second = (json.loads((folder / "run.json").read_text()) for folder in (made, out))
    assert second["stages"] == first["stages"]
    assert second["warnings"] == first["warnings"]
    assert main([*words, "--quality", "fast", "--no-report"]) == 0  # fewer steps
    assert "of other photos or options, which is replaced" in capsys.readouterr().err
    third = json.loads((out / "run.json").read_text())
    assert third["fit"]["fingerprint"] != first["fit"]["fingerprint"]


def test_a_scene_that_was_changed_is_fitted_again(made: Path, tmp_path: Path) -> None:
    from isofield.cli.console import Console
    from isofield.cli.photos_fit import _known

    out = tmp_path / "changed"
    shutil.copytree(made, out)
    mark = json.loads((out / "run.json").read_text())["fit"]["fingerprint"]
    assert _known(out, mark, Console(quiet=True)) is not None
    with (out / "scene.safetensors").open("ab") as file:
        file.write(b"x")
    assert _known(out, mark, Console(quiet=True)) is None


def test_the_results_are_recognised_and_become_other_files(made: Path, tmp_path: Path, capsys) -> None:
    assert main(["check", str(made)]) == 0
    rows = {k.strip(): v.strip() for k, v in (x.split("  ", 1) for x in capsys.readouterr().out.splitlines())}
    assert rows["kind"] == "a scene that isofield reconstructed from photos"
    assert "dB on 2 held-out photos" in rows["views"]
    assert rows["next"] == f"isofield render {made / 'scene.safetensors'} -o film.gif"
    shown = tmp_path / "one.png"
    assert main(["render", str(made), "-o", str(shown), "--width", "32", "--height", "32"]) == 0
    with Image.open(shown) as picture:
        assert np.asarray(picture).std() > 5
    command = shlex.split(rows["other mesh"])
    assert command[-1] == "mesh.ply"
    other = tmp_path / "mesh.ply"
    assert main([*command[1:-1], str(other), "--resolution", "32"]) == 0
    mesh = read_mesh(other)
    assert np.abs(np.ptp(mesh.vertices, axis=0) - (3.0, 2.0, 1.5)).max() < 0.5
    assert mesh.colours is not None


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
    assert not (tmp_path / "out").exists()


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


def test_what_a_fault_leaves_behind(tmp_path: Path) -> None:
    """Nothing but found cameras; an interruption keeps whatever helps to go on."""
    photos = tmp_path / "photos"
    photos.mkdir()

    def ended(out: Path, error: type[BaseException], *names: str) -> None:
        def begun() -> None:
            with results_in(out, photos):
                (out / "views").mkdir()
                (out / "cache/cameras").mkdir(parents=True)
                for name in names:
                    (out / "cache/cameras" / name).touch()
                raise error

        with pytest.raises(error):
            begun()

    ended(tmp_path / "failed", InputError, "pictures.json", "features.db")
    assert not (tmp_path / "failed").exists()
    ended(tmp_path / "found", InputError, "pictures.json", "found.json")
    assert sorted(p.name for p in (tmp_path / "found").iterdir()) == ["cache"]
    ended(tmp_path / "stopped", KeyboardInterrupt, "pictures.json", "features.db")
    assert (tmp_path / "stopped/cache/cameras/features.db").exists()
    (tmp_path / "mine").mkdir()
    ended(tmp_path / "mine", InputError, "pictures.json")
    assert not list((tmp_path / "mine").iterdir())


def test_impossible_places_for_results(photos: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    for place, said in ((tmp_path / "file", "is a file"), (photos, "is the folder of the photos")):
        assert main(["reconstruct", str(photos), "-o", str(place)]) == 2
        assert said in capsys.readouterr().err
