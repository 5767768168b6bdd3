"""PSGN and the voxel decoder beyond the tale: every observation, what comes out, what is refused."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.fields.voxel_grid import VoxelField
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import Photo, PointCloud
from isofield.systems.coded import CodedConfig, CodedSystem
from isofield.systems.psgn import PSGN, PSGNConfig
from isofield.systems.voxel_decoder import VoxelDecoder, VoxelDecoderConfig

POINTS = PSGNConfig(code_size=8, encoder_width=8, width=16, made=50, cloud_size=30)
VOXELS = VoxelDecoderConfig(code_size=8, encoder_width=8, width=16, cloud_size=30)
VARIANTS: dict[str, CodedConfig] = {
    "points to points": POINTS,
    "picture to points": replace(POINTS, sees="image", image_size=32),
    "object to points": replace(POINTS, sees="object", objects=3),
    "points to voxels": VOXELS,
    "points to fine voxels": replace(VOXELS, resolution=64, target="points"),
    "picture to voxels": replace(VOXELS, sees="image", image_size=32),
    "object to voxels": replace(VOXELS, sees="object", objects=3),
}


def built(name: str) -> CodedSystem:
    torch.manual_seed(0)
    config = VARIANTS[name]
    return PSGN(config) if isinstance(config, PSGNConfig) else VoxelDecoder(config)  # type: ignore[arg-type]


def batch() -> OccupancyBatch:
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(2, 40, 3, generator=draw) - 0.5
    return OccupancyBatch(
        cloud=torch.rand(2, 30, 3, generator=draw),
        points=points,
        inside=(points.norm(dim=-1) < 0.4).float(),
        voxels=(torch.rand(2, 32, 32, 32, generator=draw) > 0.5).float(),
        images=torch.rand(2, 32, 32, 3, generator=draw),
        item=torch.tensor([2, 0]),
        surface=torch.rand(2, 40, 3, generator=draw) - 0.5,
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns(name: str) -> None:
    system = built(name)
    losses = system.losses(batch())
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(p.grad is not None for p in system.parameters())


@pytest.mark.parametrize("name", VARIANTS)
def test_every_observation_becomes_a_scene(name: str) -> None:
    system = built(name)
    draw = np.random.default_rng(0)
    seen: dict[str, object] = {
        "points": PointCloud(draw.uniform(2, 4, (100, 3))),
        "image": Photo(draw.random((40, 40, 3)).astype(np.float32)),
        "object": 1,
    }
    scene = system.reconstruct(seen[system.config.sees])
    assert scene.world_from_scene.scale == pytest.approx(2, rel=0.1) or system.config.sees != "points"
    assert system.training
    if isinstance(system, PSGN):
        assert scene.inside is None
        assert scene.points is not None
        assert scene.points.shape == (50, 3)
    else:
        assert scene.inside is not None
        assert scene.inside(torch.zeros(4, 3)).shape == (4,)


def test_voxels_are_read_at_their_middles_and_between() -> None:
    torch.manual_seed(0)
    field, code = VoxelField(8, 3, 64), Code(torch.randn(2, 8))
    with torch.no_grad():
        logits = field.voxels(code)
        assert logits.shape == (2, 32, 32, 32)
        middles = (torch.tensor([[3.0, 20.0, 31.0], [4.0, 20.0, 31.0]]) + 0.5) / 32 - 0.5
        between = middles.mean(0, keepdim=True)
        beyond = torch.tensor([[middles[0, 0], middles[0, 1], 0.5]])
        read = field(torch.cat([middles, between, beyond]).expand(2, -1, -1), code)
    first, second = logits[:, 3, 20, 31], logits[:, 4, 20, 31]
    expected = torch.stack([first, second, (first + second) / 2, first], 1)
    torch.testing.assert_close(read, expected, rtol=1e-4, atol=1e-5)


def test_bound_it_is_the_same_field() -> None:
    torch.manual_seed(0)
    field, code = VoxelField(8, 2, 16), Code(torch.randn(1, 8))
    points = torch.rand(3000, 3) * 1.2 - 0.6
    with torch.no_grad():
        plain = field(points[None], code)[0]
    torch.testing.assert_close(field.bind(code, 0.3)(points), plain - 0.3)


def test_the_surface_is_where_the_probability_is_the_threshold() -> None:
    system = built("object to voxels")
    assert isinstance(system, VoxelDecoder)
    points = torch.rand(200, 3) - 0.5
    with torch.no_grad():
        logits = system.field(points[None], Code(system.encoder(torch.tensor([1])).vector))[0]
    inside = system.reconstruct(1).inside
    assert inside is not None
    torch.testing.assert_close(inside(points), logits - log(0.4 / 0.6))


def test_voxels_that_reach_the_border_are_closed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    half = torch.full((1, 32, 32, 32), -3.0)
    half[:, :16] = 3.0
    monkeypatch.setattr(VoxelField, "voxels", lambda field, condition: half)
    scene = built("object to voxels").reconstruct(0)
    assert scene.inside is not None
    mesh = extract_mesh(scene.inside, scene.box, resolution=32)
    assert check_mesh(mesh).is_sound
    assert mesh.volume() == pytest.approx(0.5, abs=0.02)
    assert mesh.vertices[:, 0].max() == pytest.approx(0, abs=1 / 32)


def test_losses_are_means() -> None:
    seen = batch()
    system = built("points to voxels").eval()
    assert isinstance(system, VoxelDecoder)
    probability = system.field.voxels(system.seen(seen)).sigmoid()
    truth = seen.voxels
    plain = -(truth * probability.log() + (1 - truth) * (1 - probability).log()).mean()
    torch.testing.assert_close(system.losses(seen)["occupancy"], plain)
    points = built("points to points").eval()
    assert isinstance(points, PSGN)
    square = torch.cdist(points.places(points.seen(seen)), seen.surface).square()
    found = points.losses(seen)
    torch.testing.assert_close(found["accuracy"], square.amin(2).mean())
    torch.testing.assert_close(found["completeness"], square.amin(1).mean())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="reads PointCloud, not Photo"):
        built("points to points").reconstruct(Photo(np.zeros((4, 4, 3), np.float32)))
    with pytest.raises(InputError, match="there is no object 3"):
        built("object to voxels").reconstruct(3)
    with pytest.raises(InputError, match="set objects"):
        replace(POINTS, sees="object")
    with pytest.raises(InputError, match="codes of their own"):
        replace(POINTS, sees="object", objects=2, mirror=True)
    with pytest.raises(InputError, match="set made and points"):
        replace(POINTS, made=0)
    with pytest.raises(InputError, match="set target=points"):
        replace(VOXELS, resolution=64)
    with pytest.raises(InputError, match="a multiple of 8"):
        replace(VOXELS, width=20)
    with pytest.raises(InputError, match="not a probability"):
        replace(VOXELS, threshold=1.0)
