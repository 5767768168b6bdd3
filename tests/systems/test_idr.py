"""IDR: the differentiable point against finite differences, cameras, and a ball learned from its outlines."""

import numpy as np
import pytest
import torch

from isofield.data.pixels import PixelBatch
from isofield.errors import InputError
from isofield.geometry import Similarity
from isofield.geometry.camera import Camera
from isofield.geometry.rays import Rays
from isofield.observation import PointCloud, Views
from isofield.render.sphere_tracing import within_ball
from isofield.render.surface import attached, intersect
from isofield.systems.idr import IDR, CameraCorrection, IDRConfig

TINY = IDRConfig(
    width=48, layers=3, light_layers=1, features=8, octaves=2, view_octaves=1, skip=2, samples=16,
    on_object=0.5, rays=128, rate=2e-3, steps=60,
)  # fmt: skip


def ball_views(count: int = 6, size: int = 32, radius: float = 0.4) -> Views:
    """Pictures of a red ball around (1, 2, 3)."""
    images, masks, cameras = [], [], []
    away = Similarity(translation=np.array([1.0, 2.0, 3.0]))
    for k in range(count):
        camera = Camera.orbiting(k * 2 * np.pi / count, 0.5 * (-1) ** k, 2.0, size * 1.2, size).moved(away)
        y, x = np.mgrid[:size, :size] + 0.5
        towards = camera.directions(np.stack([x.ravel(), y.ravel()], 1))
        from_middle = camera.centre - [1.0, 2.0, 3.0]
        nearest = from_middle - (towards @ from_middle)[:, None] * towards
        mask = (np.linalg.norm(nearest, axis=1) < radius).reshape(size, size).astype(np.float32)
        images.append(mask[..., None] * np.array([0.9, 0.2, 0.1], np.float32))
        masks.append(mask)
        cameras.append(camera)
    return Views(images, cameras, [f"{k}.png" for k in range(count)], masks=masks)


def built(**changes) -> IDR:
    torch.manual_seed(0)
    from dataclasses import replace

    return IDR(replace(TINY, **changes))


def test_it_starts_as_a_ball():
    system = built(width=256, layers=8, skip=4, octaves=6)
    directions = torch.nn.functional.normalize(torch.randn(100, 3), dim=-1)
    for radius, sign in ((0.3, -1), (0.9, 1)):
        values = system.distance(radius * directions)[:, 0]
        assert (values.sign() == sign).all()
        assert (values - (radius - 0.6)).abs().mean() < 0.15


def test_the_bound_distance_is_the_distance():
    system, points = built(), torch.rand(2500, 3) * 2 - 1
    torch.testing.assert_close(system.distance.bind()(points), system.distance(points)[:, 0])


def double_rays(count: int = 8) -> Rays:
    draw = torch.Generator().manual_seed(1)
    goals = torch.rand(count, 3, generator=draw).double() * 0.4 - 0.2
    origins = torch.tensor([[0.1, 0.2, -2.0]]).double().expand(count, 3).clone()
    zero = torch.zeros(count).double()
    return within_ball(Rays(origins, torch.nn.functional.normalize(goals - origins, dim=-1), zero, zero), 1.0)


