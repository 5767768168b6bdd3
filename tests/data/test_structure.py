"""Photos of three walls with known cameras: the cameras are found again."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isofield.data import structure, structure_features, structure_mapping
from isofield.data.photos import read_views
from isofield.data.structure import find_cameras
from isofield.data.structure_features import focal_of, look
from isofield.errors import InputError

pycolmap = pytest.importorskip("pycolmap")

WIDE, HIGH, FOCAL = 240, 180, 250.0
COUNT = 5


def wall(seed: int, size: int = 512) -> np.ndarray:
    """Grey spots of many sizes, in [0, 1]."""
    random = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for cells in (16, 32, 64, 128, 256):
        spots = Image.fromarray(random.random((cells, cells)).astype(np.float32))
        total += np.asarray(spots.resize((size, size), Image.Resampling.BICUBIC)) - 0.5
    return np.clip(0.5 + 0.35 * total, 0, 1)


WALLS = [wall(axis) for axis in range(3)]


def pose(number: int) -> np.ndarray:
    """Camera from world: on an arc, looking at the corner where the walls x = 0, y = 0 and z = 0 meet."""
    angle = np.radians(20 + 50 * number / (COUNT - 1))
    centre = np.array([2.2 * np.cos(angle), 2.2 * np.sin(angle), 1.2 + 0.1 * (number % 2)])
    forward = np.array([0.35, 0.35, 0.35]) - centre
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])
    return np.concatenate([turn, -(turn @ centre)[:, None]], axis=1)


def photo(number: int) -> np.ndarray:
    """What the camera sees, by the wall that each ray meets first."""
    camera = pose(number)
    turn, centre = camera[:, :3], -camera[:, :3].T @ camera[:, 3]
    columns, rows = np.meshgrid(np.arange(WIDE) + 0.5, np.arange(HIGH) + 0.5)
    flat = np.stack([(columns - WIDE / 2) / FOCAL, (rows - HIGH / 2) / FOCAL, np.ones_like(rows)], -1)
    towards = flat @ turn
    with np.errstate(divide="ignore"):
        distance = np.where(towards < 0, -centre / towards, np.inf)
    first = distance.argmin(-1)
    places = centre + distance.min(-1)[..., None] * towards
    grey = np.zeros((HIGH, WIDE), np.float32)
    for axis, texture in enumerate(WALLS):
        across = np.delete(places, axis, axis=-1)[first == axis]
        at = (across * 200).astype(int) % len(texture)
        grey[first == axis] = texture[at[:, 0], at[:, 1]]
    return np.round(grey * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walls")
    for number in range(COUNT):
        Image.fromarray(photo(number)).convert("RGB").save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def found(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, list[str], list[float]]:
    work = tmp_path_factory.mktemp("work") / "cameras"
    heard: list[float] = []
    model, said = find_cameras(photos, work, lambda share, words: heard.append(share), threads=2)
    return work, model, said, heard


def copied(photos: Path, folder: Path) -> Path:
    return Path(shutil.copytree(photos, folder / "photos"))


def fit(places: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation and shift that take `places` closest to `truth` (Umeyama 1991)."""
    a, b = places - places.mean(0), truth - truth.mean(0)
    left, lengths, right = np.linalg.svd(b.T @ a)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(signs) @ right
    scale = float((lengths * signs).sum() / (a**2).sum())
    return scale, turn, truth.mean(0) - scale * turn @ places.mean(0)


def test_cameras_and_points_are_where_they_were(found, photos: Path) -> None:
    _, model, said, _ = found
    views, told = read_views(model)
    assert said[0].startswith(f"cameras were found for {COUNT} of {COUNT} pictures")
    assert views.names == [f"{i}.png" for i in range(COUNT)]
    assert len(told) == 1  # all pictures are there, with cameras
    truth = np.stack([-pose(i)[:, :3].T @ pose(i)[:, 3] for i in range(COUNT)])
    scale, turn, shift = fit(np.stack([camera.centre for camera in views.cameras]), truth)
    centres = np.stack([camera.centre for camera in views.cameras]) * scale @ turn.T + shift
    assert np.abs(centres - truth).max() < 0.02
    assert views.cameras[0].pixel_from_camera[0, 0] == pytest.approx(FOCAL, rel=0.03)
    assert views.points is not None
    off = np.abs(views.points * scale @ turn.T + shift).min(axis=1)  # from the nearest wall
    assert np.median(off) < 0.01
    assert len(off) > 100


