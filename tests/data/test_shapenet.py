"""The reader against hand-made folders in the official layout, sound and broken."""

import numpy as np
import pytest
from PIL import Image

from isofield.data.dataset_survey import survey_dataset
from isofield.data.shapenet import TIE_NOISE, categories, is_dataset, items
from isofield.errors import InputError


def write_model(folder, count=24, **changes):
    """A model as the official files are: float16 points, packed bits, loc and scale."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    points = draw.uniform(-0.55, 0.55, (count, 3)).astype(np.float16)
    inside = np.arange(count) % 3 == 0
    frame = {"loc": np.array([1.0, 2, 3]), "scale": np.float64(2)}
    volume = {"points": points, "occupancies": np.packbits(inside), **frame}
    normals = np.tile(np.float16([0, 0, 2]), (count, 1))
    surface = {"points": points, "normals": normals, **frame}
    for name, arrays in (("points", volume), ("pointcloud", surface)):
        arrays |= changes.get(name, {})
        np.savez(folder / f"{name}.npz", **{k: v for k, v in arrays.items() if v is not None})
    return points, inside


@pytest.fixture
def root(tmp_path):
    """Two categories of three models; lists end in an empty line, as the official ones do."""
    for category in ("02691156", "03001627"):
        for name in ("aaa", "bbb", "ccc"):
            write_model(tmp_path / category / name)
        for split, names in (("train", "aaa\nbbb\n\n"), ("val", "\n"), ("test", "ccc\n\n")):
            (tmp_path / category / f"{split}.lst").write_text(names)
    (tmp_path / "metadata.yaml").write_text("02691156:\n  id: 02691156\n  name: airplane\n")
    return tmp_path


def test_lists_are_read_without_their_empty_lines(root):
    assert categories(root) == ["02691156", "03001627"]
    assert is_dataset(root)
    assert [i.name for i in items(root, "train", ["03001627"])] == ["03001627/aaa", "03001627/bbb"]
    assert [i.id for i in items(root, "test")] == ["ccc", "ccc"]
    assert len(items(root)) == 6


@pytest.mark.parametrize("count", [24, 21])
def test_packed_bits_and_float16_come_back(tmp_path, count):
    points, inside = write_model(tmp_path / "c" / "m", count)
    (tmp_path / "c" / "train.lst").write_text("m\n")
    (item,) = items(tmp_path)
    known = item.occupied()
    assert known.points.dtype == np.float32
    assert (known.points == points.astype(np.float32)).all()
    assert (known.inside == inside).all()
    assert known.hidden is None
    noisy = item.occupied(noise=TIE_NOISE, seed=1).points - known.points
    assert 0.5e-4 < noisy.std() < 1.5e-4
    assert (
        item.occupied(noise=TIE_NOISE, seed=1).points == item.occupied(noise=TIE_NOISE, seed=1).points
    ).all()


def test_unpacked_occupancies_are_understood(tmp_path):
    inside = np.arange(24) % 3 == 0
    write_model(tmp_path / "c" / "m", points={"occupancies": inside.astype(np.float32)})
    (tmp_path / "c" / "train.lst").write_text("m\n")
    assert (items(tmp_path)[0].occupied().inside == inside).all()


def test_clouds_have_unit_normals_and_a_way_back(root):
    item = items(root)[0]
    cloud = item.cloud()
    assert cloud.normals == pytest.approx(np.tile([0, 0, 1.0], (24, 1)))
    assert item.world_from_unit().apply(np.array([[0.5, 0, 0]])) == pytest.approx(np.array([[2.0, 2, 3]]))
    assert item.voxel_file == item.folder / "model.binvox"


CUT = {"occupancies": np.zeros(1, np.uint8)}
DEFECTS = [
    ("points", {"occupancies": None}, r"points\.npz has no key 'occupancies'"),
    ("points", CUT, r"points\.npz, key 'occupancies': 1 values"),
    ("points", {"points": np.zeros((24, 2), np.float16)}, r"key 'points': expected n rows of three floats"),
    ("points", {"points": np.full((24, 3), np.nan)}, r"key 'points': some numbers are not finite"),
    ("pointcloud", {"points": None}, r"pointcloud\.npz has no key 'points'"),
    ("pointcloud", {"normals": np.zeros((7, 3), np.float16)}, r"7 normals do not fit 24 points"),
]


@pytest.mark.parametrize(("file", "change", "message"), DEFECTS)
def test_defects_name_file_and_key(tmp_path, file, change, message):
    write_model(tmp_path / "c" / "m", **{file: change})
    (tmp_path / "c" / "train.lst").write_text("m\n")
    (item,) = items(tmp_path)
    with pytest.raises(InputError, match=message):
        item.occupied() if file == "points" else item.cloud()
    assert any(file in defect for defect in survey_dataset(tmp_path).defects)


def test_a_truncated_file_is_damaged_not_a_crash(root):
    path = root / "02691156" / "aaa" / "points.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"points\.npz is damaged"):
        items(root)[0].occupied()
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"points\.npz is damaged"):
        items(root)[0].occupied()


def test_a_frame_without_size_is_refused(tmp_path):
    write_model(tmp_path / "c" / "m", pointcloud={"scale": np.float64(0)})
    (tmp_path / "c" / "train.lst").write_text("m\n")
    with pytest.raises(InputError, match="scale one above zero"):
        items(tmp_path)[0].world_from_unit()


def test_wrong_names_say_what_there_is(root, tmp_path):
    with pytest.raises(InputError, match="no category 'sofa'; it has 02691156, 03001627"):
        items(root, "train", ["sofa"])
    with pytest.raises(InputError, match=r"holdout\.lst is missing"):
        items(root, "holdout")
    with pytest.raises(InputError, match="no model in its val split"):
        items(root, "val")
    with pytest.raises(InputError, match="there is no data set"):
        categories(root / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match="isofield prepare makes one"):
        categories(tmp_path / "bare")
    assert not is_dataset(tmp_path / "bare")


def test_the_survey_counts_and_finds_every_defect(root):
    survey = survey_dataset(root)
    assert survey.defects == []
    assert survey.counts["02691156"] == {"train": 2, "val": 0, "test": 1}
    assert (survey.checked, survey.inside) == (6, pytest.approx(1 / 3))
    assert survey.files == {"points.npz": 6, "points_surface.npz": 0, "pointcloud.npz": 6, "model.binvox": 0,
                            "pictures": 0}  # fmt: skip
    (root / "03001627" / "test.lst").write_text("ccc\naaa\nzzz\n")
    (root / "02691156" / "aaa" / "pointcloud.npz").unlink()
    (root / "02691156" / "val.lst").unlink()
    found = "\n".join(survey_dataset(root).defects)
    for sentence in ("aaa is in train.lst too", "zzz is missing, though a list names it",
                     "pointcloud.npz is missing", "val.lst is missing"):  # fmt: skip
        assert sentence in found
    assert len(survey_dataset(root).defects) == 4
    assert survey_dataset(root, limit=2).checked <= 3


def test_the_survey_reads_voxels_pictures_and_cameras(root):
    folder = root / "02691156" / "aaa"
    (folder / "model.binvox").write_bytes(b"#binvox 1\ndim 2 2 2\ndata\n\x01\x07")
    (folder / "img_choy2016").mkdir()
    Image.new("RGB", (137, 137), "white").save(folder / "img_choy2016" / "000.jpg")
    survey = survey_dataset(root)
    assert (survey.files["model.binvox"], survey.files["pictures"]) == (1, 1)
    assert len(survey.defects) == 2
    assert "data for 7" in survey.defects[0]
    assert "cameras.npz is missing" in survey.defects[1]
    rotation = np.diag([1.0, -1, -1])
    np.savez(
        folder / "img_choy2016" / "cameras.npz",
        world_mat_0=np.column_stack([rotation, [0, 0, 9.0]]), camera_mat_0=np.diag([150.0, 150, 1]),
    )  # fmt: skip
    item = items(root)[0]
    assert (item.views(), item.image().shape) == (1, (137, 137, 3))
    # loc is (1, 2, 3) and scale 2: the unit origin lies at rotation @ loc + translation
    assert item.camera().project(np.zeros((1, 3)))[1] == pytest.approx([6])
    assert item.camera().project(np.array([[0, 0, 0.5]]))[1] == pytest.approx([5])
    with pytest.raises(InputError, match="no key 'world_mat_1'"):
        item.camera(1)
    with pytest.raises(InputError, match=r"001\.jpg is missing"):
        item.image(1)


def test_points_all_on_one_side_are_a_defect(tmp_path):
    write_model(tmp_path / "c" / "m", points={"occupancies": np.packbits(np.ones(24, bool))})
    (tmp_path / "c" / "train.lst").write_text("m\n")
    assert "all points are inside" in "\n".join(survey_dataset(tmp_path).defects)
