"""The refinement of Occupancy Networks: vertices and faces follow the field (arXiv:1812.03828, section 3.4).

    sum over points of faces of (tau - sigmoid(logit))^2 + lambda ||n_face - n_field||^2 -> min over vertices

Points are drawn anew in each step, with Dirichlet(1/2) weights, and RMSprop moves the vertices. Meshes
from `extract_mesh` have their vertices on the surface already; what this adds is the fit between them.

What it costs: `steps` times one evaluation, one gradient and the gradient of that gradient at one point per
face, as much as five to ten evaluations each. For the paper's 30 steps that is hundreds of evaluations
per face, where extraction needs about three in all. RMSprop's first step moves each coordinate by 10 times
the rate, so vertices that were exact are less so afterwards unless the rate is small beside a cell.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from isofield.errors import InputError
from isofield.geometry import Mesh
from isofield.scene import Inside

NORMALS = 0.01
"""Weight lambda of the normals."""
TINY = 1e-10
"""Added to lengths before dividing by them, as in the original."""
BATCH = 16_384
"""Faces that are differentiated at once; bounds the memory."""


@dataclass(frozen=True)
class Polished:
    """The mesh with its vertices moved, and what that took."""

    mesh: Mesh
    losses: list[float]
    """Before each step."""
    points: int
    """Points at which the field was differentiated twice."""


def polish(
    mesh: Mesh,
    inside: Inside,
    tau: float = 0.2,
    *,
    steps: int = 30,
    rate: float = 1e-4,
    seed: int = 0,
    report: Callable[[float], None] | None = None,
) -> Polished:
    """The mesh after `steps` of RMSprop on its vertices; faces stay as they are.

    The same seed gives the same bytes on the same number of threads. Vertex normals, if there were any, are
    those of the moved faces.

    Args:
        mesh: In the frame of `inside`; the rate is meant for an object about one unit large.
        inside: Zero on the surface, a logit less that of `tau`; differentiable twice.
        tau: Probability on the surface. It scales the pull towards the surface, no more.
        steps: 30 in the paper.
        rate: Learning rate, 1e-4 in the paper.
        seed: Of the points on the faces.
        report: Told the share that is done.

    Raises:
        InputError: The field has no gradient.
        ValueError: tau is not a probability.
    """
    if not 0 < tau < 1:
        raise ValueError(f"tau is a probability between 0 and 1, not {tau}")
    random = np.random.default_rng(seed)
    faces = torch.as_tensor(mesh.faces)
    vertices = torch.as_tensor(mesh.vertices, dtype=torch.float32).clone().requires_grad_()
    optimiser = torch.optim.RMSprop([vertices], lr=rate)
    losses = []
    for step in range(steps):
        weights = torch.as_tensor(random.dirichlet((0.5, 0.5, 0.5), len(faces)), dtype=torch.float32)
        optimiser.zero_grad()
        losses.append(_backward(vertices, faces, weights, inside, tau))
        optimiser.step()
        if report:
            report((step + 1) / steps)
    moved = replace(mesh, vertices=vertices.detach().double().numpy())
    if mesh.normals is not None:
        moved = replace(moved, normals=moved.vertex_normals())
    return Polished(moved, losses, steps * len(faces))


def _backward(
    vertices: Float[Tensor, "v 3"],
    faces: Int[Tensor, "f 3"],
    weights: Float[Tensor, "f 3"],
    inside: Inside,
    tau: float,
) -> float:
    """The loss over all faces, its gradient added to that of the vertices, batch by batch."""
    total = 0.0
    for part, weight in zip(faces.split(BATCH), weights.split(BATCH), strict=True):
        loss = refinement_loss(vertices[part], weight, inside, tau) * (len(part) / len(faces))
        loss.backward()
        total += loss.item()
    return total


def refinement_loss(
    corners: Float[Tensor, "f 3 3"], weights: Float[Tensor, "f 3"], inside: Inside, tau: float
) -> Float[Tensor, ""]:
    """Mean (p - tau)^2 + 0.01 mean ||n_face - n_field||^2 at one point per face, p the probability there.

    n_field is against the gradient of p, which keeps its own gradient.
    """
    points = (weights[..., None] * corners).sum(dim=1)  # (f 3)
    value = torch.sigmoid(inside(points) + np.log(tau / (1 - tau)))
    if not value.requires_grad:
        raise InputError("this field has no gradient to follow, so the mesh cannot be refined by it")
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1])
    apart = _unit(normal) + _unit(gradient)
    return (value - tau).square().mean() + NORMALS * apart.square().sum(dim=1).mean()


def _unit(vectors: Float[Tensor, "f 3"]) -> Float[Tensor, "f 3"]:
    return vectors / (vectors.norm(dim=1, keepdim=True) + TINY)
