"""Radiance grids: a ball in a few pictures comes back, a killed fit goes on, a file keeps what was found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.data.pixel_rays import PixelRays
from isofield.extract import extract_mesh
from isofield.geometry import Similarity
from isofield.geometry.camera import Camera, pixel_centres
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import Views
from isofield.systems.radiance import Radiance, RadianceConfig, plan, read_fitted, write_fitted
from isofield.systems.radiance_fit import Fit, Orders
from isofield.systems.radiance_grids import distance_to, free_space, hull, on, outlines_of
from isofield.systems.radiance_scene import Fitted
from isofield.systems.radiance_stage import Stage

SIZE, RADIUS, CENTRE = 40, 2.0, np.array([5.0, -3.0, 1.0])
CONFIG = RadianceConfig(resolution=32, effort=0.06)


def ball(count: int = 12, masks: bool = True) -> Views:
    """A ball, red on one side and blue on the other, somewhere in a large world; every fourth held out."""
    images, outlines, cameras = [], [], []
    for number in range(count):
        elevation = 0.9 * np.sin(2.4 * number)
        camera = Camera.orbiting(2.4 * number, elevation, 8.0, 55.0, SIZE).moved(
            Similarity(translation=CENTRE)
        )
        towards = camera.directions(pixel_centres(SIZE, SIZE))
        off = camera.centre - CENTRE
        along = -towards @ off
        apart = off @ off - along**2
        hit = apart < RADIUS**2
        place = off + (along - np.sqrt(np.maximum(RADIUS**2 - apart, 0)))[:, None] * towards
        colour = np.where(place[:, :1] > 0, (0.8, 0.2, 0.1), (0.1, 0.3, 0.7)) * hit[:, None]
        images.append(colour.reshape(SIZE, SIZE, 3).astype(np.float32))
        outlines.append(hit.reshape(SIZE, SIZE).astype(np.float32))
        cameras.append(camera)
    names = [f"{number:02d}.png" for number in range(count)]
    held_out = [number % 4 == 3 for number in range(count)]
    return Views(images, cameras, names, outlines if masks else None, held_out=held_out)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return Radiance(RadianceConfig(resolution=32, effort=0.15)).fit(ball())


def held_out_psnr(fitted: Fitted, views: Views) -> float:
    kept = views[[i for i, held in enumerate(views.held_out or []) if held]]
    pixels = PixelRays.of(kept, fitted.world_from_scene.inverse())
    every = torch.arange(len(pixels))
    white = torch.ones(len(pixels), 3)
    rgb, _, _ = fitted.light(pixels.rays(every), white)
    return -10 * float(torch.log10(((rgb - pixels.over(every, white)) ** 2).mean()))


def test_pictures_that_were_held_out_are_predicted(fitted: Fitted) -> None:
    assert held_out_psnr(fitted, ball()) > 18


def test_the_mesh_is_the_ball_in_the_frame_of_the_cameras(fitted: Fitted) -> None:
    scene = fitted.scene()
    assert scene.inside is not None
    mesh = extract_mesh(scene.inside, scene.box, resolution=32, colour=scene.colour)
    mesh = mesh.transformed(scene.world_from_scene)
    assert check_mesh(mesh).is_closed
    radii = np.linalg.norm(mesh.vertices - CENTRE, axis=1)
    assert abs(radii.mean() - RADIUS) < 0.1 * RADIUS
    assert mesh.colours is not None
    right = mesh.vertices[:, 0] > CENTRE[0] + 0.5
    assert mesh.colours[right].mean(axis=0)[0] > mesh.colours[~right].mean(axis=0)[0] + 0.2


def test_a_fit_that_was_interrupted_ends_as_one_that_was_not(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("isofield.systems.radiance_fit.KEEP_EVERY", 20)
    whole = Radiance(CONFIG).fit(ball())

    def watch(share: float, said: str) -> None:
        if share > 0.9:
            raise KeyboardInterrupt

    state = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        Radiance(CONFIG).fit(ball(), watch, state)
    assert state.exists()
    shares: list[float] = []
    again = Radiance(CONFIG).fit(ball(), lambda share, said: shares.append(share), state)
    assert shares[0] > 0.3
    assert again.surface is not None
    assert whole.surface is not None
    assert np.array_equal(again.volume.features, whole.volume.features)
    assert np.array_equal(again.surface.raw, whole.surface.raw)


def test_a_state_of_other_photos_is_not_taken(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("isofield.systems.radiance_fit.KEEP_EVERY", 10)
    config = RadianceConfig(resolution=32, effort=0.04)
    Radiance(config).fit(ball(), state=tmp_path / "state.npz")
    shares: list[float] = []
    Radiance(config).fit(ball(8), lambda share, said: shares.append(share), tmp_path / "state.npz")
    assert shares[0] < 0.2


def test_a_file_keeps_the_scene(fitted: Fitted, tmp_path: Path) -> None:
    write_fitted(tmp_path / "scene.safetensors", RadianceConfig(resolution=32), fitted)
    again = read_fitted(tmp_path / "scene.safetensors")
    assert held_out_psnr(again, ball()) == pytest.approx(held_out_psnr(fitted, ball()), abs=1e-4)
    points = torch.rand(200, 3) - 0.5
    one, other = fitted.scene(), again.scene()
    assert one.inside is not None
    assert other.inside is not None
    assert torch.equal(one.inside(points), other.inside(points))
    assert np.allclose(one.world_from_scene.translation, other.world_from_scene.translation)


def test_without_masks_all_of_space_is_in_the_grid() -> None:
    fitted = Radiance(RadianceConfig(resolution=32, effort=0.1)).fit(ball(masks=False))
    assert fitted.volume.unbounded
    assert fitted.seen is fitted.volume
    scene = fitted.scene()
    assert scene.light is not None
    assert scene.inside is not None
    assert float(scene.inside(torch.zeros(1, 3))) > 0


def test_the_hull_holds_the_ball_and_little_else() -> None:
    fit = Fit(_orders(), ball(), lambda share, said: None)
    cells = hull(fit.outlines, 32)
    place = np.stack(np.meshgrid(*[(np.arange(32) + 0.5) / 32 - 0.5] * 3, indexing="ij"), axis=-1)
    radius = RADIUS * fit.frame.scene_from_world.scale
    inside = np.linalg.norm(place, axis=-1) < radius
    assert cells[inside].all()
    assert cells.sum() < 1.9 * inside.sum()


def test_finer_cells_show_the_same(fitted: Fitted) -> None:
    fine = on(fitted.volume, fitted.volume.cells.cells.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    coarse = fitted.volume
    rays = PixelRays.of(ball(3), fitted.world_from_scene.inverse()).rays(torch.arange(800, 900))
    white = torch.ones(100, 3)
    one = fitted.light(rays, white, coarse)[0]
    other = fitted.light(rays, white, fine)[0]
    assert (one - other).abs().mean() < 0.03


def test_light_ends_at_the_ball() -> None:
    fit = Fit(_orders(), ball(), lambda share, said: None)
    fitted = fit.run()
    light = free_space(fitted.volume, fit.pixels)
    middle = len(light) // 2
    assert light[middle, middle, middle] < 0.1
    assert light[0, 0, 0] == 1


def test_distance_is_negative_inside_and_grows_by_cells() -> None:
    marked = np.zeros((17,) * 3, bool)
    marked[5:12, 5:12, 5:12] = True
    distance = distance_to(marked) * 16
    assert distance[8, 8, 4] == pytest.approx(0.5)
    assert distance[8, 8, 5] == pytest.approx(-0.5)
    assert distance[8, 8, 1] == pytest.approx(3.5)


def test_traces_of_the_object_count() -> None:
    camera = Camera.orbiting(0.0, 0.0, 3.0, 20.0, 20)
    mask = np.zeros((20, 20), np.float32)
    mask[10, 10] = 0.05
    (outline,) = outlines_of([camera], [mask])
    assert (outline.distance == 0).sum() == 9


def _orders() -> Orders:
    return Orders(tuple(plan(CONFIG, True)), 8, 64, True, False, True, 0)


def test_a_fit_that_learns_nothing_begins_again_and_says_so() -> None:
    still = Stage("coarse", 32, 200, 64, raw=0.0, features=0.0, network=0.0)
    said: list[str] = []
    fit = Fit(
        replace(_orders(), stages=(still,)), ball(4, masks=False), lambda share, words: said.append(words)
    )
    fit.run()
    assert [words for words in said if "attempt" in words] == [
        f"learnt nothing, beginning again (attempt {attempt} of 3)" for attempt in (2, 3)
    ]
    learns = replace(still, rays=512, raw=0.08, features=0.03, network=2e-3)
    said.clear()
    Fit(
        replace(_orders(), stages=(learns,)), ball(4, masks=False), lambda share, words: said.append(words)
    ).run()
    assert not any("attempt" in words for words in said)
