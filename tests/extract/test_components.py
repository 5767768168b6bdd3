"""Parts are kept by their size, cavities with the solid around them."""

import numpy as np
import pytest
import torch

from isofield.extract import extract_mesh
from isofield.extract.components import keep_parts
from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh

BOX = Box.cube(1.1)


def ball(p, radius, x=0.0):
    return radius - (p - torch.tensor([x, 0.0, 0.0])).norm(dim=1)


def hollow(p):
    """A shell of outer radius 0.3 with a core that floats in it, and a ball beside it."""
    shell = torch.minimum(ball(p, 0.3, -0.15), -ball(p, 0.2, -0.15))
    return torch.stack([shell, ball(p, 0.06, -0.15), ball(p, 0.15, 0.35)]).amax(dim=0)


@pytest.fixture(scope="module")
def mesh():
    return extract_mesh(hollow, BOX, resolution=64, normals=None)


def sphere_volume(radius):
    return 4 / 3 * np.pi * radius**3


def test_all_parts_stay(mesh):
    assert keep_parts(mesh, "all") is mesh
    assert check_mesh(mesh).components == 4


def test_the_largest_solid_keeps_its_cavity(mesh):
    checks = check_mesh(keep_parts(mesh, "largest"))
    assert checks.components == 2
    assert checks.is_sound
    assert checks.volume == pytest.approx(sphere_volume(0.3) - sphere_volume(0.2), rel=0.02)


def test_a_share_drops_what_is_smaller(mesh):
    areas = np.array([0.3, 0.2, 0.15, 0.06]) ** 2
    shares = areas / areas.sum()
    for kept in (4, 3, 2, 1):
        checks = check_mesh(keep_parts(mesh, float(shares[kept - 1]) * 0.95))
        assert checks.components == kept
        assert checks.is_sound
    assert check_mesh(keep_parts(mesh, 1.0)).components == 1  # never nothing
    assert check_mesh(keep_parts(mesh, 0.0)).components == 4


def test_a_cavity_goes_with_its_solid():
    def field(p):
        shell = torch.minimum(ball(p, 0.22, -0.25), -ball(p, 0.2, -0.25))
        return torch.maximum(shell, ball(p, 0.24, 0.25))

    mesh = extract_mesh(field, BOX, resolution=96, normals=None)
    assert check_mesh(mesh).components == 3
    checks = check_mesh(keep_parts(mesh, "largest"))
    assert checks.components == 1
    assert checks.volume == pytest.approx(sphere_volume(0.24), rel=0.02)


def test_open_parts_are_not_cavities():
    mesh = extract_mesh(
        lambda p: (p[:, 2] - 0.1).abs() - 0.05, BOX, resolution=24, closed=False, normals=None
    )
    assert check_mesh(mesh).components == 2
    assert check_mesh(keep_parts(mesh, 0.3)).components == 2


def test_extraction_filters():
    mesh = extract_mesh(hollow, BOX, resolution=48, keep="largest")
    assert check_mesh(mesh).components == 2
    assert mesh.normals.shape == mesh.vertices.shape
