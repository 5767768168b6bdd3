"""SIF and LDIF beyond the tale: variants, losses by hand, shapes by number, notes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.batch import OccupancyBatch
from isofield.cli import main
from isofield.data import read_mesh
from isofield.encoders.elements import LocalCodes
from isofield.errors import InputError
from isofield.observation import PointCloud
from isofield.ops.elements import Elements, rotations
from isofield.systems.ldif import EXTENT, LDIF, LDIFConfig, outside_by

SMALL = LDIFConfig(
    elements=6, symmetric=2, code_size=8, width=8, encoder_width=8, local_points=32, cloud_size=100
)
VARIANTS = {
    "LDIF": SMALL,
    "SIF": replace(SMALL, code_size=0, symmetric=0, rotated=False),
    "SIF, turned and mirrored": replace(SMALL, code_size=0),
    "LDIF of known objects": replace(SMALL, sees="object", objects=3),
    "SIF of known objects": replace(SMALL, sees="object", objects=3, code_size=0, rotated=False, mirror="x"),
}


def batch(near: bool = True) -> OccupancyBatch:
    draw = torch.Generator().manual_seed(0)
    points, close = (torch.rand(2, 40, 3, generator=draw) - 0.5 for _ in range(2))
    return OccupancyBatch(
        cloud=0.4 * torch.nn.functional.normalize(torch.randn(2, 100, 3, generator=draw), dim=-1),
        points=points,
        inside=(points.norm(dim=-1) < 0.4).float(),
        item=torch.tensor([2, 0]),
        near=close if near else None,
        near_inside=(close.norm(dim=-1) < 0.4).float() if near else None,
    )


def built(config: LDIFConfig) -> LDIF:
    torch.manual_seed(0)
    return LDIF(config)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns_and_becomes_a_scene(name: str) -> None:
    system = built(VARIANTS[name])
    losses = system.losses(batch())
    torch.stack(list(losses.values())).sum().backward()
    assert set(losses) == {"uniform", "near", "box", "centres"}
    assert all(p.grad is not None for p in system.parameters())
    seen = 2 if system.wants is None else PointCloud(np.random.default_rng(0).uniform(-1, 1, (150, 3)))
    scene = system.eval().reconstruct(seen)
    points = torch.rand(50, 3) - 0.5
    with torch.no_grad():
        assert scene.inside(points).shape == (50,)
    noted = json.loads(json.dumps(scene.notes))["elements"]
    assert np.shape(noted["rotations"]) == (6, 3, 3)
    assert noted["axis"] == system.config.mirror


def test_losses_by_hand() -> None:
    config = replace(SMALL, sees="object", objects=3, inside_weight=10.0)
    system, seen = built(config).eval(), batch()
    elements = system.elements(seen.item)
    plain = {}
    for name, points, inside in (
        ("uniform", seen.points, seen.inside),
        ("near", seen.near, seen.near_inside),
    ):
        assert points is not None
        assert inside is not None
        value = system.field(EXTENT * points, elements)
        outside = 1 / (1 + torch.exp(-100 * (value + 0.07)))
        error = (outside - (1 - inside)) ** 2
        plain[name] = (
            (error * torch.where(inside > 0, 10.0, 1.0)).mean() if name == "uniform" else 0.1 * error.mean()
        )
    found = system.losses(seen)
    for name, value in plain.items():
        torch.testing.assert_close(found[name], value)
    assert "near" not in system.losses(batch(near=False))


def test_centres_are_kept_in_the_cube_and_in_the_shape() -> None:
    system = built(replace(SMALL, sees="object", objects=3, symmetric=0))
    with torch.no_grad():
        system.table.weight.view(3, 6, -1)[:, :, 1:4] = 2 * torch.tensor([1.0, 0, 0])
    losses = system.losses(batch())
    assert float(losses["box"].detach()) == pytest.approx(10 * 0.3**2 / 3)
    assert losses["centres"] > 0.1**2
    places = torch.tensor([[[0.0, 0, 0], [0.5, 0, 0]]])
    centres = torch.tensor([[[0.0, 0.3, 0.0], [0.4, 0, 0], [0.24, 0, 0]]])
    away = outside_by(centres, places, torch.tensor([[True, False]]), slack=0.05)
    # the nearest place of the first and the last is inside; only the second is told to move
    torch.testing.assert_close(away, torch.tensor([[0.0, 0.35, 0.0]]))
    assert not outside_by(centres, places, torch.tensor([[False, False]]), slack=0.05).any()


def test_activations_have_their_bounds() -> None:
    system = built(SMALL)
    raw = 100 * torch.randn(2, 6, 18, generator=torch.Generator().manual_seed(0))
    elements = system.activated(raw)
    assert (elements.constants <= 0).all()
    assert elements.variances.max().sqrt() <= 0.15 + 1e-6
    assert elements.angles.abs().max() == pytest.approx(np.pi / 4)
    torch.testing.assert_close(elements.centres, raw[..., 1:4] / 2)


def test_the_surface_is_where_the_value_is_the_level() -> None:
    system = built(replace(SMALL, sees="object", objects=1)).eval()
    scene, points = system.reconstruct(), torch.rand(200, 3) - 0.5
    with torch.no_grad():
        value = system.field(EXTENT * points[None], system.elements(torch.tensor([0])))[0]
        torch.testing.assert_close(scene.inside(points), -(value + 0.07), atol=2e-6, rtol=1e-5)
    assert scene.world_from_scene.scale == 1
    official = LDIF(replace(system.config, official_frame=True)).reconstruct(0)
    assert official.world_from_scene.scale == EXTENT


def test_codes_are_told_from_near_points_in_the_frame_of_the_element() -> None:
    torch.manual_seed(0)
    local = LocalCodes(4, count=20).eval()
    move, angles = torch.randn(3), torch.tensor([0.3, -0.4, 0.5])
    one = torch.tensor([[[0.1, 0.05, 0.02]]])
    cloud = 0.1 * torch.randn(1, 100, 3)

    def elements(centre: torch.Tensor, angles: torch.Tensor) -> Elements:
        return Elements(
            torch.ones(1, 1), centre.view(1, 1, 3), one.square(), angles.view(1, 1, 3), one[..., :0]
        )

    flat = elements(torch.zeros(3), torch.zeros(3))
    near, there = local.near(cloud, flat)
    assert there.any()
    far = (cloud[0] / one[0, 0]).norm(dim=-1) >= 4
    chosen = cloud[0][~far][:20] / one[0, 0]
    torch.testing.assert_close(near[there], chosen, atol=1e-5, rtol=1e-5)
    moved = cloud @ rotations(angles).T + move
    torch.testing.assert_close(local(moved, elements(move, angles)), local(cloud, flat), atol=1e-5, rtol=1e-5)
    far_away = elements(torch.full((3,), 9.0), angles)
    assert local(cloud, far_away).isfinite().all()


def dataset(root: Path, near: bool = True) -> Path:
    """One ball in the layout of Occupancy Networks."""
    draw = np.random.default_rng(0)
    folder = root / "balls" / "one"
    folder.mkdir(parents=True)
    normals = draw.normal(size=(2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    frame = {"loc": np.zeros(3), "scale": 1.0}
    np.savez(folder / "pointcloud.npz", points=0.4 * normals, normals=normals, **frame)
    files = {"points.npz": draw.uniform(-0.55, 0.55, (5000, 3))}
    if near:
        files["points_surface.npz"] = 0.4 * normals + 0.02 * draw.normal(size=(2000, 3))
    for name, points in files.items():
        np.savez(folder / name, points=points, occupancies=np.linalg.norm(points, axis=1) < 0.4, **frame)
    for split in ("train", "val", "test"):
        (root / "balls" / f"{split}.lst").write_text("one\n" if split == "train" else "")
    return root


@pytest.mark.slow
def test_a_shape_is_fitted_and_meshed_by_the_command_line(tmp_path, capsys) -> None:
    data = dataset(tmp_path / "data")
    config = ("sees=object", "objects=1", "elements=8", "symmetric=0", "code_size=8", "width=8", "points=512")
    words = ["train", "ldif", str(data), "-o", str(tmp_path / "run"), "--steps", "120", "--batch-size", "1"]
    words += [word for setting in config for word in ("--set", setting)]
    words += ["--learning-rate", "1e-2", "--ema", "0.9", "--warmup", "5", "--threads", "1", "--quiet"]
    assert main(words) == 0
    weights = str(tmp_path / "run" / "weights.safetensors")
    assert (
        main(["reconstruct", weights, "-o", str(tmp_path / "ball.ply"), "--resolution", "32", "--quiet"]) == 0
    )
    radii = np.linalg.norm(read_mesh(tmp_path / "ball.ply").vertices, axis=1)
    assert radii.mean() == pytest.approx(0.4, abs=0.05)
    capsys.readouterr()


def test_batches_say_what_is_missing(tmp_path) -> None:
    bare = dataset(tmp_path, near=False)
    with pytest.raises(InputError, match=r"points_surface.npz is missing: set near=0"):
        LDIF.batches(SMALL, bare, 0, 1)
    batch = LDIF.batches(replace(SMALL, near=0), bare, 0, 1).batch(0, 0, 1)
    assert batch.near is None
    assert batch.cloud.shape == (1, 100, 3)
    second = tmp_path / "balls" / "train.lst"
    second.write_text("one\none\n")
    with pytest.raises(InputError, match="set objects=2"):
        LDIF.batches(replace(SMALL, sees="object", objects=1, near=0), bare, 0, 1)


def test_what_it_can_not_do_is_said() -> None:
    with pytest.raises(InputError, match="reads PointCloud, not NoneType"):
        built(SMALL).reconstruct(None)
    known = built(VARIANTS["LDIF of known objects"])
    with pytest.raises(InputError, match="knows 3 objects by number"):
        known.reconstruct(None)
    with pytest.raises(InputError, match="only knows its 3 objects"):
        known.reconstruct(3)
    with pytest.raises(InputError, match="set objects"):
        LDIFConfig(sees="object")
    with pytest.raises(InputError, match="of 4 elements 16"):
        LDIFConfig(elements=4)
    with pytest.raises(InputError, match="a shape of -3 elements is none"):
        LDIFConfig(elements=-3, symmetric=0)
