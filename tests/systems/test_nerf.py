"""NeRF: units, both passes, what is learnt goes where the cameras are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.data.ray_source import RayBatch, bounded_rays
from isofield.errors import InputError
from isofield.geometry.camera import Camera
from isofield.geometry.rays import Rays
from isofield.render.volume import render_samples
from isofield.systems.nerf import NeRF, NeRFConfig, surface_colour

SMALL = NeRFConfig(depth=2, width=16, skips=(), octaves=2, coarse=8, fine=8, near=2.0, far=6.0)


def built(config: NeRFConfig = SMALL) -> NeRF:
    """With space half full."""
    torch.manual_seed(0)
    system = NeRF(config)
    with torch.no_grad():
        for field in (system.coarse, system.fine):
            if field is not None:
                points = torch.rand(500, 3) * 2 - 1
                field.density.weight *= 20
                field.density.bias -= field(points, points)[0].mean()
    return system


def placed(scale: float) -> torch.Tensor:
    """A quarter turn around z, larger and moved."""
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = scale * torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    matrix[:3, 3] = torch.tensor([5.0, 6.0, 7.0])
    return matrix


def rays(count: int = 32) -> Rays:
    draw = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=draw), dim=1)
    return Rays(-2 * directions, directions, torch.full((count,), 1.5), torch.full((count,), 2.5))


@pytest.mark.parametrize("two", [True, False])
def test_bound_and_plain_networks_show_the_same(two):
    system = built(replace(SMALL, two=two)).eval()
    with torch.no_grad():
        plain, bound = (system.render(rays(), way)[1] for way in (system._learning, system._bound))
    torch.testing.assert_close(plain.colour, bound.colour, atol=1e-5, rtol=1e-4)
    assert plain.opacity.std() > 0.01


def test_the_larger_the_scene_for_the_network_the_denser_it_is_for_the_scene():
    """Opacity over a length is the same in both units."""
    scene = built().reconstruct()
    assert scene.radiance is not None
    points = rays().at(torch.full((32,), 2.1))
    density, _ = scene.radiance(points, rays().directions)
    logit, _ = built().fine(points * 2, rays().directions)
    torch.testing.assert_close(density, 2 * logit.relu(), atol=1e-5, rtol=1e-5)


def test_the_place_of_the_scene_comes_from_the_batch_and_is_kept():
    system = built()
    colours = torch.full((32, 3), 0.5)
    losses = system.losses(RayBatch(rays(), colours, placed(3.0)))
    assert set(losses) == {"fine", "coarse"}
    other = NeRF(SMALL)
    other.load_state_dict(system.state_dict())
    back = other.reconstruct().world_from_scene
    assert back.scale == pytest.approx(3)
    np.testing.assert_allclose(back.apply(np.array([[1.0, 0, 0]]))[0], [5, 9, 7], atol=1e-12)


def test_the_surface_is_the_level_of_the_density():
    system = built(replace(SMALL, level=3.0))
    scene = system.reconstruct()
    assert scene.inside is not None
    points = torch.rand(400, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    logit, _ = system.fine(points * 2, points)
    assert ((scene.inside(points) > 0) == (logit > 3.0)).all()


def test_noise_is_for_training_only():
    system = built(replace(SMALL, noise=1.0))
    seen = [system.render(rays(), system._learning)[0].colour for _ in range(2)]
    assert not seen[0].equal(seen[1])
    system.eval()
    seen = [system.render(rays(), system._learning)[0].colour for _ in range(2)]
    assert seen[0].equal(seen[1])


def test_a_picture_is_what_the_rays_of_its_pixels_see():
    system = built().eval()
    system.place.copy_(placed(2.0))
    stands = np.array([5.0, 6.0, 3.0])  # looks along +z at the scene's middle, 4 away
    camera = Camera(
        np.array([[8.0, 0, 3], [0, 8, 2], [0, 0, 1]]), np.concatenate([np.eye(3), -stands[:, None]], 1)
    )
    whole = system.picture(camera, 4, 6)
    assert whole.shape == (4, 6, 3)
    one = bounded_rays(camera, 4, 6, system.world_from_scene, system.bounds)[torch.tensor([13])]
    torch.testing.assert_close(whole[2, 1], system.seen(one)[0])


def test_colour_of_the_surface_is_seen_along_the_normal():
    red = torch.tensor([1.0, 0, 0])

    def radiance(points, directions):  # red from where it is looked at along the normal, blue from the back
        towards = (points * directions).sum(1, keepdim=True) < 0
        return 800.0 * (points.norm(dim=1) < 0.4).float(), torch.where(towards, red, red.flip(0))

    draw = torch.Generator().manual_seed(0)
    points = 0.4 * torch.nn.functional.normalize(torch.randn(50, 3, generator=draw), dim=1)
    inside = lambda p: 0.4 - p.norm(dim=1)  # noqa: E731
    with torch.inference_mode():
        found = surface_colour(inside, radiance)(points)
    torch.testing.assert_close(found, red.expand(50, 3), atol=1e-3, rtol=0)


def test_far_is_opaque_where_it_was_given_and_open_in_the_cube():
    """The last sample's interval is endless in the released code."""
    thin = lambda points, directions: (torch.full((len(points),), 1e-3), torch.ones_like(points))  # noqa: E731
    given, free = built(), built(replace(SMALL, near=None, far=None))
    t = torch.linspace(1, 2, 4).expand(32, 4)
    assert render_samples(thin, rays(), t, last=given.last).opacity.min() > 0.99
    assert render_samples(thin, rays(), t, last=free.last).opacity.max() < 0.01


@pytest.mark.parametrize("bounds", [(2.0, None), (None, 6.0), (6.0, 2.0), (-1.0, 2.0)])
def test_impossible_bounds_are_refused(bounds):
    with pytest.raises(InputError):
        NeRFConfig(near=bounds[0], far=bounds[1])
