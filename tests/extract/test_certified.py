"""Certified meshes are those of the dense grid, found with few evaluations, and nothing is missed."""

from functools import partial

import numpy as np
import pytest
import torch

from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.extract.certified import BLOCK, PROVEN, certified_cells, certified_grid
from isofield.extract.lattice import Lattice
from isofield.extract.sampler import Sampler
from isofield.fields.mlp import BoundMlp
from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh
from isofield.ops.query import query
from isofield.ops.steps import Activation, Affine

BOX = Box.cube(2.0)
RELU = Activation("relu")
extract_certified = partial(extract_mesh, certified=True)


def octahedra(*balls):
    """The union of |x - c|_1 < r, as a network of two layers: each adds h relu(1 - |x - c|_1 / r)."""
    signs = torch.tensor([[1.0], [-1.0]])
    hinges, offsets, mixes, count = [], [], [], 6 * len(balls)
    for number, (centre, radius) in enumerate(balls):
        weight = torch.cat([torch.eye(3)[k] * s for k in range(3) for s in signs]).reshape(6, 3)
        hinges.append(weight)
        offsets.append(-weight @ torch.tensor(centre))
        mix = torch.zeros(count)
        mix[6 * number : 6 * number + 6] = -1 / radius
        mixes.append(mix)
    last = torch.ones(len(balls), 1)
    return BoundMlp(
        [
            Affine(torch.cat(hinges).T.contiguous(), torch.cat(offsets)),
            RELU,
            Affine(torch.stack(mixes, 1), torch.ones(len(balls))),
            RELU,
            Affine(last, torch.tensor([-1e-3])),
        ]
    )


def network(seed, kind, width=16, depth=3):
    """A random network with a surface of several parts."""
    rng = np.random.default_rng(seed)

    def affine(inputs, outputs, gain):
        weight = rng.normal(0, gain / np.sqrt(inputs), (inputs, outputs))
        return Affine(
            torch.tensor(weight, dtype=torch.float32), torch.tensor(rng.normal(0, 0.3, outputs)).float()
        )

    activation = Activation(kind, 5.0 if kind == "softplus" else 0.0)
    steps = [affine(3, width, 4), activation]
    for _ in range(depth - 1):
        steps += [affine(width, width, 1.5), activation]
    return BoundMlp([*steps, affine(width, 1, 1)])


def sorted_rows(rows):
    return rows[np.lexsort(rows.T)]


def dense_values(field, lattice, closed):
    nodes = np.stack(np.meshgrid(*[np.arange(n + 1) for n in lattice.cells], indexing="ij"), -1).reshape(
        -1, 3
    )
    values = query(field, lattice.positions(nodes))
    if closed:
        values[((nodes == 0) | (nodes == lattice.cells)).any(axis=1) & (values >= 0)] = -np.inf
    return nodes, values


@pytest.mark.parametrize("kind", ["relu", "elu", "softplus", "sine", "tanh"])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_sign_is_that_of_the_dense_grid(kind, closed, seed):
    field = network(seed, kind)
    box = Box(np.array([-1.0, -0.7, -0.33]), np.array([0.9, 0.6, 0.8]))
    lattice = Lattice.over(box, 53, BLOCK)
    sampler = Sampler(field, lattice, closed)
    blocks = certified_cells(field, lattice, BLOCK, closed)
    grid = certified_grid(sampler, blocks)
    nodes, values = dense_values(field, lattice, closed)
    stored = grid.values[grid.addresses(nodes)]
    known = ~np.isnan(stored)
    np.testing.assert_array_equal(stored[known] >= 0, values[known] >= 0)
    evaluated = known & (np.abs(stored) != PROVEN)
    np.testing.assert_allclose(stored[evaluated], values[evaluated], atol=1e-6)
    # Cells that nobody looked at are on one side; and where the surface crosses, both ends have values.
    index = np.arange(len(nodes)).reshape(lattice.cells + 1)
    for axis in range(3):
        one = np.moveaxis(index, axis, 0)
        a, b = one[:-1].ravel(), one[1:].ravel()
        crossed = (values[a] >= 0) != (values[b] >= 0)
        assert evaluated[a[crossed]].all()
        assert evaluated[b[crossed]].all()


