"""DeepSDF: losses against formulas, codes that are found again, clouds that become shapes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.batch import DistanceBatch
from isofield.condition import Code
from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.fields.deepsdf import DeepSdfField
from isofield.geometry import Similarity
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import Photo, PointCloud
from isofield.ops.steps import Layered
from isofield.systems.deepsdf import DeepSDF, DeepSDFConfig, inside_of
from isofield.systems.deepsdf_cloud import ball_around, distances_of
from isofield.systems.deepsdf_fit import CodeFit, fit_code
from isofield.training.step import parameter_groups

SMALL = DeepSDFConfig(objects=3, code_size=4, widths=(32,) * 4, latent_in=(2,), dropout=(), fit_steps=60)


def built(config=SMALL, seed=0):
    torch.manual_seed(seed)
    return DeepSDF(config)


def batch(epoch=1):
    points = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return DistanceBatch(points, points.norm(dim=-1) - 0.5, torch.tensor([2, 0]), epoch)


def test_losses_are_the_formulas():
    system = built()
    given = batch(epoch=30)
    found, codes = system.losses(given), system.table.codes.weight.detach()
    values = system.field(given.points, Code(codes[[2, 0]])).detach()
    clamped = (values.clamp(-0.1, 0.1) - given.sdf.clamp(-0.1, 0.1)).abs()
    torch.testing.assert_close(found["distance"], clamped.sum() / 100)
    lengths = codes[[2, 0]].norm(dim=1).repeat_interleave(50)
    torch.testing.assert_close(found["code"], 1e-4 * 0.3 * lengths.sum() / 100)
    late = system.losses(replace(given, epoch=1000))
    torch.testing.assert_close(late["code"], found["code"] / 0.3)


def test_codes_start_short_and_are_bounded():
    codes = built(replace(SMALL, objects=500, code_std=0.5)).table.codes.weight.detach()
    assert codes.std() == pytest.approx(0.5 / 2, rel=0.1)
    system = built(replace(SMALL, code_bound=0.1))
    system.table.codes.weight.data.fill_(3.0)
    system.losses(batch())
    assert system.table.codes.weight[[0, 2]].norm(dim=1).tolist() == pytest.approx([0.1, 0.1], rel=1e-4)
    assert (system.table.codes.weight[1] == 3).all()
    free = built(replace(SMALL, code_bound=0.0))
    free.table.codes.weight.data.fill_(3.0)
    free.losses(batch())
    assert (free.table.codes.weight == 3).all()


def test_codes_learn_at_their_own_pace_without_decay():
    system = built()
    groups = parameter_groups(system, 0.01)
    (apart,) = [group for group in groups if group.get("pace") == 2.0]
    assert apart["params"][0] is system.table.codes.weight
    assert apart["weight_decay"] == 0
    assert sum(len(group["params"]) for group in groups) == len(list(system.parameters()))


def taught():
    """A network that knows balls: the first number of the code is their radius."""
    torch.manual_seed(0)
    field = DeepSdfField(2, (48,) * 3, latent_in=(), norm_layers=(0, 1, 2), dropouts=())
    optimiser = torch.optim.Adam(field.parameters(), 3e-3)
    for _ in range(400):
        codes = torch.rand(16, 2) - 0.5
        points = torch.rand(16, 128, 3) * 2 - 1
        sdf = points.norm(dim=-1) - 0.5 - 0.5 * codes[:, :1]
        loss = (field(points, Code(codes)) - sdf.tanh()).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return field


@pytest.fixture(scope="module")
def balls():
    return taught()


def known(radius, count=1500, seed=0):
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return points, points.norm(dim=-1) - radius


@pytest.mark.slow
def test_codes_of_several_shapes_are_found_at_once(balls):
    radii = (0.4, 0.6)
    points, sdf = map(torch.stack, zip(*(known(r, seed=k) for k, r in enumerate(radii)), strict=True))
    how = CodeFit(steps=300, rate=2e-2, samples=400, clamp=0.5)
    both = fit_code(balls, points, sdf, how)
    for k, radius in enumerate(radii):
        assert float(both.codes[k, 0]) == pytest.approx(2 * (radius - 0.5), abs=0.06)
    assert both.losses.shape == (2, 300)
    assert (both.error < 0.2 * both.losses[:, 0]).all()
    assert all(parameter.grad is None or parameter.requires_grad for parameter in balls.parameters())
    assert fit_code(balls, points, sdf, how).codes.equal(both.codes)


@pytest.mark.slow
def test_of_several_starts_the_best_is_kept(balls):
    points, sdf = known(0.6)
    how = CodeFit(steps=5, samples=200, clamp=0.5, start=0.5)
    one, many = (fit_code(balls, points[None], sdf[None], replace(how, starts=n)) for n in (1, 8))
    assert many.error < one.error


@pytest.mark.slow
def test_the_network_is_left_as_it_is(balls):
    before = {name: tensor.clone() for name, tensor in balls.state_dict().items()}
    balls.train()
    points, sdf = known(0.6)
    fit_code(balls, points[None], sdf[None], CodeFit(steps=3))
    assert balls.training
    for name, parameter in balls.named_parameters():
        assert parameter.requires_grad
        assert parameter.equal(before[name])
    with torch.inference_mode():
        assert fit_code(balls, points[None], sdf[None], CodeFit(steps=3)).losses.isfinite().all()


def test_each_step_takes_half_from_either_side():
    from isofield.systems.deepsdf_fit import _pick, _sides

    sdf = torch.tensor([1.0] * 10 + [-1.0] * 3 + [0.0])
    sides = _sides(sdf, torch.Generator().manual_seed(0))
    seen = torch.cat([_pick(sides, 8, step) for step in range(5)])
    outside = seen[sdf[seen] > 0]
    assert len(outside) == len(seen) / 2 == 20
    assert (
        torch.bincount(outside, minlength=14)[:10].tolist() == [2] * 10
    )  # one after the other, over and over
    assert _pick(sides, None, 0) == slice(None)
    only = _sides(torch.ones(20), torch.Generator())
    assert len(_pick(only, 8, 0)) == 4


def cloud(count=800, radius=2.0):
    directions = np.random.default_rng(0).standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return PointCloud(radius * directions + [10.0, 0, 5], normals=directions)


def test_the_ball_is_that_of_the_original_code():
    ball = ball_around(np.array([[0.0, 0, 0], [4, 2, 0], [4, 0, 0]]))
    moved = ball.apply(np.array([[4.0, 2, 0], [2, 1, 0]]))
    assert np.linalg.norm(moved[0]) == pytest.approx(1 / 1.03)
    np.testing.assert_allclose(moved[1], 0, atol=1e-12)
    with pytest.raises(ValueError, match="no size"):
        ball_around(np.ones((3, 3)))


def test_what_a_cloud_tells_is_true():
    seen = cloud()
    ball = ball_around(seen.points)
    points, sdf = distances_of(seen.transformed(ball), 0.05)
    assert len(points) == 3 * len(seen)
    true = points.norm(dim=1) - 1 / 1.03
    torch.testing.assert_close(sdf, true, atol=2e-2, rtol=0)
    assert float((sdf - true).abs().median()) < 5e-3


def test_lines_of_sight_are_free():
    seen = cloud()
    scanned = replace(seen, sensors=seen.points + 3 * seen.normals)
    ball = ball_around(seen.points)
    points, sdf = distances_of(scanned.transformed(ball), 0.02)
    more, free = points[3 * len(seen) :], sdf[3 * len(seen) :]
    assert len(more) == 0  # a sphere fills its ball: nothing of it is free
    box = replace(scanned, points=seen.points * [1, 0.3, 0.3], sensors=scanned.sensors)
    points, sdf = distances_of(box.transformed(ball_around(box.points)), 0.02)
    more, free = points[3 * len(seen) :], sdf[3 * len(seen) :]
    assert len(more) > 100
    assert (more.norm(dim=1) < 1).all()
    assert (free > 0).all()


@pytest.mark.parametrize("weight_norm", [True, False])
def test_inside_is_the_negative_distance_in_its_own_units(weight_norm):
    system = built(replace(SMALL, xyz_in_all=True, weight_norm=weight_norm)).eval()
    ball = Similarity(scale=1.7, translation=np.array([0.1, -0.2, 0.05]))
    code = system.code(1)
    inside = inside_of(system.field, code, ball)
    points = torch.rand(200, 3) - 0.5
    there = torch.from_numpy(ball.apply(points.double().numpy())).float()
    with torch.inference_mode():
        wanted = -system.field.bind(Code(code))(there) / 1.7
        torch.testing.assert_close(inside(points), wanted, atol=1e-6, rtol=1e-4)
    assert isinstance(inside, Layered) == weight_norm


@pytest.mark.slow
def test_a_cloud_becomes_a_shape_in_its_place(balls):
    config = DeepSDFConfig(
        code_size=2, widths=(48,) * 3, latent_in=(), norm_layers=(0, 1, 2), dropout=(),
        fit_steps=200, fit_rate=2e-2, clamp=0.5,
    )  # fmt: skip
    system = DeepSDF(config).eval()
    system.field.load_state_dict(balls.state_dict())
    seen = cloud()
    scenes = [system.reconstruct(each) for each in (seen, replace(seen, normals=None))]
    for scene in scenes:
        mesh = extract_mesh(scene.inside, scene.box, resolution=32).transformed(scene.world_from_scene)
        assert check_mesh(mesh).is_closed
        distance = np.linalg.norm(mesh.vertices - [10, 0, 5], axis=1)
        assert np.abs(distance - 2).max() < 0.25
    assert scenes[0].occupied(np.array([[10.0, 0, 5], [13, 0, 5]])).tolist() == [True, False]


def test_codes_of_the_table_are_shapes():
    system = built().eval()
    assert system.code(2).equal(system.table.codes.weight[2:])
    assert system.draw([5, 1]).equal(system.code(1))
    scene = system.shape(system.code(0))
    points = torch.rand(50, 3) - 0.5
    with torch.inference_mode():
        wanted = -system.field(2 * points[None], Code(system.code(0)))[0] / 2
        torch.testing.assert_close(scene.inside(points), wanted, atol=1e-6, rtol=1e-4)
    for number in (-1, 3):
        with pytest.raises(InputError, match="these weights know 3"):
            system.code(number)
    with pytest.raises(InputError, match="hold no codes"):
        built(replace(SMALL, objects=0)).code(0)
    with pytest.raises(InputError, match="no codes to learn"):
        built(replace(SMALL, objects=0)).losses(batch())


def test_what_is_no_cloud_is_refused():
    with pytest.raises(InputError, match="reads PointCloud, not Photo"):
        built().reconstruct(Photo(np.zeros((4, 4, 3), np.float32)))


@pytest.mark.parametrize("wrong", [{"objects": -1}, {"clamp": 0.0}, {"offset": -0.1}, {"samples": 1}])
def test_configs_that_cannot_be(wrong):
    with pytest.raises(InputError):
        replace(SMALL, **wrong)
