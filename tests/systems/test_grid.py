"""Grids of one shape: it is learnt in seconds, in each way of keeping them."""

import numpy as np
import pytest
import torch
import trimesh

from isofield.data.sampling import normalised
from isofield.data.shape_source import Shape, ShapeSamples, ShapeSource
from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.geometry.mesh import Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.metrics.surface import to_triangles
from isofield.systems.grid import Grid, GridConfig
from isofield.training.fitting import Fitting, estimated_distance

SMALL = {"levels": 4, "coarsest": 8, "finest": 48, "log_rows": 13, "width": 32}


def torus() -> Mesh:
    made = trimesh.creation.torus(major_radius=0.3, minor_radius=0.12)
    return normalised(Mesh(np.array(made.vertices), np.array(made.faces)))[0]


@pytest.mark.parametrize("features", ["hash", "dense", "planes"])
def test_a_torus_is_learnt_with_its_hole(features):
    mesh = torus()
    source = ShapeSource(
        [Shape("torus", ShapeSamples.of(mesh, 0, near=30_000, uniform=8_000))], "distance", 0, 1, 4_096
    )
    torch.manual_seed(0)
    system = Grid(GridConfig(features=features, channels=2 if features != "planes" else 4, **SMALL))
    optimiser = torch.optim.AdamW(system.parameters(), 1e-2, betas=(0.9, 0.99), weight_decay=0.0)
    for step in range(150):
        loss = system.losses(source.batch(step, 0, 1))["distance"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    system.eval()
    scene = system.reconstruct()
    assert scene.inside is not None
    found = extract_mesh(scene.inside, scene.box, resolution=64)
    checked = check_mesh(found)
    assert checked.is_sound
    assert checked.genus == 1
    error = to_triangles(found.vertices, mesh).mean()
    assert error < 0.004
    measured = Fitting(source).validate(system)
    assert measured["estimated_percent"] == pytest.approx(100 * error, rel=0.7)


def test_there_is_one_shape():
    with pytest.raises(InputError, match="there is no 1"):
        Grid(GridConfig(**SMALL)).reconstruct(1)


@pytest.mark.parametrize(
    "wrong", [{"finest": 8, "coarsest": 16}, {"levels": 0}, {"features": "dense", "finest": 2048}]
)
def test_impossible_grids(wrong):
    with pytest.raises(InputError, match=r"impossible|memory"):
        GridConfig(**wrong)


def test_estimated_distance_is_that_of_a_scaled_ball():
    from isofield.geometry import Box
    from isofield.scene import Scene

    directions = np.random.default_rng(0).standard_normal((50, 3))
    points = 0.43 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    scene = Scene(Box.cube(1.0), inside=lambda p: 7 * (0.4 - p.norm(dim=1)))
    np.testing.assert_allclose(estimated_distance(scene, points), 0.03, atol=1e-5)
    bare = Scene(points=points / 0.43 * 0.4)
    np.testing.assert_allclose(estimated_distance(bare, points), 0.03, atol=1e-5)