@pytest.mark.parametrize("resolution", [37, 64])
@pytest.mark.parametrize("kind", ["relu", "elu", "sine"])
def test_the_mesh_is_that_of_the_dense_grid(resolution, kind):
    field = network(3, kind)
    dense = extract_mesh(field, BOX, resolution=resolution, coarse=resolution, normals="faces")
    mesh = extract_certified(field, BOX, resolution=resolution, normals="faces")
    assert check_mesh(mesh).is_sound
    assert len(mesh.faces) == len(dense.faces)
    np.testing.assert_allclose(sorted_rows(mesh.vertices), sorted_rows(dense.vertices), atol=1e-6)


BIG = ((0.1, 0.0, -0.05), 0.45)


@pytest.mark.parametrize("place", [0.515, 0.77, 0.93])
def test_a_bump_between_all_samples_is_found(place):
    """Smaller than a coarse cell and a spike in a field that is constant around it: nothing hints at it."""
    resolution, centre = 128, (-place, place - 0.02, place + 0.007)
    field = octahedra(BIG, (centre, 2.2 / 128 * 1.5))
    sampled = extract_mesh(field, BOX, resolution=resolution, coarse=16)
    assert check_mesh(sampled).components == 1
    mesh = extract_certified(field, BOX, resolution=resolution)
    checks = check_mesh(mesh)
    assert checks.is_sound
    assert (checks.components, checks.euler) == (2, 4)
    assert np.abs(mesh.vertices - centre).max(axis=1).min() < 2.2 / 128 * 1.5


def test_many_specks_are_all_found():
    rng = np.random.default_rng(0)
    centres = rng.uniform(-0.9, 0.9, (15, 3))
    field = octahedra(*[(tuple(map(float, c)), 3.2 / 128) for c in centres])
    assert check_mesh(extract_certified(field, BOX, resolution=128)).components == 15


def test_far_fewer_points_are_evaluated_than_the_grid_has():
    field = octahedra(BIG)
    lattice = Lattice.over(BOX, 128, BLOCK)
    sampler = Sampler(field, lattice, True)
    blocks = certified_cells(field, lattice, BLOCK)
    certified_grid(sampler, blocks)
    assert sampler.count < 0.04 * 129**3
    assert blocks.bounded < 0.5 * 32**3


def test_what_is_inside_at_the_border_is_capped():
    field = BoundMlp([Affine(torch.zeros(3, 1), torch.tensor([0.5]))])
    checks = check_mesh(extract_certified(field, BOX, resolution=24, normals="faces"))
    assert checks.is_sound
    assert checks.volume == pytest.approx(8, rel=0.03)
    with pytest.raises(InputError, match="is inside"):
        extract_certified(field, BOX, resolution=24, closed=False)


def test_emptiness_is_told_as_proven():
    field = BoundMlp([Affine(torch.tensor([[1.0], [0.0], [0.0]]), torch.tensor([-3.0]))])
    with pytest.raises(InputError, match=r"prove that the whole box .* is outside"):
        extract_certified(field, BOX, resolution=64)


def test_a_part_without_a_node_is_told_as_unseen():
    """The bounds see it, the grid does not."""
    field = octahedra(((0.013, 0.013, 0.013), 0.003))
    with pytest.raises(InputError, match="never crosses zero"):
        extract_certified(field, BOX, resolution=40)


def test_the_same_bytes_twice_and_progress_to_one():
    told = []
    field = network(5, "relu")
    one = extract_certified(field, BOX, resolution=64, progress=lambda stage, share: told.append(share))
    two = extract_certified(field, BOX, resolution=64)
    assert one.vertices.tobytes() == two.vertices.tobytes()
    assert one.normals.tobytes() == two.normals.tobytes()
    assert told == sorted(told)
    assert told[-1] == 1.0
