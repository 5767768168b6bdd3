"""Refinement after Occupancy Networks: the loss as written in the paper, and what it does to meshes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.extract import extract_mesh, polish
from isofield.extract.polish import refinement_loss
from isofield.geometry import Box, Mesh
from isofield.geometry.mesh_checks import check_mesh

RADIUS, STEEP = 0.4, 20.0


def ball(p):
    """A logit less its level, steep as those of networks."""
    return STEEP * (RADIUS - p.norm(dim=1))


@pytest.fixture(scope="module")
def rough() -> Mesh:
    """A sphere whose vertices were moved by up to a fifth of a cell."""
    mesh = extract_mesh(ball, Box.cube(1.1), resolution=24, coarse=12, normals="faces")
    return replace(
        mesh, vertices=mesh.vertices + np.random.default_rng(0).uniform(-0.01, 0.01, mesh.vertices.shape)
    )


def from_sphere(mesh: Mesh) -> float:
    return float(np.abs(np.linalg.norm(mesh.vertices, axis=1) - RADIUS).mean())


def test_vertices_and_normals_come_closer_to_the_field(rough):
    result = polish.polish(rough, ball, tau=0.5, steps=40)
    assert from_sphere(result.mesh) < 0.5 * from_sphere(rough)
    middles = result.mesh.vertices[result.mesh.faces].mean(axis=1)
    outwards = middles / np.linalg.norm(middles, axis=1, keepdims=True)
    before, after = ((outwards * mesh.face_normals()).sum(axis=1).mean() for mesh in (rough, result.mesh))
    assert 1 - after < 0.5 * (1 - before)
    assert np.mean(result.losses[-5:]) < 0.5 * result.losses[0]
    assert (len(result.losses), result.points) == (40, 40 * len(rough.faces))


def test_only_vertices_move(rough):
    mesh = polish.polish(rough, ball, steps=2).mesh
    np.testing.assert_array_equal(mesh.faces, rough.faces)
    np.testing.assert_allclose(mesh.normals, mesh.vertex_normals())
    assert check_mesh(mesh).is_sound


def test_the_same_seed_gives_the_same_bytes(rough):
    one, same, other = (polish.polish(rough, ball, steps=3, seed=seed).mesh.vertices for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_the_loss_is_the_papers(rough):
    """The formula, face by face, with the sphere's gradient by hand."""
    tau = 0.2
    corners = torch.tensor(rough.vertices[rough.faces[:50]])
    weights = torch.tensor(np.random.default_rng(0).dirichlet((0.5, 0.5, 0.5), 50))
    pull = turn = 0.0
    for (a, b, c), weight in zip(corners.numpy(), weights.numpy(), strict=True):
        point = weight[0] * a + weight[1] * b + weight[2] * c
        logit = STEEP * (RADIUS - np.linalg.norm(point)) + np.log(tau / (1 - tau))
        pull += (1 / (1 + np.exp(-logit)) - tau) ** 2 / 50
        normal = np.cross(b - a, c - b)
        apart = normal / (np.linalg.norm(normal) + 1e-10) - point / np.linalg.norm(point)
        turn += apart @ apart / 50
    loss = refinement_loss(corners.requires_grad_(), weights, ball, tau)
    assert loss.item() == pytest.approx(pull + 0.01 * turn, rel=1e-9)
    assert torch.autograd.gradcheck(lambda x: refinement_loss(x, weights, ball, tau), (corners,))


def test_batches_add_up(rough, monkeypatch):
    whole = polish.polish(rough, ball, steps=1)
    monkeypatch.setattr(polish, "BATCH", 100)
    parts = polish.polish(rough, ball, steps=1)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-5)
    np.testing.assert_allclose(parts.mesh.vertices, whole.mesh.vertices, atol=1e-5)


def test_rmsprop_as_its_formula(rough):
    """One step by hand: v -= rate g / (sqrt(0.01 g^2) + 1e-8), ten rates whatever the gradient."""
    moved = polish.polish(rough, ball, steps=1).mesh.vertices - rough.vertices
    assert np.percentile(np.abs(moved), [10, 50, 95]) == pytest.approx([1e-3] * 3, rel=2e-2)


def test_what_cannot_be_refined(rough):
    with pytest.raises(ValueError, match="no gradient"):
        polish.polish(rough, lambda p: ball(p.detach()))
    with pytest.raises(ValueError, match="probability"):
        polish.polish(rough, ball, tau=1.0)