def test_the_differentiable_point_follows_camera_and_direction():
    distance, rays = built().double().distance, double_rays()

    def point(origins: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        moved = Rays(origins, directions, rays.near, rays.far)
        with torch.no_grad():
            t = intersect(lambda p: -distance(p)[:, 0], moved, 64, secant=40).t
        return moved.at(attached(lambda p: distance(p)[:, 0], moved, t, least=0.0))

    start = rays.origins.clone().requires_grad_(), rays.directions.clone().requires_grad_()
    assert torch.autograd.gradcheck(point, start, eps=1e-6, atol=1e-5)


def test_the_differentiable_point_follows_every_kind_of_parameter():
    distance, rays = built().double().distance, double_rays()
    weights = torch.rand(8, 3, generator=torch.Generator().manual_seed(3)).double()

    def crossing() -> torch.Tensor:
        with torch.no_grad():
            return intersect(lambda p: -distance(p)[:, 0], rays, 64, secant=40).t

    t = attached(lambda p: distance(p)[:, 0], rays, crossing(), least=0.0)
    (weights * rays.at(t)).sum().backward()
    layer = distance.layers[1]
    for parameter in (layer.direction, layer.gain, layer.bias, distance.out.gain):
        flat = parameter.data.view(-1)
        ends = []
        for move in (1e-6, -1e-6):
            flat[0] += move
            ends.append((weights * rays.at(crossing())).sum())
            flat[0] -= move
        torch.testing.assert_close(
            parameter.grad.view(-1)[0], (ends[0] - ends[1]) / 2e-6, atol=1e-6, rtol=1e-4
        )


def test_cameras_turn_about_their_centres_and_shift_along_their_axes():
    poses = CameraCorrection(2)
    turn = Camera.orbiting(0.3, 0.2, 2.0, 50, 50).camera_from_world[:, :3].T
    poses.axes[1] = torch.from_numpy(turn).float()
    origins, directions = torch.zeros(2, 3), torch.from_numpy(turn[:, 2]).float().expand(2, 3)
    view = torch.tensor([1, 1])
    assert poses(origins, directions, view)[1].allclose(directions)
    with torch.no_grad():
        poses.turn[1] = torch.tensor([0.0, 0.0, 0.7])  # around the line of sight
        poses.shift[1] = torch.tensor([2.0, 0.0, 0.0])
    moved, turned = poses(origins, directions, view)
    torch.testing.assert_close(turned, directions)
    torch.testing.assert_close(moved, 2 * torch.from_numpy(turn[:, 0]).float().expand(2, 3))


def test_cameras_feel_where_the_outline_is():
    """A camera that looks too far right is turned back: the loss falls along minus its gradient."""
    views = ball_views()
    system = built(cameras=6, start_radius=0.45)
    unit = system.frame(views)
    from isofield.data.pixels import Pixels

    batch = Pixels.of(views, unit)[torch.arange(0, 6 * 32 * 32, 3)]
    assert isinstance(batch, PixelBatch)
    system.poses.axes.copy_(Pixels.of(views, unit).axes)
    with torch.no_grad():
        system.poses.turn[2, 1] = 0.1
    sum(system.losses(batch).values()).backward()
    slope = system.poses.turn.grad[:, 1]
    assert slope[2] > 0
    assert slope[2] > 2 * slope[[0, 1, 3, 4, 5]].abs().max()


def test_a_ball_is_learned_from_its_pictures_in_their_frame():
    views = ball_views()
    scene = built().reconstruct(views)
    middle = scene.world_from_scene.apply(np.zeros((1, 3)))[0]
    np.testing.assert_allclose(middle, [1, 2, 3], atol=0.05)
    draw = np.random.default_rng(0)
    directions = draw.standard_normal((300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    places = np.array([1.0, 2.0, 3.0]) + directions
    assert scene.occupied(places * 0.3 + np.array([1.0, 2.0, 3.0]) * 0.7).mean() > 0.98
    assert scene.occupied(places * 0.5 + np.array([1.0, 2.0, 3.0]) * 0.5).mean() < 0.02
    colours = scene.colour(torch.rand(10, 3) - 0.5)
    assert colours.shape == (10, 3)
    assert (colours[:, 0] > colours[:, 2]).all()


def test_what_it_cannot_learn_from_is_said():
    from dataclasses import replace

    with pytest.raises(InputError, match="masks"):
        built().reconstruct(replace(ball_views(2), masks=None))
    with pytest.raises(InputError, match="cameras is 5, but there are 6"):
        built(cameras=5).reconstruct(ball_views())
    with pytest.raises(InputError, match="reads Views"):
        built().reconstruct(PointCloud(np.zeros((3, 3))))
