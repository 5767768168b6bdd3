"""DVR: its losses where they can be known, bound and plain fields, and a ball learned from its outlines."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.data.pixels import PixelBatch, Pixels, PixelSource
from isofield.errors import InputError
from isofield.geometry import Similarity
from isofield.geometry.camera import Camera
from isofield.observation import Photo, PointCloud, Views
from isofield.systems.dvr import DVR, DVRConfig, differences

SINGLE = DVRConfig(code_size=8, width=16, blocks=2, encoder_width=4, image_size=32)
MANY = DVRConfig(
    sees="views", code_size=0, width=32, blocks=2, rays=256, rate=5e-3, steps=150, on_object=0.5,
    march=(16, 32), march_at=(60,),
)  # fmt: skip


def ball_views(count: int = 6, size: int = 24, radius: float = 0.4) -> Views:
    """Pictures of a red ball around (1, 2, 3), with depths."""
    images, masks, depths, cameras = [], [], [], []
    away = Similarity(translation=np.array([1.0, 2.0, 3.0]))
    for k in range(count):
        camera = Camera.orbiting(k * 2 * np.pi / count, 0.5 * (-1) ** k, 2.0, size * 1.2, size).moved(away)
        y, x = np.mgrid[:size, :size] + 0.5
        towards = camera.directions(np.stack([x.ravel(), y.ravel()], 1))
        from_middle = camera.centre - [1.0, 2.0, 3.0]
        middle = -(towards @ from_middle)
        under = radius**2 - (from_middle @ from_middle - middle**2)
        mask = (under > 0).reshape(size, size).astype(np.float32)
        t = middle - np.sqrt(np.maximum(under, 0))
        depths.append((t * (towards @ camera.forward)).reshape(size, size).astype(np.float32) * mask)
        images.append(mask[..., None] * np.array([0.9, 0.2, 0.1], np.float32))
        masks.append(mask)
        cameras.append(camera)
    return Views(images, cameras, [f"{k}.png" for k in range(count)], masks=masks, depths=depths)


def built(config: DVRConfig, **changes) -> DVR:
    torch.manual_seed(0)
    return DVR(replace(config, **changes))


class Ball(torch.nn.Module):
    """A field that is a red ball of radius 0.4, nearly hard."""

    def rows(self, code):
        red = torch.tensor([0.9, 0.2, 0.1]).logit()
        return lambda p: torch.cat([100 * (0.4 - p.norm(dim=1, keepdim=True)), red.expand(len(p), 3)], 1)


def test_the_true_shape_has_no_loss():
    system = built(MANY, march=(128,), march_at=(), gradient=1.0)
    system.field = Ball()
    views = ball_views()
    unit = Similarity(translation=-np.array([1.0, 2.0, 3.0]))
    batch = PixelSource(Pixels.of(views, unit), 2000, patches=True).batch(0, 0, 1)
    losses = system.losses(batch)
    assert set(losses) == {"colour", "free", "occupied", "smooth", "depth", "gradient"}
    assert losses["depth"] < 0.01 * 2000
    assert all(losses[name] < 1.0 for name in ("colour", "gradient", "occupied", "smooth"))
    assert losses["free"] < 10


def test_a_ball_that_is_elsewhere_has_every_loss():
    system = built(MANY, march=(128,), march_at=())
    system.field = Ball()
    unit = Similarity(translation=-np.array([1.2, 2.0, 3.0]))
    losses = system.losses(PixelSource(Pixels.of(ball_views(), unit), 2000).batch(0, 0, 1))
    assert losses["free"] > 30  # ln 2 for each crossing outside the mask
    assert losses["occupied"] > 100
    assert losses["depth"] > 20


def test_the_march_gets_finer():
    system, seen, field = built(MANY), [], Ball()
    both = field.rows

    def counted(code):
        f = both(code)
        return lambda p: (seen.append(len(p)), f(p))[1]

    pixels = Pixels.of(ball_views(), system.frame(ball_views()))
    field.rows = counted
    system.field = field
    calls = []
    for step in (0, 60):
        seen.clear()
        system.losses(replace(pixels[pixels.shown[:50]], step=step))
        calls.append(len(seen))
    assert calls[1] > calls[0]


def test_differences_of_neighbours():
    colours = torch.rand(8, 3)
    seen = torch.tensor([True] * 7 + [False])
    assert differences(colours[:7], colours, seen) == 0
    brighter = colours[:7] + 0.3  # of the second square only three pixels are seen, none at its lower right
    assert differences(brighter, colours, seen).item() == pytest.approx(0, abs=1e-5)
    one = colours[:7].clone()
    one[0] += 0.5
    assert differences(one, colours, seen).item() == pytest.approx(2 * 3 * 0.5, abs=1e-5)


@pytest.mark.parametrize("code", [None, torch.rand(8, generator=torch.Generator().manual_seed(0))])
def test_the_bound_field_is_the_field(code):
    system = built(SINGLE if code is not None else MANY)
    for parameter in system.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    points = torch.rand(1500, 3) - 0.5
    plain = system.field.rows(code)(points)
    torch.testing.assert_close(system.field.bind(code)(points), plain[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        system.field.bind_colour(code)(points), plain[:, 1:].sigmoid(), atol=1e-5, rtol=1e-4
    )


def test_a_ball_is_learned_from_its_pictures_in_their_frame():
    scene = built(MANY).reconstruct(replace(ball_views(), depths=None))
    directions = np.random.default_rng(0).standard_normal((300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    middle = np.array([1.0, 2.0, 3.0])
    assert scene.occupied(middle + 0.3 * directions).mean() > 0.97
    assert scene.occupied(middle + 0.5 * directions).mean() < 0.03
    colours = scene.colour(torch.from_numpy(directions * 0.4).float())
    assert (colours[:, 0] > colours[:, 2] + 0.2).float().mean() > 0.9


def test_a_picture_becomes_functions_of_the_unit_box():
    system = built(SINGLE).train()
    scene = system.reconstruct(Photo(np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)))
    assert system.training
    with torch.inference_mode():
        assert scene.inside(torch.rand(20, 3) - 0.5).shape == (20,)
        assert scene.colour(torch.rand(20, 3) - 0.5).shape == (20, 3)
    assert scene.world_from_scene.scale == 1


def test_objects_have_codes_of_their_own():
    system = built(SINGLE)
    pixels = Pixels.of(ball_views(), system.frame(ball_views()))
    one = pixels.draw(np.random.default_rng(0), 64)
    both = PixelBatch(
        *(torch.cat([getattr(one, n)] * 2) for n in ("origins", "directions", "colours", "mask")),
        images=torch.rand(2, 32, 32, 3),
    )
    assert all(loss.isfinite() for loss in system.losses(both).values())


def test_what_does_not_go_together_is_said():
    with pytest.raises(InputError, match="code_size above 0"):
        DVRConfig(sees="image", code_size=0)
    with pytest.raises(InputError, match="one number more"):
        DVRConfig(march=(16,))
    with pytest.raises(InputError, match="masks"):
        built(MANY).reconstruct(replace(ball_views(2), masks=None))
    with pytest.raises(InputError, match="reads Views, not PointCloud"):
        built(MANY).reconstruct(PointCloud(np.zeros((3, 3))))
