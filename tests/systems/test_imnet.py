"""IM-NET beyond the tale: every observation, the clip, the level, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.encoders.imnet import ImNetPicture, middle, repeated
from isofield.errors import InputError
from isofield.fields.imnet import ImNetField, clipped
from isofield.geometry import Box
from isofield.observation import Photo, PointCloud, Voxels
from isofield.systems.imnet import IMNet, IMNetConfig

SMALL = IMNetConfig(code_size=8, field_width=4, voxel_width=2, picture_width=4)
VARIANTS = {
    "voxels": SMALL,
    "image": replace(SMALL, sees="image"),
    "object": replace(SMALL, sees="object", objects=3),
    "taught": replace(SMALL, sees="image", taught=True),
}


def batch() -> OccupancyBatch:
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(2, 20, 3, generator=draw) - 0.5
    return OccupancyBatch(
        cloud=None,
        points=points,
        inside=(points.norm(dim=-1) < 0.4).float(),
        voxels=(torch.rand(2, 32, 32, 32, generator=draw) > 0.5).float(),
        images=torch.rand(2, 137, 137, 3, generator=draw),
        item=torch.tensor([2, 0]),
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns(name: str) -> None:
    torch.manual_seed(0)
    system = IMNet(VARIANTS[name])
    losses = system.losses(batch())
    torch.stack(list(losses.values())).sum().backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in system.parameters())


def test_the_loss_is_the_mean_of_squares() -> None:
    torch.manual_seed(0)
    system, seen = IMNet(SMALL).eval(), batch()
    values = system.field(seen.points, system.encoder(seen.voxels))
    torch.testing.assert_close(system.losses(seen)["occupancy"], ((values - seen.inside) ** 2).sum() / 40)


def test_the_code_of_a_picture_follows_that_of_voxels_and_not_the_other_way() -> None:
    torch.manual_seed(0)
    system, seen = IMNet(VARIANTS["taught"]), batch()
    losses = system.losses(seen)
    alone = IMNet(SMALL)
    alone.encoder.load_state_dict(system.teacher.state_dict())
    alone.field.load_state_dict(system.field.state_dict())
    torch.testing.assert_close(losses["occupancy"], alone.losses(seen)["occupancy"])
    losses["code"].backward()
    assert all(p.grad is None for part in (system.teacher, system.field) for p in part.parameters())
    assert all(p.grad.abs().max() > 0 for p in system.encoder.out.parameters())
    with pytest.raises(InputError, match="set sees=image"):
        replace(SMALL, taught=True)


def test_the_clip_leaks_a_hundredth() -> None:
    value = torch.tensor([-2.0, 0.0, 0.5, 1.0, 3.0])
    torch.testing.assert_close(clipped(value), torch.tensor([-0.02, 0.0, 0.5, 1.0, 1.02]))


def test_bound_before_the_clip_it_is_the_same_field() -> None:
    torch.manual_seed(0)
    field, code = ImNetField(8, 4), Code(torch.rand(1, 8))
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    points = torch.rand(3000, 3) - 0.5
    with torch.no_grad():
        raw = field.bind(code)(points)
        field.layers[-1].weight.mul_(2 / raw.std())
        field.layers[-1].bias.sub_(raw.mean() * 2 / raw.std() - 0.5)
        values = field(points[None], code)[0]
    assert (values < 0).any()
    assert (values > 1).any()
    bound = field.bind(code, 0.5)
    torch.testing.assert_close(clipped(bound(points) + 0.5), values, rtol=1e-4, atol=1e-4)
    near = (values - 0.5).abs() > 1e-3
    assert ((bound(points) > 0) == (values > 0.5))[near].all()


def test_initial_weights_are_the_published_ones_at_the_published_width() -> None:
    torch.manual_seed(0)
    first, *_, last = ImNetField(16, 128).layers
    assert float(first.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert not last.bias.any()


def test_coarse_voxels_are_repeated() -> None:
    seen = batch().voxels
    fine = repeated(seen)
    assert fine.shape == (2, 64, 64, 64)
    assert fine[:, 1::2, ::2, 1::2].equal(seen)
    assert repeated(fine) is not None
    assert repeated(fine).equal(fine)


def test_pictures_are_seen_grey_and_from_the_middle() -> None:
    torch.manual_seed(0)
    encoder = ImNetPicture(8, 4).eval()
    image = torch.rand(1, 137, 137, 3)
    grey = (image @ torch.tensor([0.299, 0.587, 0.114]))[..., None].expand_as(image)
    inner = middle(image)
    assert inner.equal(image[:, 4:132, 4:132])
    with torch.no_grad():
        torch.testing.assert_close(encoder(grey).vector, encoder(inner).vector)


@pytest.mark.parametrize(
    ("name", "seen", "scale"),
    [
        ("image", Photo(np.random.default_rng(0).random((50, 50, 3)).astype(np.float32)), 1.0),
        ("voxels", Voxels(np.random.default_rng(0).random((16, 16, 16)) > 0.5, Box.cube(3.0)), 3.0),
        ("object", 2, 1.0),
    ],
)
def test_observations_become_scenes(name: str, seen: Photo | Voxels | int, scale: float) -> None:
    torch.manual_seed(0)
    system = IMNet(VARIANTS[name])
    scene = system.reconstruct(seen)
    points = torch.rand(40, 3) - 0.5
    assert scene.world_from_scene.scale == scale
    assert scene.inside is not None
    assert system.training
    with torch.no_grad():
        values = system.eval().field(points[None], system.encode(seen)[0])[0]
        torch.testing.assert_close(clipped(scene.inside(points) + 0.5), values)


def test_what_was_not_learned_from_is_refused() -> None:
    with pytest.raises(InputError, match="reads Voxels, not PointCloud"):
        IMNet(SMALL).reconstruct(PointCloud(np.eye(3)))
    with pytest.raises(InputError, match="whose edge divides 64, not 24 x 24 x 24"):
        IMNet(SMALL).reconstruct(Voxels(np.ones((24, 24, 24), bool), Box.cube()))
    with pytest.raises(InputError, match="not 32 x 32 x 16"):
        IMNet(SMALL).reconstruct(Voxels(np.ones((32, 32, 16), bool), Box.cube()))
    with pytest.raises(InputError, match="there is no object 3; 3 were learnt"):
        IMNet(VARIANTS["object"]).reconstruct(3)
    with pytest.raises(InputError, match="set objects"):
        replace(SMALL, sees="object")
    with pytest.raises(InputError, match="set image_size"):
        replace(SMALL, image_size=64)
    with pytest.raises(InputError, match="set epochs_16"):
        replace(SMALL, epochs_16=-1)
