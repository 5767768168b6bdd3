"""The indicator network."""

import numpy as np
import pytest
import torch

from isofield.data.solved import SolvedSample
from isofield.data.solved_source import collate
from isofield.extract import extract_mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import PointCloud
from isofield.ops.indicator import indicator_of, oriented_normals
from isofield.ops.neighbourhood import neighbourhood
from isofield.systems.gauss import Gauss, GaussConfig
from isofield.systems.indicator import IndicatorNet, IndicatorNetConfig, missed_overlap

TINY = IndicatorNetConfig(hidden=8, widths=(8, 8), features=8, width=16, blocks=2)


def ball(count: int, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    normals = draw.standard_normal((count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return 0.5 * normals + noise * draw.standard_normal(normals.shape)


def sample(seed: int = 0) -> SolvedSample:
    """A solved ball with queries everywhere."""
    points = ((ball(600, 0.01, seed) / 1.25) + 0.5).astype(np.float32)
    x = torch.from_numpy(points)
    near = neighbourhood(x)
    normals = oriented_normals(x, near)
    chi = indicator_of(x, normals, near, 32)
    queries = np.random.default_rng(seed).random((512, 3)).astype(np.float32)
    return SolvedSample(
        points, normals.numpy(), near.scatter.numpy() * 16, chi.grid.numpy(), queries,
        chi.at(torch.from_numpy(queries)).numpy(), np.linalg.norm(queries - 0.5, axis=1) < 0.4,
    )  # fmt: skip


@pytest.fixture
def net() -> IndicatorNet:
    torch.manual_seed(0)
    return IndicatorNet(TINY)


def test_an_untrained_network_is_the_indicator(net: IndicatorNet) -> None:
    batch = collate([sample()])
    logits = net.logits(batch)
    torch.testing.assert_close(logits, net.field.gain * batch.indicator)


def test_a_batch_is_what_its_items_are_alone(net: IndicatorNet) -> None:
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim > 1 else None
    one, two = sample(0), sample(1)
    both = net.logits(collate([one, two]))
    torch.testing.assert_close(both[0], net.logits(collate([one]))[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(both[1], net.logits(collate([two]))[0], rtol=1e-4, atol=1e-4)


def test_the_bound_field_is_the_plain_one(net: IndicatorNet) -> None:
    torch.nn.init.normal_(net.field.out.weight)
    batch = collate([sample()])
    condition = net.encoder(batch.clouds)
    plain = net.field(batch.points, batch.indicator, condition, condition.side)[0]
    lookup = dict(zip(map(tuple, batch.points[0].tolist()), batch.indicator[0].tolist(), strict=True))
    bound = net.field.bind(
        lambda p: torch.tensor([lookup[tuple(row)] for row in p.tolist()]), condition, condition.side
    )
    torch.testing.assert_close(bound(batch.points[0]), plain)


def test_reconstruct_gives_a_closed_mesh_in_the_users_frame(net: IndicatorNet) -> None:
    cloud = PointCloud(ball(1_500, 0.005) * 30 + np.array([1e5, -2e5, 7.0]))
    scene = net.reconstruct(cloud)
    mesh = extract_mesh(scene.inside, scene.box, resolution=48).transformed(scene.world_from_scene)
    assert check_mesh(mesh).is_sound
    centre = mesh.vertices.mean(axis=0)
    np.testing.assert_allclose(centre, [1e5, -2e5, 7.0], atol=0.5)
    radius = np.linalg.norm(mesh.vertices - [1e5, -2e5, 7.0], axis=1)
    assert radius.mean() == pytest.approx(15, rel=0.02)


def test_an_untrained_network_reconstructs_what_gauss_does(net: IndicatorNet) -> None:
    cloud = PointCloud(ball(1_500, 0.005))
    learned, solved = net.reconstruct(cloud), Gauss(GaussConfig()).reconstruct(cloud)
    points = torch.rand(4_000, 3) - 0.5
    with torch.inference_mode():
        agree = ((learned.inside(points) > 0) == (solved.inside(points) > 0)).float().mean()
    assert agree > 0.99


def test_missed_overlap_counts_thin_objects_as_much_as_blocks() -> None:
    inside = torch.zeros(2, 1_000)
    inside[0, :20], inside[1, :500] = 1, 1
    torch.testing.assert_close(missed_overlap(inside, inside), torch.zeros(2))
    half = inside.clone()
    half[0, 10:20], half[1, 250:500] = 0, 0
    torch.testing.assert_close(missed_overlap(half, inside), torch.full((2,), 0.5), atol=0.03, rtol=0)
    assert (missed_overlap(torch.zeros(2, 1_000), inside) > 0.9).all()


def test_missed_overlap_has_the_gradient_it_says() -> None:
    draw = torch.Generator().manual_seed(0)
    probability = torch.rand(2, 9, generator=draw, dtype=torch.float64, requires_grad=True)
    inside = (torch.rand(2, 9, generator=draw) < 0.4).double()
    assert torch.autograd.gradcheck(lambda p: missed_overlap(p, inside), probability)


def test_dense_clouds_are_left_to_gauss(net: IndicatorNet) -> None:
    torch.nn.init.normal_(net.field.out.weight)  # a correction that would be seen
    scene = net.reconstruct(PointCloud(ball(20_000)))
    assert scene.notes["correction"] == "none, the points are dense enough"
    assert "feature cells" in net.reconstruct(PointCloud(ball(2_000))).notes


def test_noisy_clouds_are_thinned_until_the_cells_can_use_them(net: IndicatorNet) -> None:
    scene = net.reconstruct(PointCloud(ball(20_000, 0.008)))
    assert "feature cells" in scene.notes
    assert 1_500 < scene.notes["averaged"] < 18_000


def test_what_is_nothing_but_noise_is_averaged(net: IndicatorNet) -> None:
    cloud = PointCloud(ball(20_000, 0.04))
    scene = net.reconstruct(cloud)
    points = torch.rand(4_000, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    local = scene.world_from_scene.inverse().apply(points.double().numpy())
    with torch.inference_mode():
        inside = scene.inside(torch.from_numpy(local).float()) > 0
    truth = points.norm(dim=1) < 0.5
    assert (inside & truth).sum() / (inside | truth).sum() > 0.9
