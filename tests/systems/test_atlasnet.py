"""AtlasNet beyond the tale: every observation and template, the bound field, frames, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.errors import InputError
from isofield.fields.atlas import AtlasField
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import Photo, PointCloud
from isofield.ops.norm import PointNorm
from isofield.systems.atlasnet import AtlasNet, AtlasNetConfig, unit_ball

SMALL = AtlasNetConfig(
    patches=2, code_size=8, encoder_width=4, width=8, layers=1, cloud_size=40, points=20, vertices=50
)
VARIANTS = {
    "points": SMALL,
    "image": replace(SMALL, sees="image", image_size=32),
    "object": replace(SMALL, sees="object", objects=3),
    "sphere": replace(SMALL, template="sphere", patches=1, layers=0),
}


def batch() -> OccupancyBatch:
    draw = torch.Generator().manual_seed(0)
    return OccupancyBatch(
        cloud=torch.rand(2, 40, 3, generator=draw),
        points=torch.zeros(2, 0, 3),
        inside=torch.zeros(2, 0),
        images=torch.rand(2, 32, 32, 3, generator=draw),
        item=torch.tensor([2, 0]),
        surface=torch.rand(2, 30, 3, generator=draw),
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns(name: str) -> None:
    torch.manual_seed(0)
    system = AtlasNet(VARIANTS[name])
    losses = system.losses(batch())
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in system.parameters())


@pytest.mark.parametrize("template", [2, 3])
def test_bound_it_is_the_same_field(template: int) -> None:
    torch.manual_seed(0)
    field = AtlasField(8, 3, template, 16, 2)
    for module in field.modules():
        if isinstance(module, PointNorm):  # statistics of a training
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    points, code = torch.rand(3, 30, template), Code(torch.rand(1, 8))
    with torch.no_grad():
        plain = field.eval()(points[None], code)[0]
    torch.testing.assert_close(field.bind(code)(points), plain, rtol=1e-4, atol=1e-5)


def test_patches_are_meshes_in_the_frame_of_the_cloud() -> None:
    torch.manual_seed(0)
    system = AtlasNet(SMALL)
    cloud = np.random.default_rng(0).uniform(-0.5, 0.5, (60, 3))
    here, there = (system.reconstruct(PointCloud(points)) for points in (cloud, 7 * cloud + [100, 0, 0]))
    assert here.inside is None
    assert here.mesh is not None
    assert there.mesh is not None
    moved = 7 * here.world_from_scene.apply(here.mesh.vertices) + [100, 0, 0]
    np.testing.assert_allclose(there.world_from_scene.apply(there.mesh.vertices), moved, atol=1e-3)
    checks = check_mesh(here.mesh)
    assert (checks.components, checks.vertices, checks.faces) == (2, 50, 64)
    assert checks.boundary_edges == 2 * 16
    assert not checks.is_closed


def test_a_sphere_stays_closed() -> None:
    torch.manual_seed(0)
    mesh = AtlasNet(VARIANTS["sphere"]).reconstruct(PointCloud(np.eye(3))).mesh
    assert mesh is not None
    assert len(mesh.vertices) == 42
    assert check_mesh(mesh).is_closed
    assert len(AtlasNet(replace(VARIANTS["sphere"], vertices=2500)).grid()[0]) == 2562


def test_official_weights_see_the_unit_ball() -> None:
    points = np.random.default_rng(0).uniform(-3, 5, (200, 3)) * [1, 0.5, 0.2]
    fitted = unit_ball(points).apply(points)
    assert np.linalg.norm(fitted, axis=1).max() == pytest.approx(0.5)
    np.testing.assert_allclose(fitted.min(0), -fitted.max(0))
    system = AtlasNet(replace(SMALL, frame="ball"))
    seen, _ = system.shown(PointCloud(np.repeat(points[:20], 2, axis=0)))
    assert float(seen.norm(dim=1).max()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "seen"),
    [("image", Photo(np.random.default_rng(0).random((50, 40, 3)).astype(np.float32))), ("object", 1)],
)
def test_pictures_and_numbers_become_meshes(name: str, seen: object) -> None:
    torch.manual_seed(0)
    scene = AtlasNet(VARIANTS[name]).reconstruct(seen)
    assert scene.mesh is not None
    assert scene.world_from_scene.scale == 1


def test_the_middle_of_a_picture_is_seen() -> None:
    system = AtlasNet(replace(VARIANTS["image"], window=0.5, image_size=16))
    image = np.zeros((32, 32, 3), np.float32)
    image[8:24, 8:24] = 1
    seen, _ = system.shown(Photo(image))
    assert seen.min() == 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="reads PointCloud, not Photo"):
        AtlasNet(SMALL).reconstruct(Photo(np.zeros((4, 4, 3), np.float32)))
    with pytest.raises(InputError, match="there is no object 9"):
        AtlasNet(VARIANTS["object"]).reconstruct(9)
    seen = batch()
    alone = OccupancyBatch(seen.cloud[:1], seen.points[:1], seen.inside[:1], surface=seen.surface[:1])
    with pytest.raises(InputError, match="two objects or more"):
        AtlasNet(SMALL).losses(alone)
    with pytest.raises(InputError, match="4 points each"):
        replace(SMALL, patches=10)
    with pytest.raises(InputError, match="no part of a picture"):
        replace(SMALL, window=0.0)
    with pytest.raises(InputError, match="frame=ball is for official weights"):
        AtlasNet.batches(replace(SMALL, frame="ball"), Path(), 0, 1)
