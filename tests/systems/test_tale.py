"""One tale that every system of the catalogue tells: it learns, is kept, and reconstructs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from isofield.batch import DistanceBatch, OccupancyBatch
from isofield.data.pixels import PixelBatch
from isofield.data.ray_source import RayBatch
from isofield.data.solved import SolvedSample
from isofield.data.solved_source import collate
from isofield.extract import extract_mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.geometry.rays import Rays
from isofield.observation import PointCloud
from isofield.ops.indicator import indicator_of, oriented_normals
from isofield.ops.neighbourhood import neighbourhood
from isofield.system import System
from isofield.systems import SYSTEMS, system_class
from isofield.systems.atlasnet import AtlasNetConfig
from isofield.systems.convonet import ConvONetConfig
from isofield.systems.deepsdf import DeepSDFConfig
from isofield.systems.dvr import DVRConfig
from isofield.systems.gauss import GaussConfig
from isofield.systems.grid import GridConfig
from isofield.systems.idr import IDRConfig
from isofield.systems.imnet import IMNetConfig
from isofield.systems.indicator import IndicatorNetConfig
from isofield.systems.ldif import LDIFConfig
from isofield.systems.nerf import NeRFConfig
from isofield.systems.onet import ONetConfig
from isofield.systems.psgn import PSGNConfig
from isofield.systems.radiance import RadianceConfig
from isofield.systems.stored import load_system
from isofield.systems.voxel_decoder import VoxelDecoderConfig
from isofield.training.weights import save_weights


def ball(count: int, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """Noisy points on a sphere of radius 0.4."""
    draw = np.random.default_rng(seed)
    directions = draw.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return 0.4 * directions + noise * draw.standard_normal(directions.shape)


def occupied() -> OccupancyBatch:
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(2, 512, 3, generator=draw) * 1.1 - 0.55
    clouds = torch.stack([torch.from_numpy(ball(300, seed=i)).float() for i in range(2)])
    return OccupancyBatch(clouds, points, (points.norm(dim=-1) < 0.4).float())


def surfaces() -> OccupancyBatch:
    """Noisy clouds of a ball and a smaller one, and exact points of them."""
    clouds, exact = (
        torch.stack([torch.from_numpy(r * ball(300, noise, seed=i)).float() for i, r in enumerate((1, 0.6))])
        for noise in (0.01, 0.0)
    )
    none = torch.zeros(2, 0, 3)
    return OccupancyBatch(clouds, none, none[..., 0], surface=exact)


def voxels() -> OccupancyBatch:
    """A ball and a smaller one."""
    batch = occupied()
    radii = torch.tensor([0.4, 0.3])
    middles = (torch.cartesian_prod(*[torch.arange(32)] * 3) + 0.5) / 32 - 0.5
    full = (middles.norm(dim=1) < radii[:, None]).float().view(2, 32, 32, 32)
    inside = (batch.points.norm(dim=-1) < radii[:, None]).float()
    return replace(batch, cloud=None, voxels=full, inside=inside)


def occupied_also_near() -> OccupancyBatch:
    """With points near the surface, and the numbers of the objects."""
    draw = torch.Generator().manual_seed(1)
    near = torch.nn.functional.normalize(torch.randn(2, 256, 3, generator=draw), dim=-1)
    near = near * (0.4 + 0.02 * torch.randn(2, 256, 1, generator=draw))
    within = (near.norm(dim=-1) < 0.4).float()
    return replace(occupied(), near=near, near_inside=within, item=torch.arange(2))


def solved() -> Any:
    samples = []
    for seed in range(2):
        points = torch.from_numpy(ball(600, seed=seed) + 0.5).float()
        near = neighbourhood(points)
        normals = oriented_normals(points, near)
        chi = indicator_of(points, normals, near, 32)
        queries = torch.rand(512, 3, generator=torch.Generator().manual_seed(seed))
        samples.append(
            SolvedSample(
                points=points.numpy(),
                normals=normals.numpy(),
                scatter=near.scatter.numpy() * 16,
                indicator=chi.grid.numpy(),
                queries=queries.numpy(),
                base=chi.at(queries).numpy(),
                inside=((queries - 0.5).norm(dim=1) < 0.4).numpy(),
            )
        )
    return collate(samples)


def distances() -> DistanceBatch:
    """Two balls of different sizes."""
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(2, 512, 3, generator=draw) * 2 - 1
    sdf = points.norm(dim=-1) - torch.tensor([[0.5], [0.9]])
    return DistanceBatch(points, sdf, torch.arange(2), epoch=100)


def rays() -> RayBatch:
    """A dark ball on white."""
    draw = torch.Generator().manual_seed(0)
    origins = torch.nn.functional.normalize(torch.randn(256, 3, generator=draw), dim=1) * 2
    directions = torch.nn.functional.normalize(torch.rand(256, 3, generator=draw) - 0.5 - origins, dim=1)
    nearest = origins - (origins * directions).sum(1, keepdim=True) * directions
    colours = (nearest.norm(dim=1, keepdim=True) > 0.4).float().expand(-1, 3) * 0.8 + 0.2
    bounds = torch.full((256,), 1.0), torch.full((256,), 3.0)
    return RayBatch(Rays(origins, directions, *bounds), colours, torch.eye(4, dtype=torch.float64))


def pixels() -> PixelBatch:
    """A red ball in two pictures, each of one object or of two."""
    draw = torch.Generator().manual_seed(0)
    origins = torch.tensor([[0.0, 0.3, -2.0], [2.0, 0.0, 0.1]])[:, None].expand(2, 256, 3)
    goals = (torch.rand(2, 256, 3, generator=draw) - 0.5) * 1.2
    directions = torch.nn.functional.normalize(goals - origins, dim=-1)
    middle = (origins * directions).sum(-1, keepdim=True)
    mask = (origins - middle * directions).norm(dim=-1) < 0.4
    colours = mask[..., None] * torch.tensor([0.9, 0.2, 0.1])
    view = torch.arange(2)[:, None].expand(2, 256)
    images = torch.rand(2, 32, 32, 3, generator=draw)
    return PixelBatch(origins, directions, colours, mask.float(), view=view, images=images)


@dataclass(frozen=True)
class Tale:
    """A system small enough for a test; without a batch it has nothing to learn."""

    config: Any
    batch: Callable[[], Any] | None = None
    shaken: bool = True
    """Its first weights may be replaced by noise: they are no shape that it needs to begin with."""


TALES = {
    "gauss": Tale(GaussConfig()),
    "indicator": Tale(IndicatorNetConfig(hidden=8, widths=(8, 8), features=8, width=16, blocks=2), solved),
    "onet": Tale(
        ONetConfig(code_size=16, encoder_width=16, field_width=16, field_blocks=2, latent_size=4, points=64),
        occupied,
    ),
    "convonet": Tale(
        ConvONetConfig(
            channels=8, encoder_width=8, encoder_blocks=3, plane_resolution=16, plane_depth=2,
            plane_width=8, field_width=16, field_blocks=2, cloud_size=300,
        ),
        occupied,
    ),
    "grid": Tale(GridConfig(levels=3, coarsest=4, finest=16, log_rows=8, width=16), distances),
    "imnet": Tale(IMNetConfig(code_size=16, field_width=8, voxel_width=2), voxels),
    "atlasnet": Tale(
        AtlasNetConfig(
            patches=3, code_size=32, encoder_width=8, width=16, layers=1, cloud_size=200, points=180,
            vertices=75,
        ),
        surfaces,
    ),
    "psgn": Tale(PSGNConfig(code_size=16, encoder_width=16, width=32, made=100), surfaces),
    "voxel_decoder": Tale(
        VoxelDecoderConfig(code_size=16, encoder_width=16, width=64),
        lambda: replace(voxels(), cloud=surfaces().cloud),
    ),
    "ldif": Tale(
        LDIFConfig(
            elements=8, symmetric=4, code_size=8, width=8, encoder_width=16, local_points=64,
            cloud_size=300,
        ),
        occupied_also_near,
    ),
    "dvr": Tale(DVRConfig(code_size=8, width=32, blocks=2, encoder_width=4), pixels),
    "idr": Tale(
        IDRConfig(
            width=48, layers=3, light_layers=2, features=8, octaves=2, view_octaves=2, skip=2, cameras=2,
            samples=16,
        ),
        pixels,
        shaken=False,
    ),
    "deepsdf": Tale(
        DeepSDFConfig(
            objects=2, code_size=8, widths=(32,) * 4, latent_in=(2,), dropout=(), clamp=0.5, fit_steps=20
        ),
        distances,
    ),
    "radiance": Tale(RadianceConfig(resolution=32, effort=0.02)),
    "nerf": Tale(NeRFConfig(depth=3, width=32, skips=(1,), octaves=4, coarse=16, fine=16), rays),
}  # fmt: skip
learns = pytest.mark.parametrize("name", [name for name, tale in TALES.items() if tale.batch])


def built(name: str) -> System:
    torch.manual_seed(0)
    return system_class(name)(TALES[name].config)


def test_every_system_has_its_tale() -> None:
    assert set(TALES) == set(SYSTEMS)


@learns
def test_losses_are_finite_and_reach_every_parameter(name: str) -> None:
    system, make = built(name), TALES[name].batch
    assert make is not None
    shaken = system.parameters() if TALES[name].shaken else ()
    for parameter in shaken:  # zero layers at the start would hide what lies behind them
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim > 1 else None
    losses = system.losses(make())
    assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    for parameter_name, parameter in system.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@learns
def test_kept_and_loaded_it_is_the_same_to_the_bit(name: str, tmp_path) -> None:
    system = built(name)
    save_weights(tmp_path / "w.safetensors", name, TALES[name].config, system.state_dict())
    other = load_system(tmp_path / "w.safetensors", name)
    assert other.config == TALES[name].config
    assert not other.training
    for key, tensor in system.state_dict().items():
        assert other.state_dict()[key].equal(tensor), key


@pytest.mark.parametrize(
    "name", [n for n, t in TALES.items() if system_class(n)(t.config).wants is PointCloud]
)
def test_a_cloud_becomes_functions_of_space_in_its_own_frame(name: str) -> None:
    system = built(name).eval()
    cloud = PointCloud(ball(1_200) * 30 + np.array([1e5, -2e5, 7.0]))
    scene = system.reconstruct(cloud)
    if scene.inside is None:
        made = scene.points if scene.mesh is None else scene.mesh.vertices
        assert made is not None
        assert np.isfinite(made).all()
    else:
        with torch.inference_mode():
            values = scene.inside(torch.rand(100, 3) - 0.5)
        assert values.shape == (100,)
        assert values.isfinite().all()
    np.testing.assert_allclose(scene.world_from_scene.apply(np.zeros((1, 3)))[0], [1e5, -2e5, 7], atol=1.5)
    assert scene.world_from_scene.scale == pytest.approx(24, rel=0.1)


@pytest.mark.slow
@learns
def test_it_learns_one_shape(name: str) -> None:
    system, make = built(name), TALES[name].batch
    assert make is not None
    batch = make()
    optimiser = torch.optim.AdamW(system.parameters(), 3e-3)
    first = None
    for _ in range(300):
        loss = torch.stack(list(system.losses(batch).values())).sum()
        first = first or float(loss.detach())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.3 * first


def test_what_needs_no_learning_reconstructs_a_sound_mesh() -> None:
    scene = built("gauss").reconstruct(PointCloud(ball(1_200)))
    assert scene.inside is not None
    assert check_mesh(extract_mesh(scene.inside, scene.box, resolution=48)).is_sound
