"""Occupancy Networks beyond the tale: every observation, the generative model, a code per object."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.batch import OccupancyBatch
from isofield.data.occupancy import UnseenSource
from isofield.data.shapenet import Item, Occupied
from isofield.errors import InputError
from isofield.geometry import Box
from isofield.observation import Photo, PointCloud, Voxels
from isofield.systems.onet import ONet, ONetConfig, divergence, resized

SMALL = ONetConfig(code_size=8, encoder_width=8, field_width=8, field_blocks=1, image_size=32)
VARIANTS = {
    "points": SMALL,
    "simple points": replace(SMALL, encoder="simple"),
    "image": replace(SMALL, sees="image", field="cbn_chain"),
    "voxels": replace(SMALL, sees="voxels", field="batchnorm"),
    "object": replace(SMALL, sees="object", objects=3, field="cbn2", latent_size=4),
    "nothing": replace(SMALL, sees="nothing", code_size=0, latent_size=4, field="simple"),
}


def batch() -> OccupancyBatch:
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(2, 20, 3, generator=draw) - 0.5
    return OccupancyBatch(
        cloud=torch.rand(2, 30, 3, generator=draw),
        points=points,
        inside=(points.norm(dim=-1) < 0.4).float(),
        voxels=torch.rand(2, 32, 32, 32, generator=draw),
        images=torch.rand(2, 32, 32, 3, generator=draw),
        item=torch.tensor([2, 0]),
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns(name: str) -> None:
    torch.manual_seed(0)
    losses = ONet(VARIANTS[name]).losses(batch())
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert ("divergence" in losses) == bool(VARIANTS[name].latent_size)


def test_loss_is_summed_over_points_and_averaged_over_shapes() -> None:
    torch.manual_seed(0)
    system, seen = ONet(SMALL).eval(), batch()
    logits = system.field(seen.points, system.encoder(seen.cloud))
    probability = logits.sigmoid()
    plain = -(seen.inside * probability.log() + (1 - seen.inside) * (1 - probability).log()).sum() / 2
    torch.testing.assert_close(system.losses(seen)["occupancy"], plain)


def test_divergence_is_the_closed_form() -> None:
    mean, deviation = torch.tensor([[0.3, -1.0]]), torch.tensor([[0.5, 2.0]])
    plain = (0.5 * (mean**2 + deviation**2 - 1) - deviation.log()).sum(-1)
    torch.testing.assert_close(divergence(torch.distributions.Normal(mean, deviation)), plain)


def test_the_surface_is_where_the_probability_is_the_threshold() -> None:
    torch.manual_seed(0)
    system = ONet(SMALL).eval()
    cloud = PointCloud(np.random.default_rng(0).uniform(-1, 1, (100, 3)))
    code, _ = system.encode(cloud)
    points = torch.rand(40, 3) - 0.5
    with torch.no_grad():
        probability = system.field(points[None], system.condition(code))[0].sigmoid()
        inside = system.reconstruct(cloud).inside(points)
    assert ((inside > 0) == (probability > SMALL.threshold)).all()


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("image", Photo(np.random.default_rng(0).random((50, 50, 3)).astype(np.float32))),
        ("voxels", Voxels(np.random.default_rng(0).random((32, 32, 32)) > 0.5, Box.cube(3.0))),
    ],
)
def test_pictures_and_voxels_become_scenes(name: str, seen: Photo | Voxels) -> None:
    torch.manual_seed(0)
    scene = ONet(VARIANTS[name]).eval().reconstruct(seen)
    assert scene.inside(torch.zeros(5, 3)).shape == (5,)
    assert scene.world_from_scene.scale == (3.0 if name == "voxels" else 1.0)


def test_what_was_not_learned_from_is_refused() -> None:
    cloud = PointCloud(np.eye(3))
    with pytest.raises(InputError, match="reads Photo, not PointCloud"):
        ONet(VARIANTS["image"]).reconstruct(cloud)
    with pytest.raises(InputError, match="isofield generate"):
        ONet(VARIANTS["nothing"]).reconstruct(cloud)
    with pytest.raises(InputError, match="32 x 32 x 32"):
        ONet(VARIANTS["voxels"]).reconstruct(Voxels(np.ones((8, 8, 8), bool), Box.cube()))
    with pytest.raises(InputError, match="no latent code"):
        ONet(SMALL).draw([0])
    with pytest.raises(InputError, match="set code_size 0"):
        replace(SMALL, sees="nothing", latent_size=4)


def test_draws_and_posteriors_are_codes() -> None:
    torch.manual_seed(0)
    system = ONet(VARIANTS["nothing"]).eval()
    assert system.draw([0, 1]).equal(system.draw([0, 1]))
    assert not system.draw([0, 1]).equal(system.draw([0, 2]))
    seen = batch()
    mean = system.posterior_mean(seen.points, seen.inside)
    assert system.scene(system.condition(None, mean[:1])).inside(seen.points[0]).shape == (20,)


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    image = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    assert resized(image, 8) is image
    np.testing.assert_allclose(resized(image, 4).mean(), image.mean(), atol=0.02)


def test_without_observation_the_bound_on_held_out_shapes_judges() -> None:
    class Ball(Item):
        def occupied(self, *more: object) -> Occupied:  # type: ignore[override]
            points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
            return Occupied(points, np.linalg.norm(points, axis=1) < 0.4)

    torch.manual_seed(0)
    system = ONet(VARIANTS["nothing"]).eval()
    source = UnseenSource([], [Ball("things", "ball", Path())], seed=0, size=1, points=30)
    with torch.no_grad():
        values = source.validate(system)
    assert values[system.judged_by] == pytest.approx(-values["occupancy"] - values["divergence"])
    assert ONet(VARIANTS["image"]).judged_by == "iou"
