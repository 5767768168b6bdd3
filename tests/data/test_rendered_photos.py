"""Photos of a model about which all is known: they agree with its surface and with each other."""

from dataclasses import replace

import numpy as np
import pytest

from isofield.data.painted import plain
from isofield.data.photos import read_views
from isofield.data.rendered_photos import FILL, Tour, angles, photographed_around
from isofield.data.transforms_writing import write_transforms
from isofield.geometry import Mesh
from isofield.geometry.camera import pixel_centres

CENTRE, RADIUS = np.array([3.0, -2.0, 5.0]), 20.0
FEW = Tour(count=10, held_out=2, size=64, samples=2)


@pytest.fixture(scope="module")
def views():
    """Around a ball, coloured by place, far from the origin and large."""
    import trimesh

    made = trimesh.creation.icosphere(5, 1.0)
    unit = np.asarray(made.vertices, np.float64)
    mesh = Mesh(
        CENTRE + RADIUS * unit, np.asarray(made.faces, np.int64), normals=unit, colours=0.5 + 0.4 * unit
    )
    return photographed_around(plain(mesh), FEW)


def test_depths_lie_on_the_surface(views):
    for camera, depth, mask in zip(views.cameras, views.depths, views.masks, strict=True):
        towards = camera.directions(pixel_centres(64, 64))
        seen = depth.ravel() > 0
        points = (
            camera.centre + towards[seen] * (depth.ravel()[seen] / (towards[seen] @ camera.forward))[:, None]
        )
        assert np.linalg.norm(points - CENTRE, axis=1) == pytest.approx(RADIUS, rel=2e-3)
        assert (seen >= (mask.ravel() > 0.99)).all()
        assert (seen <= (mask.ravel() > 0)).all()


def test_masks_are_shares_of_pixels(views):
    for camera, mask in zip(views.cameras, views.masks, strict=True):
        distance = np.linalg.norm(camera.centre - CENTRE)
        radius = camera.pixel_from_camera[0, 0] * np.tan(np.arcsin(RADIUS / distance))
        assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.01)
        assert 2 * radius / 64 == pytest.approx(FILL, rel=0.05)


def test_the_light_stays_where_it_is(views):
    unit = np.random.default_rng(0).normal(size=(400, 3))
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    colours = np.full((len(views), 400, 3), np.nan)
    for i, camera in enumerate(views.cameras):
        pixels, _ = camera.project(CENTRE + RADIUS * unit)
        facing = np.flatnonzero(
            ((camera.centre - CENTRE) @ unit.T) / np.linalg.norm(camera.centre - CENTRE) > 0.6
        )
        x, y = np.floor(pixels[facing]).astype(int).T
        colours[i, facing] = views.images[i][y, x]
    often = (~np.isnan(colours[..., 0])).sum(axis=0) >= 2
    assert often.sum() > 100
    spread = np.nanmax(colours[:, often], axis=0) - np.nanmin(colours[:, often], axis=0)
    assert np.median(spread) < 0.03


def test_cameras_stand_all_around_at_all_heights():
    azimuth, elevation = np.degrees(angles(Tour()).T)
    assert -10 <= elevation.min() < -8
    assert 58 < elevation.max() <= 60
    assert np.diff(np.sort(azimuth)).max() < 15
    assert sum(photographed_held_out(Tour())) == 12


def photographed_held_out(tour):
    import trimesh

    box = trimesh.creation.box()
    mesh = Mesh(np.asarray(box.vertices, np.float64), np.asarray(box.faces, np.int64))
    return photographed_around(plain(mesh), replace(tour, size=4, samples=1)).held_out


def test_written_views_are_read_back(views, tmp_path):
    views = replace(
        views, points=np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32).astype(float)
    )
    write_transforms(tmp_path, views)
    back, said = read_views(tmp_path)
    assert len(said) == 1
    assert list(back.names) == list(views.names)
    assert back.held_out == views.held_out
    assert back.points == pytest.approx(views.points)
    for i in range(len(views)):
        for name in ("pixel_from_camera", "camera_from_world"):
            assert getattr(back.cameras[i], name) == pytest.approx(getattr(views.cameras[i], name), abs=1e-9)
        assert back.masks[i] == pytest.approx(views.masks[i], abs=0.5 / 255 + 1e-6)
        seen = back.masks[i] > 0
        assert back.images[i][seen] == pytest.approx(views.images[i][seen], abs=0.5 / 255 + 1e-5)
        assert back.depths[i] == pytest.approx(views.depths[i], abs=1e-3)


def test_pictures_of_one_name_are_kept_apart(views, tmp_path):
    write_transforms(tmp_path, replace(views, names=["a.png", "a.jpg"] * 5))
    back, _ = read_views(tmp_path)
    assert list(back.names[:2]) == ["0000_a.png", "0001_a.png"]
    assert back.images[1] == pytest.approx(views.images[1] * (back.masks[1] > 0)[..., None], abs=0.01)
