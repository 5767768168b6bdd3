"""Every system that learns shapes by heart learns two at once, and gives each back under its number."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from isofield.data.sampling import normalised
from isofield.data.shape_source import Shape, ShapeSamples
from isofield.geometry.mesh import Mesh
from isofield.geometry.similarity import Similarity
from isofield.systems import SYSTEMS, system_class
from isofield.systems.fits import FITS

SMALL = {
    "onet": {"field_width": 16, "field_blocks": 2, "code_size": 8},
    "convonet": {"channels": 8, "encoder_width": 8, "plane_resolution": 16, "plane_depth": 2,
                 "plane_width": 8, "field_width": 16},
    "imnet": {"field_width": 4, "code_size": 8},
    "deepsdf": {"widths": (32, 32, 32, 32), "latent_in": (2,), "code_size": 8},
    "ldif": {"elements": 8, "code_size": 4, "width": 8},
    "voxel_decoder": {"resolution": 16, "width": 32, "code_size": 8},
    "atlasnet": {"patches": 4, "width": 16, "code_size": 8, "points": 200, "vertices": 200},
    "psgn": {"made": 200, "width": 32, "code_size": 8},
    "grid": {"levels": 3, "finest": 24, "log_rows": 11, "width": 16},
}  # fmt: skip
"""Fields that make a system small."""


@pytest.fixture(scope="module")
def shapes() -> list[Shape]:
    """A ball and a flat box, each in a place of its own."""
    made = [trimesh.creation.icosphere(4, 2.0), trimesh.creation.box((3.0, 1.0, 2.0))]
    found = []
    for number, each in enumerate(made):
        mesh, _, scale = normalised(Mesh(np.array(each.vertices), np.array(each.faces)))
        samples = ShapeSamples.of(mesh, number, surface=4_000, near=6_000, uniform=3_000)
        found.append(
            Shape(
                each.__class__.__name__, samples, Similarity(scale, translation=np.array([10.0, 0, number]))
            )
        )
    return found


def test_every_recipe_is_of_a_system_and_small_here():
    assert set(FITS) <= set(SYSTEMS)
    assert set(FITS) == set(SMALL)


@pytest.mark.parametrize("name", FITS)
def test_it_learns_what_it_is_given(name, shapes):
    recipe = FITS[name]
    some = shapes[: recipe.most]
    recipe = replace(recipe, points=min(recipe.points, 1_000), cloud_size=min(recipe.cloud_size, 300),
                     surface=min(recipe.surface, 200), near=min(recipe.near, 500))  # fmt: skip
    fitting = recipe.fitting(some, 0, max(len(some), recipe.options.batch_size))
    torch.manual_seed(0)
    system = system_class(name)(replace(recipe.config(len(some)), **SMALL[name]))
    optimiser = torch.optim.AdamW(system.parameters(), 1e-2, betas=(0.9, 0.99), weight_decay=0.0)
    for step in range(200):
        loss = torch.stack(list(system.losses(fitting.batch(step, 0, 1)).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    system.eval()
    measured = fitting.validate(system)
    assert measured["estimated_percent"] < 8
    assert measured["estimated_error"] == pytest.approx(measured["estimated_percent"] / 100 * 3.5, rel=0.3)
    for number in range(len(some)):
        scene = fitting.scene(system, number)
        np.testing.assert_allclose(
            scene.world_from_scene.apply(np.zeros((1, 3)))[0], [10, 0, number], atol=0.2
        )
