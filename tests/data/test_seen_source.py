"""Batches of pictures and voxels with labelled points, from data sets in the official layout."""

import json

import numpy as np
import pytest
from PIL import Image

from isofield.data.binvox import write_binvox
from isofield.data.chosen import chosen, words_of
from isofield.data.manifest import Entry
from isofield.data.seen_source import PhotoSource, StagedVoxelSource, VoxelSource, window
from isofield.data.shapenet import items
from isofield.errors import InputError
from isofield.geometry import Box
from isofield.observation import Voxels


@pytest.fixture
def root(tmp_path):
    """Five models whose right half is inside; pictures of model i, view v are darker from left to right."""
    names = [f"model{i}" for i in range(5)]
    for i, name in enumerate(names):
        folder = tmp_path / "things" / name
        (folder / "img_choy2016").mkdir(parents=True)
        points = np.random.default_rng(i).uniform(-0.5, 0.5, (200, 3)).astype(np.float16)
        frame = {"loc": np.zeros(3), "scale": np.float64(1)}
        np.savez(folder / "points.npz", points=points, occupancies=np.packbits(points[:, 0] > 0), **frame)
        occupied = np.zeros((32, 32, 32), bool)
        occupied[16:] = True
        write_binvox(folder / "model.binvox", Voxels(occupied, Box.cube()))
        for view in range(3):
            image = np.full((20, 20, 3), 40 * i, np.uint8)
            image[..., 1], image[..., 2] = 80 * view, np.linspace(250, 0, 20).astype(np.uint8)
            Image.fromarray(image).save(folder / "img_choy2016" / f"{view:03d}.png")
    (tmp_path / "things" / "train.lst").write_text("\n".join(names[:4]) + "\n\n")
    (tmp_path / "things" / "val.lst").write_text(names[4] + "\n")
    return tmp_path


def models_of(images):
    return np.round(images[:, 0, 0, 0].numpy() * 255 / 40).astype(int).tolist()


def views_of(images):
    return np.round(images[:, 0, 0, 1].numpy() * 255 / 80).astype(int).tolist()


def test_an_epoch_shows_each_model_once_from_random_sides(root):
    source = PhotoSource.of(root, seed=0, size=4, points=50, cloud_size=0, image_size=20)
    views = []
    for step in range(6):
        batch = source.batch(step, 0, 1)
        assert batch.cloud is None
        assert (batch.images.shape, batch.points.shape) == ((4, 20, 20, 3), (4, 50, 3))
        assert sorted(models_of(batch.images)) == [0, 1, 2, 3]
        assert models_of(batch.images) == batch.item.tolist()
        views += views_of(batch.images)
    assert set(views) == {0, 1, 2}


def test_batches_depend_on_seed_and_step_and_split_over_ranks(root):
    def make(seed):
        return PhotoSource.of(root, seed=seed, size=4, points=50, cloud_size=0, crop=0.75)

    whole = make(1).batch(3, 0, 1)
    parts = [make(1).batch(3, rank, 2) for rank in range(2)]
    assert (whole.images.numpy() == np.concatenate([part.images for part in parts])).all()
    assert (whole.points.numpy() == np.concatenate([part.points for part in parts])).all()
    assert (whole.images.numpy() != make(2).batch(3, 0, 1).images.numpy()).any()
    assert whole.images.shape == (4, 224, 224, 3)


def test_mirrored_models_go_with_mirrored_pictures_and_voxels(root):
    photos = PhotoSource.of(root, seed=0, size=4, cloud_size=0, image_size=20, mirror=True)
    voxels = VoxelSource.of(root, seed=0, size=4, cloud_size=0, mirror=True)
    seen = set()
    for step in range(4):
        a, b = photos.batch(step, 0, 1), voxels.batch(step, 0, 1)
        for i in range(4):
            mirrored = bool(a.images[i, 0, 0, 2] < 0.5)
            right = a.inside[i].bool() == (a.points[i, :, 0] > 0)
            assert right.float().mean() == pytest.approx(0.0 if mirrored else 1.0, abs=0.01)
            inside_left = bool(b.inside[i][b.points[i, :, 0] < -0.01].all())
            assert bool(b.voxels[i, 0].all()) == inside_left
            seen.add(mirrored)
    assert seen == {False, True}


