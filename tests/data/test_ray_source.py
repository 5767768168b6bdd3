"""Rays go through the pixels whose colours they carry; batches depend on seed and step alone."""

import numpy as np
import pytest
import torch

from isofield.data.ray_source import Bounds, Lit, RaySource, bounded_rays, psnr
from isofield.data.transforms_writing import write_transforms
from isofield.errors import InputError
from isofield.geometry import Similarity
from isofield.geometry.camera import Camera
from isofield.geometry.rays import Rays
from isofield.observation import Views


def views(count: int = 9, size: int = 12) -> Views:
    """A white ball of radius 0.5, half transparent, that cameras of different focal lengths walk around."""
    cameras = [
        Camera.orbiting(0.7 * k, 0.3 * (k % 3) - 0.2, 3.0, (1.5 + 0.1 * k) * size, size) for k in range(count)
    ]
    ys, xs = np.mgrid[:size, :size] / size
    images = [np.stack([xs, ys, np.full_like(xs, k / count)], -1).astype(np.float32) for k in range(count)]
    masks = [((xs - 0.5) ** 2 + (ys - 0.5) ** 2 < 0.1).astype(np.float32) for _ in range(count)]
    return Views(images, cameras, [f"{k}.png" for k in range(count)], masks)


PLACE = Similarity(scale=0.5, translation=np.array([0.1, 0.2, -0.3]))
FREE = Bounds()


def test_every_ray_carries_the_colour_of_its_pixel():
    seen = views()
    lit = Lit.of(seen, PLACE, 1.0)
    which = np.random.default_rng(0).permutation(len(lit.colours))[:200]
    rays = lit.rays(which, FREE, 2.0)
    for number, index in enumerate(which):
        picture, pixel = divmod(int(index), 12 * 12)
        row, column = divmod(pixel, 12)
        camera = seen.cameras[picture].moved(PLACE)
        back, depth = camera.project(
            rays.at(torch.full((len(rays),), 1.3)).double().numpy()[number : number + 1]
        )
        assert depth[0] > 0
        np.testing.assert_allclose(back[0], [column + 0.5, row + 0.5], atol=2e-3)
        mask = seen.masks[picture][row, column]
        wanted = seen.images[picture][row, column] * mask + 1 - mask
        np.testing.assert_allclose(lit.colours[index], wanted, atol=1e-6)


def test_bounds_by_depth_are_planes_before_the_camera():
    camera = views().cameras[0]
    place = PLACE.inverse()
    rays = bounded_rays(camera, 12, 12, place, Bounds(2.0, 6.0))
    for t, depth in ((rays.near, 2.0), (rays.far, 6.0)):
        world = place.apply(rays.at(t).double().numpy())
        np.testing.assert_allclose(camera.project(world)[1], depth, rtol=1e-5)


def test_bounds_by_the_cube_are_its_faces_and_equal_beside_it():
    origins = torch.tensor([[0.0, 0, -3], [5, 0, -3]])
    rays = Rays(origins, torch.tensor([[0.0, 0, 1]] * 2), torch.zeros(2), torch.full((2,), torch.inf))
    found = FREE.bound(rays, rays.directions, 1.0)
    assert found.near.tolist() == pytest.approx([2.45, 0])
    assert found.far.tolist() == pytest.approx([3.55, 0])


@pytest.fixture
def source(tmp_path):
    write_transforms(tmp_path, views())
    return RaySource.of(tmp_path, 3, 64, None, 1.0, FREE, early=10)


def test_batches_are_functions_of_seed_and_step(source):
    first, again, other = (source.batch(step, 0, 1) for step in (20, 20, 21))
    assert first.colours.equal(again.colours)
    assert first.rays.directions.equal(again.rays.directions)
    assert not first.colours.equal(other.colours)
    halves = torch.cat([source.batch(20, rank, 2).colours for rank in (0, 1)])
    assert halves.equal(first.colours)


def test_early_batches_come_from_the_middle(source):
    early = source.lit.drawn(np.random.default_rng(0), 2000, 0.5) % 144
    assert set(early // 12) == set(early % 12) == set(range(3, 9))
    assert set(source.lit.drawn(np.random.default_rng(0), 5000, 1.0) % 144) == set(range(144))


def test_every_eighth_picture_is_held_out_where_nothing_is_said(source):
    assert len(source.held.cameras) == 2
    assert len(source.lit.cameras) == 7


def test_batches_know_the_way_back(source):
    matrix = source.batch(0, 0, 1).world_from_scene.numpy()
    place = source.world_from_scene
    points = np.random.default_rng(0).random((5, 3))
    np.testing.assert_allclose(points @ matrix[:3, :3].T + matrix[:3, 3], place.apply(points))


def test_a_constant_answer_is_a_collapse_and_a_better_one_is_not(source):
    constant = float(source.lit.colours.var(0).mean())
    assert source.collapsed(310, {"fine": 1.2 * constant})
    assert not source.collapsed(310, {"fine": 0.5 * constant})
    assert not source.collapsed(309, {"fine": 1.2 * constant})


def test_validation_and_preview_compare_with_held_out_pictures(source, tmp_path):
    from PIL import Image

    class Perfect:
        def seen(self, rays):
            every = source.held.rays(np.arange(len(source.held.colours)), FREE, source.world_from_scene.scale)
            same = (every.directions[None] - rays.directions[:, None]).abs().sum(-1).argmin(1)
            return torch.from_numpy(source.held.colours)[same]

    found = source.validate(Perfect())
    assert found["psnr"] > 100
    assert found["psnr_constant"] < 20
    source.preview(Perfect(), 7, tmp_path)
    picture = np.asarray(Image.open(tmp_path / "000000007.png"))
    assert picture.shape == (12, 24, 3)
    np.testing.assert_array_equal(picture[:, :12], picture[:, 12:])


def test_pictures_of_one_kind_only_are_refused(tmp_path):
    from dataclasses import replace

    write_transforms(tmp_path, replace(views(), held_out=[False] * 9))
    with pytest.raises(InputError, match="not one kind"):
        RaySource.of(tmp_path, 0, 8, None, 1.0, FREE, early=0)


def test_decibels():
    assert psnr(0.01) == pytest.approx(20)
