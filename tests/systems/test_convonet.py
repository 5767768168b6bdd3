"""Convolutional Occupancy Networks, small enough to learn a sphere."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.batch import OccupancyBatch
from isofield.errors import InputError
from isofield.geometry import Box
from isofield.observation import PointCloud, Voxels
from isofield.ops.coordinates import Volume
from isofield.ops.query import query
from isofield.systems.convonet import ConvONet, ConvONetConfig
from isofield.systems.stored import load_system
from isofield.training.weights import save_weights

TINY = ConvONetConfig(
    channels=8,
    encoder_width=8,
    encoder_blocks=3,
    plane_resolution=16,
    plane_depth=2,
    plane_width=8,
    grid_levels=2,
    grid_width=8,
    field_width=16,
    field_blocks=2,
    cloud_size=300,
)
GRID = replace(TINY, planes=(), grid_resolution=8)
CROPS = replace(GRID, grid_resolution=16, unit_size=0.05, local_coordinates="linear", query_voxels=6)
VARIANTS = {
    "planes": TINY,
    "plane": replace(TINY, planes=("xz",), pooling="mean", plane_merge="add"),
    "grid": GRID,
    "combined": replace(TINY, grid_resolution=8),
    "upsample": replace(TINY, plane_upsampling="upsample", sampling="nearest"),
    "no unet": replace(TINY, plane_depth=0, grid_resolution=8, grid_levels=0),
    "voxel planes": replace(TINY, encoder="voxels"),
    "voxel grid": replace(GRID, encoder="voxels", kernel=1),
    "points": replace(TINY, encoder="pointnet2", planes=()),
    "crops": CROPS,
    "crops of waves": replace(CROPS, local_coordinates="sin_cos", planes=("xz",)),
}
every_variant = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())


def sphere(count: int, radius: float = 0.4, seed: int = 0) -> np.ndarray:
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    return radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)


def batch(config: ConvONetConfig, size: int = 2, count: int = 64) -> OccupancyBatch:
    generator = torch.Generator().manual_seed(0)
    cloud = torch.stack([torch.as_tensor(sphere(300, seed=i), dtype=torch.float32) for i in range(size)])
    points = torch.rand(size, count, 3, generator=generator) * 1.1 - 0.55
    inside = (points.norm(dim=-1) < 0.4).float()
    if config.encoder == "voxels":
        axis = (torch.arange(12) + 0.5) / 12 - 0.5
        ball = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).norm(dim=-1) < 0.4
        return OccupancyBatch(None, points, inside, ball.float().expand(size, -1, -1, -1).clone())
    return OccupancyBatch(cloud, points, inside)


def lively(config: ConvONetConfig) -> ConvONet:
    """A system whose zero-initialised layers speak as well."""
    torch.manual_seed(0)
    system = ConvONet(config)
    for name, parameter in system.named_parameters():
        if name.endswith("outer.weight"):
            torch.nn.init.normal_(parameter, std=0.2)
    return system


@every_variant
def test_gradients_reach_every_parameter(config):
    system = lively(config)
    losses = system.losses(batch(config))
    sum(losses.values()).backward()
    assert losses["occupancy"].isfinite()
    for name, parameter in system.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@every_variant
def test_items_of_a_batch_do_not_meet(config):
    system, both = lively(config).eval(), batch(config)
    seen = both.voxels if config.encoder == "voxels" else both.cloud
    with torch.no_grad():
        together = system.field(both.points, system.encoder(seen))
        alone = system.field(both.points[1:], system.encoder(seen[1:]))
    torch.testing.assert_close(together[1:], alone, atol=2e-5, rtol=1e-5)


@every_variant
def test_bound_is_plain(config):
    system, both = lively(config).eval(), batch(config, 1)
    with torch.no_grad():
        condition = system.encoder(both.voxels if config.encoder == "voxels" else both.cloud)
        plain = system.field(both.points, condition)[0]
        bound = system.field.bind(condition)(both.points[0])
    torch.testing.assert_close(bound, plain, atol=2e-5, rtol=1e-5)


@every_variant
def test_saved_and_loaded_it_is_the_same(config, tmp_path):
    system = lively(config).eval()
    save_weights(tmp_path / "w.safetensors", "convonet", config, system.state_dict())
    other = load_system(tmp_path / "w.safetensors")
    assert other.config == config
    assert not other.training
    for key, tensor in system.state_dict().items():
        assert other.state_dict()[key].equal(tensor), key


@pytest.mark.parametrize(
    ("name", "config", "change", "message"),
    [
        (
            "convonet",
            TINY,
            lambda t: t.pop("field.lift.bias"),
            r"don't fit its config, first 'field\.lift\.bias'",
        ),
        ("convonet", replace(TINY, channels=4), lambda t: None, "don't fit its config"),
        ("convonet", {"channel": 8}, lambda t: None, "has the field 'channel', unknown here"),
        ("tomorrow", TINY, lambda t: None, "weights of the system 'tomorrow'"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, name, config, change, message):
    tensors = ConvONet(TINY).state_dict()
    change(tensors)
    save_weights(tmp_path / "w.safetensors", name, config, tensors)
    with pytest.raises(InputError, match=message):
        load_system(tmp_path / "w.safetensors")


def test_weights_of_another_system_than_wanted(tmp_path):
    save_weights(tmp_path / "w.safetensors", "convonet", TINY, ConvONet(TINY).state_dict())
    with pytest.raises(InputError, match="'convonet', not of gauss"):
        load_system(tmp_path / "w.safetensors", "gauss")


def test_loss_sums_points_and_averages_the_batch():
    system, both = lively(TINY), batch(TINY)
    logits = system.field(both.points, system.encoder(both.cloud))
    sign = 2 * both.inside - 1
    expected = torch.log1p(torch.exp(-sign * logits)).sum(1).mean()
    torch.testing.assert_close(system.losses(both)["occupancy"], expected, rtol=1e-4, atol=0)


def test_the_order_of_points_does_not_matter():
    system, both = lively(TINY).eval(), batch(TINY, 1)
    with torch.no_grad():
        here = system.field(both.points, system.encoder(both.cloud))
        there = system.field(both.points, system.encoder(both.cloud.flip(1)))
    torch.testing.assert_close(here, there, atol=1e-5, rtol=1e-5)


def test_reconstruction_in_the_users_frame():
    system = lively(TINY)
    cloud = PointCloud(sphere(1000) * 50 + [100.0, -20.0, 3.0])
    scene = system.reconstruct(cloud)
    assert system.training  # left as it was
    np.testing.assert_allclose(scene.world_from_scene.apply(np.zeros((1, 3)))[0], [100, -20, 3], atol=1)
    assert scene.world_from_scene.scale == pytest.approx(40, rel=0.02)
    np.testing.assert_allclose(scene.box.extent, 1.1)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (100, 3))
    again = system.reconstruct(cloud)
    assert np.array_equal(query(scene.inside, points), query(again.inside, points))


def test_zero_is_the_threshold():
    system, points = lively(TINY), np.zeros((1, 3))
    half = ConvONet(replace(TINY, threshold=0.5))
    half.load_state_dict(system.state_dict())
    values = [query(s.reconstruct(PointCloud(sphere(99))).inside, points)[0] for s in (system, half)]
    assert values[0] - values[1] == pytest.approx(np.log(4), abs=1e-5)  # logit(0.2) = -log 4


@pytest.mark.parametrize("count", [2, 299, 5000])
def test_any_number_of_points(count):
    inside = lively(TINY).reconstruct(PointCloud(sphere(count))).inside
    assert np.isfinite(query(inside, sphere(10))).all()


def test_voxels_are_reconstructed_in_their_box():
    config = VARIANTS["voxel planes"]
    occupied = np.zeros((12, 12, 12), bool)
    occupied[4:8] = True
    box = Box(np.array([10.0, 20.0, 30.0]), np.array([16.0, 26.0, 36.0]))
    scene = lively(config).reconstruct(Voxels(occupied, box))
    np.testing.assert_allclose(scene.world_from_scene.apply(np.zeros((1, 3)))[0], [13, 23, 33])
    assert scene.world_from_scene.scale == pytest.approx(6)
    with pytest.raises(InputError, match="must fill a cube"):
        lively(config).reconstruct(Voxels(occupied[:6], box))


def test_wrong_observations_are_named():
    with pytest.raises(InputError, match="reads Voxels, not PointCloud"):
        ConvONet(VARIANTS["voxel grid"]).reconstruct(PointCloud(sphere(9)))
    with pytest.raises(ValueError, match="coincide"):
        ConvONet(TINY).reconstruct(PointCloud(np.ones((5, 3))))


@pytest.mark.parametrize("name", ["crops", "crops of waves"])
def test_a_window_slides_over_the_scene(name):
    config = VARIANTS[name] if name == "crops" else replace(VARIANTS[name], planes=())
    system = lively(config).eval()
    cloud = PointCloud(sphere(400, 5.0))
    scene = system.reconstruct(cloud)
    low, side = scene.box.low, 6 * 0.05
    tile = np.array([1, 2, 0])
    corner = low + side * tile
    points = corner + side * np.random.default_rng(0).random((50, 3))
    drawn = torch.as_tensor(system._drawn(scene.world_from_scene.inverse().apply(cloud.points)))
    start = torch.as_tensor(corner - 5 * 0.05, dtype=torch.float32)  # (16 - 6) / 2 voxels of margin
    near = drawn[((drawn >= start) & (drawn < start + 0.8)).all(1)]
    assert 0 < len(near) < len(drawn)
    with torch.no_grad():
        condition = system.encoder(near[None], Volume(start, 0.8))
        logits = system.field(torch.as_tensor(points, dtype=torch.float32)[None], condition)[0]
    np.testing.assert_allclose(query(scene.inside, points), logits + np.log(4), atol=1e-3, rtol=1e-3)


def test_crops_far_from_everything_are_free():
    scene = lively(CROPS).reconstruct(PointCloud(np.array([[0.0, 0, 0], [10, 0, 0]])))
    assert query(scene.inside, np.array([[0.0, 0, 0]]))[0] == -1


def test_metric_crops_keep_their_unit():
    config = replace(CROPS, metric_unit=0.1)  # twice the network's unit
    scene = lively(config).reconstruct(PointCloud(sphere(200, 1.5)))
    assert scene.world_from_scene.scale == pytest.approx(2)
    assert scene.box.extent.max() == pytest.approx(1.5 + 0.02, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plane_resolution": 15}, "multiple of 2"),
        ({"planes": ()}, "neither planes nor a grid"),
        ({"threshold": 1.0}, "not a probability"),
    ],
)
def test_impossible_configs_are_named(change, message):
    with pytest.raises(InputError, match=message):
        replace(TINY, **change)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["planes", "plane", "grid", "combined", "voxel grid"])
def test_a_sphere_is_learned(name):
    config = VARIANTS[name]
    torch.manual_seed(0)
    system = ConvONet(config)
    optimiser = torch.optim.Adam(system.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(1)
    shown = batch(config, 4)
    for _ in range(300):
        points = torch.rand(4, 512, 3, generator=generator) * 1.1 - 0.55
        inside = (points.norm(dim=-1) < 0.4).float()
        loss = system.losses(replace(shown, points=points, inside=inside))["occupancy"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    points = torch.rand(1, 20_000, 3, generator=generator) * 1.1 - 0.55
    seen = (shown.voxels if config.encoder == "voxels" else shown.cloud)[:1]
    with torch.no_grad():
        found = system.eval().field(points, system.encoder(seen))[0] > 0
    truth = points[0].norm(dim=-1) < 0.4
    assert (found & truth).sum() / (found | truth).sum() > 0.9
