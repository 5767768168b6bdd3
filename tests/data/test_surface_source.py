"""Surface points and voxels as what is to be found, and the Chamfer distance on what is held out."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from isofield.data.binvox import write_binvox
from isofield.data.occupancy import OccupancySource
from isofield.data.seen_source import PhotoSource
from isofield.data.surface_source import SurfaceSource, chamfer_l1, surface_points
from isofield.geometry import Box, Mesh, Similarity
from isofield.geometry.template import icosphere
from isofield.observation import Voxels
from isofield.scene import Scene
from isofield.training.source import BatchSource, HoldsOut, Validates


@pytest.fixture
def root(tmp_path):
    """Five balls that lie to the right of the origin, of radius 0.1, 0.15, ..."""
    names = [f"ball{i}" for i in range(5)]
    for i, name in enumerate(names):
        folder = tmp_path / "things" / name
        folder.mkdir(parents=True)
        draw = np.random.default_rng(i)
        surface = draw.standard_normal((3000, 3))
        surface *= (0.1 + 0.05 * i) / np.linalg.norm(surface, axis=1, keepdims=True)
        frame = {"loc": np.zeros(3), "scale": np.float64(1)}
        surface[:, 0] += 0.2
        np.savez(folder / "pointcloud.npz", points=surface.astype(np.float32), **frame)
        points = draw.uniform(-0.5, 0.5, (200, 3)).astype(np.float16)
        np.savez(folder / "points.npz", points=points, occupancies=np.packbits(points[:, 0] > 0), **frame)
        occupied = np.zeros((32, 32, 32), bool)
        occupied[16 + i :] = True
        write_binvox(folder / "model.binvox", Voxels(occupied, Box.cube()))
    (tmp_path / "things" / "train.lst").write_text("\n".join(names[:4]))
    (tmp_path / "things" / "val.lst").write_text(names[4])
    return tmp_path


def test_clouds_are_noisy_and_surfaces_are_exact(root):
    source = SurfaceSource.over(OccupancySource.of(root, 0, 4, cloud_size=50, noise=0.02), 80)
    batch = source.batch(0, 0, 1)
    assert (batch.points.shape, batch.cloud.shape, batch.surface.shape) == ((4, 0, 3), (4, 50, 3), (4, 80, 3))
    radii = 0.1 + 0.05 * batch.item[:, None].numpy()

    def error(points):
        return np.abs(np.linalg.norm(points.numpy() - [0.2, 0, 0], axis=-1) - radii)

    assert error(batch.surface).max() < 1e-5
    assert error(batch.cloud).mean() > 5e-3


def test_clouds_and_surfaces_are_mirrored_together(root):
    source = SurfaceSource.over(OccupancySource.of(root, 0, 4, cloud_size=50, mirror=True), 80)
    for step in range(3):
        batch = source.batch(step, 0, 1)
        sides = np.sign(batch.surface.mean((1, 2)).numpy())
        assert (sides == np.sign(batch.cloud.mean((1, 2)).numpy())).all()
        assert set(sides) <= {-1, 1}
    assert set(np.sign(np.concatenate([source.batch(s, 0, 1).surface.mean((1, 2)) for s in range(5)]))) == {
        -1,
        1,
    }


def test_voxels_are_given_and_mirrored(root):
    source = OccupancySource.of(root, 0, 4, cloud_size=50, points=0, solid=True, mirror=True)
    for step in range(3):
        batch = source.batch(step, 0, 1)
        for full, cloud, item in zip(batch.voxels, batch.cloud, batch.item, strict=True):
            right = cloud[:, 0].mean() > 0
            assert full.sum() == (16 - item) * 32 * 32
            assert full[-1 if right else 0].all()
            assert not full[0 if right else -1].any()


def test_pictures_come_with_voxels(root):
    for index in range(4):
        folder = root / "things" / f"ball{index}" / "img_choy2016"
        folder.mkdir()
        picture = np.zeros((20, 20, 3), np.uint8)
        picture[:, 10:] = 255
        Image.fromarray(picture).save(folder / "000.png")
    source = PhotoSource.of(root, 0, 4, cloud_size=0, solid=True, mirror=True, image_size=20)
    for step in range(3):
        batch = source.batch(step, 0, 1)
        bright = batch.images[:, :, -1].mean((1, 2)) > 0.5
        assert ((batch.voxels[:, -1].sum((1, 2)) > 0) == bright).all()


def test_what_else_is_drawn_does_not_change_the_batches(root):
    plain = OccupancySource.of(root, 0, 4, cloud_size=50, mirror=True).batch(3, 0, 1)
    more = OccupancySource.of(root, 0, 4, cloud_size=50, mirror=True, surface=9, solid=True).batch(3, 0, 1)
    assert plain.points.equal(more.points)
    assert plain.cloud.equal(more.cloud)
    assert plain.surface is None
    assert plain.voxels is None


def test_the_held_out_are_measured_in_their_own_frame(root):
    source = SurfaceSource.over(OccupancySource.of(root, 0, 4, cloud_size=200), 80)
    assert isinstance(source, BatchSource)
    assert isinstance(source, Validates)
    assert not isinstance(source, HoldsOut)
    vertices, faces = icosphere(4)
    there = Similarity(0.6, translation=np.array([0.2, 0, 0]))

    def knows(radius):
        mesh = Mesh(radius / 0.6 * vertices, faces)
        return SimpleNamespace(reconstruct=lambda seen: Scene(world_from_scene=there, mesh=mesh))

    right, wrong = (source.validate(knows(radius)) for radius in (0.3, 0.25))
    assert right["chamfer_l1"] < 0.01
    assert wrong["chamfer_l1"] == pytest.approx(0.05, abs=0.005)
    assert right["closeness"] == -right["chamfer_l1"]
    assert SurfaceSource(OccupancySource([], [], 0, 1)).validate(None) == {}


def test_points_are_measured_as_they_are():
    scene = Scene(points=np.zeros((1, 3)), world_from_scene=Similarity(2, translation=np.array([1.0, 0, 0])))
    assert surface_points(scene).tolist() == [[1, 0, 0]]
    assert chamfer_l1(surface_points(scene), np.array([[1.0, 0, 1], [1, 0, 3]])) == (1 + 2) / 2
    with pytest.raises(TypeError, match="neither mesh nor points"):
        surface_points(Scene())