def test_progress_goes_forward_to_the_end(found) -> None:
    heard = found[3]
    assert heard == sorted(heard)
    assert 0 <= heard[0] < 0.3
    assert 0.9 < heard[-1] <= 1


def test_nothing_is_written_beside_the_photos(found, photos: Path) -> None:
    assert sorted(os.listdir(photos)) == [f"{i}.png" for i in range(COUNT)]


def test_a_second_call_reads_what_was_found(found, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, model, said, _ = found
    monkeypatch.setitem(sys.modules, "pycolmap", None)  # not even needed
    again, told = find_cameras(photos, work)
    assert again == model
    assert told[: len(said)] == said
    assert "found before" in told[-1]


def test_same_pictures_same_cameras_whatever_the_threads(found, photos: Path, tmp_path: Path) -> None:
    model, _ = find_cameras(photos, tmp_path / "work", threads=1)
    for name in ("cameras.bin", "images.bin", "points3D.bin"):
        assert (model / name).read_bytes() == (found[1] / name).read_bytes()


def test_interrupted_work_goes_on(
    found, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each stage once, after a beginning."""
    monkeypatch.setattr(structure_mapping, "BATCH", 4)
    looked: list[str] = []
    monkeypatch.setattr(structure_features, "look", lambda path: looked.append(path.name) or look(path))
    compared: list[str] = []
    match = pycolmap.match_image_pairs
    monkeypatch.setattr(pycolmap, "match_image_pairs", lambda *a: compared.append(a[0]) or match(*a))
    for words in ("looking at pictures", "comparing pictures", "placing cameras"):
        told: list[str] = []

        def interrupt(share: float, now: str, words: str = words, told: list[str] = told) -> None:
            told.append(now)
            if told.count(words) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            find_cameras(photos, tmp_path / "work", interrupt, threads=1)
        assert not (tmp_path / "work" / "found.json").exists()
    model, said = find_cameras(photos, tmp_path / "work", threads=1)
    assert said == found[2]
    assert (model / "images.bin").read_bytes() == (found[1] / "images.bin").read_bytes()
    assert len(looked) < 2 * COUNT  # those in work at the interruption were looked at twice
    assert len(compared) == 3  # ten pairs by fours


def test_other_pictures_begin_anew(found, photos: Path, tmp_path: Path) -> None:
    folder = copied(photos, tmp_path)
    work = Path(shutil.copytree(found[0], tmp_path / "work", symlinks=True))
    (folder / "4.png").unlink()
    _, said = find_cameras(folder, work)
    assert said[0].startswith("cameras were found for 4 of 4 pictures")


def test_damaged_and_foreign_pictures_are_left_out_by_name(photos: Path, tmp_path: Path) -> None:
    folder = copied(photos, tmp_path)
    whole = (folder / "2.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.round(wall(9)[:HIGH, :WIDE] * 255).astype(np.uint8)).save(folder / "foreign.png")
    model, said = find_cameras(folder, tmp_path / "work")
    assert said[0].startswith("1 picture damaged and left out: cut.png (")
    assert said[1].startswith("cameras were found for 5 of 6 pictures")
    assert said[2] == "1 picture left out, with too little in common with the others: foreign.png"
    assert len(read_views(model)[0]) == COUNT


def test_pictures_of_different_things(tmp_path: Path) -> None:
    for number in range(3):
        grey = np.round(wall(20 + number)[:HIGH, :WIDE] * 255).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match=r"no two pictures in .* show the same place: take pictures"):
        find_cameras(tmp_path, tmp_path / "work")


def test_pictures_from_one_place_are_not_enough(tmp_path: Path) -> None:
    for number in range(3):  # a flat picture, shifted: as if the camera had only turned a little
        shown = np.round(wall(3)[:HIGH, 8 * number : WIDE + 8 * number] * 255).astype(np.uint8)
        Image.fromarray(shown).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match="no cameras could be found for"):
        find_cameras(tmp_path, tmp_path / "work")


def test_blank_pictures(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("L", (64, 64), 128).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match="no two pictures"):
        find_cameras(tmp_path, tmp_path / "work")


def test_one_photo(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    (tmp_path / "two.heic").touch()
    with pytest.raises(
        InputError,
        match=r"has one photo, .* \(isofield reconstruct .*/one\.png\); .* saved as JPEG: two.heic\.$",
    ):
        find_cameras(tmp_path, tmp_path / "work")
    (tmp_path / "one.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"one photo, which cannot be read: one\.png \(no picture that can"):
        find_cameras(tmp_path, tmp_path / "work")
    (tmp_path / "one.png").unlink()
    with pytest.raises(InputError, match=r"has no photo that can be read \(\.png, "):
        find_cameras(tmp_path, tmp_path / "work")


@pytest.mark.parametrize("flat", [False, True])
def test_where_no_cameras_are_found_damaged_pictures_are_named(tmp_path: Path, flat: bool) -> None:
    """Pictures of different things, or of one flat thing from one place."""
    for number in range(3):
        shown = wall(3)[:HIGH, 8 * number :] if flat else wall(20 + number)
        grey = np.round(shown[:HIGH, :WIDE] * 255).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{number}.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:3000])
    with pytest.raises(InputError, match=r"; 1 picture damaged and left out: cut\.png \(.*\)\.$"):
        find_cameras(tmp_path, tmp_path / "work")


def test_all_but_one_truncated(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(photos / "0.png", folder)
    (folder / "1.png").write_bytes((photos / "1.png").read_bytes()[:3000])
    with pytest.raises(InputError, match=r"too few photos .*: 1 picture damaged and left out: 1\.png"):
        find_cameras(folder, tmp_path / "work")


def test_without_pycolmap(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(InputError, match=r"pip install 'isofield\[photos\]'"):
        find_cameras(photos, tmp_path / "work")


def test_stored_pixels_whatever_exif_says(tmp_path: Path) -> None:
    grey = np.zeros((40, 60), np.uint8)
    grey[:20, :30] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    exif.get_ifd(0x8769)[0xA405] = 26
    Image.fromarray(grey).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    looked = look(tmp_path / "turned.jpg", longest=30)
    assert looked.size == (60, 40)
    assert looked.grey.shape == (20, 30)
    assert looked.opaque is None
    assert looked.grey[:8, :12].min() > 180 > 20 > looked.grey[12:].max()
    # 26 mm on 35 mm film: 43.27 mm across the corners, here 72.1 pixels
    assert focal_of(tmp_path / "turned.jpg", looked.size) == pytest.approx(26 / 43.27 * np.hypot(60, 40))
    Image.fromarray(grey).save(tmp_path / "plain.png")
    assert focal_of(tmp_path / "plain.png", (60, 40)) is None


def test_transparent_places_have_no_features(tmp_path: Path) -> None:
    rgba = np.round(np.repeat(wall(4)[:200, :200, None], 4, axis=2) * 255).astype(np.uint8)
    rgba[..., 3] = 255
    rgba[:, 100:, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "half.png")
    places, descriptors = structure_features._features(look(tmp_path / "half.png"))
    assert len(places) == len(descriptors.data) > 20
    assert places[:, 0].max() < 100


def filled(path: Path, descriptors: list[np.ndarray]):
    """A database of pictures with these features, scales falling."""
    database = pycolmap.Database.open(path)
    cameras: dict = {}
    for number, rows in enumerate(descriptors):
        places = np.stack([np.arange(len(rows))] * 2 + [np.arange(len(rows))[::-1] + 1.0] * 2, 1)
        kind = pycolmap.FeatureExtractorType.SIFT
        features = places.astype(np.float32), pycolmap.FeatureDescriptors(type=kind, data=rows)
        camera = structure_features._camera(database, cameras, (100, 100), None)
        structure_features._write(database, number + 1, f"{number}.png", camera, features)
    return database


def test_likeness_is_counted_as_by_loops(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    common = random.integers(0, 255, (40, 128), dtype=np.uint8)
    sets = [np.concatenate([common[: 10 * k], random.integers(0, 40, (12 - k, 128), dtype=np.uint8)])
            for k in range(4)]  # fmt: skip
    with filled(tmp_path / "a.db", sets) as database:
        alike = structure_mapping._alike(database, [1, 2, 3, 4])
    for i in range(4):
        for j in range(4):
            count = 0
            for one in sets[i].astype(float):
                cosines = [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for other in sets[j]]
                count += max(cosines) > structure_mapping.SIMILAR
            assert alike[i, j] == (-1 if i == j else count)


def test_many_pictures_are_compared_with_neighbours_and_likenesses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    sets = [(random.random((30, 128)) ** 4 * 255).astype(np.uint8) for _ in range(8)]
    sets[7] = sets[0]  # the walk comes back to where it began
    with filled(tmp_path / "a.db", sets) as database:
        assert structure_mapping.pairs_of(database) == [(i, j) for i in range(1, 9) for j in range(i + 1, 9)]
        monkeypatch.setattr(structure_mapping, "ALL", 3)
        monkeypatch.setattr(structure_mapping, "BESIDE", 1)
        monkeypatch.setattr(structure_mapping, "ALIKE", 1)
        pairs = structure_mapping.pairs_of(database)
    assert {(i, i + 1) for i in range(1, 8)} | {(1, 8)} <= set(pairs)
    assert len(pairs) < 28
    assert pairs == sorted(pairs)


def test_pictures_of_another_size_or_zoom_have_another_camera(tmp_path: Path) -> None:
    zoomed = Image.Exif()
    zoomed.get_ifd(0x8769)[0xA405] = 70
    for name, size, exif in (("a", (64, 48), None), ("b", (64, 48), None), ("c", (48, 64), None),
                             ("d", (64, 48), zoomed)):  # fmt: skip
        Image.fromarray(np.round(wall(5)[: size[1], : size[0]] * 255).astype(np.uint8)).save(
            tmp_path / f"{name}.jpg", **({} if exif is None else {"exif": exif})
        )
    with pycolmap.Database.open(tmp_path / "a.db") as database:
        structure_features.write_features(database, sorted(tmp_path.glob("*.jpg")), lambda share: None, 1)
        assert [image.camera_id for image in database.read_all_images()] == [1, 1, 2, 3]
        assert database.read_camera(3).has_prior_focal_length


@pytest.mark.parametrize("links", [True, False])
def test_pictures_and_masks_are_linked_or_copied(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("images/a.jpg", "masks/a.png", "work/"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name) if "." in name else (tmp_path / name).mkdir()
    if not links:
        monkeypatch.setattr(Path, "symlink_to", lambda *_: (_ for _ in ()).throw(OSError("not allowed")))
    structure._link_pictures(tmp_path / "work", [tmp_path / "images" / "a.jpg"])
    assert (tmp_path / "work/images/a.jpg").read_text() == "images/a.jpg"
    assert (tmp_path / "work/masks/a.png").read_text() == "masks/a.png"
    structure._forget(tmp_path / "work", "images", "masks")
    assert (tmp_path / "masks/a.png").exists()
    assert not (tmp_path / "work/masks").exists()


def test_a_workspace_that_cannot_be_made(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        find_cameras(photos, tmp_path / "file" / "work")


def test_a_workspace_with_files_of_others_is_left_alone(photos: Path) -> None:
    before = sorted(os.listdir(photos))
    with pytest.raises(InputError, match="holds other files"):
        find_cameras(photos, photos)
    assert sorted(os.listdir(photos)) == before


def test_state_depends_on_seed_and_pictures(photos: Path) -> None:
    pictures, _ = structure.photos_of(photos)
    assert structure._state(pictures, 0) == structure._state(pictures, 0)
    assert structure._state(pictures, 0) != structure._state(pictures, 1)
    assert structure._state(pictures, 0) != structure._state(pictures[1:], 0)