def test_stages_show_centres_of_coarse_voxels_and_then_the_labelled_points(root):
    solid = np.zeros((32, 32, 32), bool)
    solid[17, 3, 5] = solid[30, 30, 30] = True
    for item in items(root, "train"):
        write_binvox(item.voxel_file, Voxels(solid, Box.cube()))
    staged = StagedVoxelSource.of(root, seed=0, size=4, cloud_size=0, mirror=True, points=5000, epochs=(1, 2))
    last = VoxelSource.of(root, seed=0, size=4, cloud_size=0, mirror=True, points=5000)
    for step, edge in enumerate((16, 32, 32, None)):
        batch = staged.batch(step, 0, 1)
        if edge is None:
            assert batch.points.equal(last.batch(step, 0, 1).points)
            break
        cells = (batch.points.numpy() + 0.5) * edge - 0.5
        assert np.abs(cells - np.round(cells)).max() < 1e-4
        for cell, inside, voxels in zip(np.round(cells).astype(int), batch.inside, batch.voxels, strict=True):
            assert len(np.unique(cell, axis=0)) == min(5000, edge**3)
            blocks = voxels.numpy().reshape((edge, 32 // edge) * 3).max((1, 3, 5))
            assert (blocks[tuple(cell.T)] == inside.numpy()).all()
            if edge == 16:
                assert inside[:4096].sum() == 2


def test_measuring_shows_view_0_every_time(root):
    source = PhotoSource.of(root, seed=0, size=4, cloud_size=0, image_size=20)
    (known,) = source.held_out()
    (again,) = source.held_out()
    assert known.name == "things/model4"
    assert np.round(known.observation.image[0, 0, :2] * 255) == pytest.approx([160, 0])
    assert (known.points == again.points).all()
    (solid,) = VoxelSource.of(root, seed=0, size=4, cloud_size=0).held_out()
    assert solid.observation.occupied.mean() == 0.5


def test_a_model_without_pictures_is_named(root):
    for path in (root / "things" / "model0" / "img_choy2016").iterdir():
        path.unlink()
    source = PhotoSource.of(root, seed=0, size=4, cloud_size=0)
    with pytest.raises(InputError, match=r"model0 has no pictures; isofield prepare renders them"):
        source.batch(0, 0, 1)


def test_windows_are_cut_where_told():
    ramp = np.tile(np.linspace(0, 1, 100)[None, :, None], (100, 1, 3)).astype(np.float32)
    half = window(ramp, np.array([0.0, 0.5]), 0.5, 50)
    assert half[:, :, 0] == pytest.approx(ramp[:50, 50:, 0], abs=0.01)
    wide = np.concatenate([np.zeros((10, 5, 3)), np.ones((10, 10, 3)), np.zeros((10, 5, 3))], axis=1)
    assert (window(wide.astype(np.float32), np.zeros(2), 1.0, 10) == 1).all()


def test_models_are_chosen_by_what_they_are_called(root):
    titles = ["Coffee tables", "Vegetables", "Silla", "Lamp"]
    tags = ["", "food", "Seat, Chair", ""]
    entries = [
        {"id": f"model{i}", "category": "things", "source": "", "fingerprint": "", "status": "ok",
         "title": title, "tags": tag}
        for i, (title, tag) in enumerate(zip(titles, tags, strict=True))
    ]  # fmt: skip
    (root / "manifest.json").write_text(json.dumps({"settings": {}, "models": entries}))
    models = items(root)
    assert [m.id for m in chosen(root, models, ["table"])] == ["model0"]
    assert [m.id for m in chosen(root, models, ["Chair", "lamp"])] == ["model2", "model3"]
    assert chosen(root, models, []) == models
    with pytest.raises(InputError, match="no model that is called sofa"):
        chosen(root, models, ["sofa"])
    assert {"round", "table"} <= words_of(Entry("roundTable2", "c", "", "", "ok"))
    (root / "manifest.json").unlink()
    with pytest.raises(InputError, match="no manifest"):
        chosen(root, models, ["table"])


def test_varied_pictures_differ_from_step_to_step_alone(root):
    def make(vary):
        return PhotoSource.of(root, seed=1, size=4, cloud_size=0, image_size=20, crop=0.45, vary=vary)

    first = make(1.0).batch(3, 0, 1).images.numpy()
    assert (first == make(1.0).batch(3, 0, 1).images.numpy()).all()
    assert np.abs(first - make(0.0).batch(3, 0, 1).images.numpy()).max() > 0.1
    (measured,), (plain,) = make(1.0).held_out(), make(0.0).held_out()
    assert (measured.observation.image == plain.observation.image).all()
