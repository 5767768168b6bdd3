"""The original algorithm of Occupancy Networks against a plain rendering of its rules."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.extract.mise import extract_mise, mesh_of, mise
from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh

BOX = Box.cube(1.1)


def plain(field: np.ndarray, resolution0: int, steps: int, level: float) -> tuple[list[set], np.ndarray]:
    """Queries per round and the completed grid, one voxel and one node at a time."""
    side = resolution0 << steps
    leaves = {(0, *v) for v in product(range(resolution0), repeat=3)}
    fresh = {tuple((1 << steps) * i for i in v) for v in product(range(resolution0 + 1), repeat=3)}
    known: set = set()
    rounds = []
    while fresh:
        rounds.append(fresh)
        known |= fresh
        fresh = set()
        marks: dict = {}
        for node in known:
            for offset in product((-1, 0), repeat=3):
                cell = tuple(np.add(node, offset))
                if min(cell) < 0 or max(cell) >= side:
                    continue
                for depth in range(steps + 1):
                    leaf = (depth, *(c >> (steps - depth) for c in cell))
                    if leaf in leaves:
                        marks.setdefault(leaf, set()).update(
                            {field[node] >= level and "+", field[node] <= level and "-"} - {False}
                        )
        for leaf in [leaf for leaf, seen in marks.items() if len(seen) == 2 and leaf[0] < steps]:
            leaves.remove(leaf)
            depth, *place = leaf
            half = 1 << (steps - depth - 1)
            for child in product((0, 1), repeat=3):
                leaves.add((depth + 1, *(2 * p + c for p, c in zip(place, child, strict=True))))
            for node in product((0, 1, 2), repeat=3):
                fresh.add(tuple(half * (2 * p + c) for p, c in zip(place, node, strict=True)))
        fresh -= known
    dense = np.full((side + 1,) * 3, np.nan)
    for node in known:
        dense[node] = field[node]
    for axis in range(3):
        lines = np.moveaxis(dense, axis, 0)
        for i in range(1, side + 1):
            lines[i] = np.where(np.isnan(lines[i]), lines[i - 1], lines[i])
    return rounds, dense


def random_field(seed: int, side: int) -> np.ndarray:
    """A few waves, rough enough for hanging nodes; some values equal the level exactly."""
    draw = np.random.default_rng(seed)
    axis = np.arange(side + 1) / side
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    waves = draw.normal(size=(4, 3)) * 9
    field = sum(np.sin(a * x + b * y + c * z + draw.uniform(0, 6)) for a, b, c in waves)
    return np.round(field + draw.uniform(-2, 1), 1)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([(2, 2), (3, 1), (2, 3), (5, 0)]), st.sampled_from([0.0, -0.5]))
def test_the_rules_one_by_one_give_the_same(seed, sizes, level):
    field = random_field(seed, sizes[0] << sizes[1])
    rounds, dense = plain(field, *sizes, level)
    found = mise(lambda nodes: field[tuple(nodes.T)], *sizes, level)
    assert found.rounds == [len(r) for r in rounds]
    assert {tuple(node) for node in np.argwhere(found.known)} == set().union(*rounds)
    np.testing.assert_array_equal(found.values, dense)


def test_nodes_on_faces_of_coarse_voxels_split_them_in_later_rounds():
    field = random_field(3, 32)
    assert len(mise(lambda nodes: field[tuple(nodes.T)], 8, 2).rounds) > 3


def test_no_node_is_asked_twice():
    asked = []

    def values(nodes):
        asked.append(nodes)
        return 0.3 - np.linalg.norm(nodes / 32 - 0.5, axis=1)

    found = mise(values, 8, 2)
    nodes = np.concatenate(asked)
    assert len(np.unique(nodes, axis=0)) == len(nodes) == found.known.sum() == sum(found.rounds)


def sphere(p: torch.Tensor) -> torch.Tensor:
    return 0.4 - p.norm(dim=1)


def two_balls(p: torch.Tensor) -> torch.Tensor:
    other = 0.1 - (p - torch.tensor([0.38, 0.3, 0.2])).norm(dim=1)
    return torch.maximum(0.25 - (p + 0.1).norm(dim=1), other)


@pytest.mark.parametrize("inside", [sphere, two_balls])
def test_its_mesh_is_that_of_the_default_extraction(inside):
    mesh, grid = extract_mise(inside, BOX, 16, 2)
    ours = extract_mesh(inside, BOX, resolution=64, project=0, normals=None)
    assert check_mesh(mesh).is_sound
    assert len(mesh.faces) == len(ours.faces)
    theirs, mine = (m.vertices[np.lexsort(np.round(m.vertices, 6).T)] for m in (mesh, ours))
    np.testing.assert_allclose(theirs, mine, atol=1e-6)
    assert grid.known.mean() < 0.25


def test_vertices_are_where_linear_interpolation_of_the_logit_puts_them():
    level = float(np.log(0.2 / 0.8))
    mesh, grid = extract_mise(lambda p: 12 * sphere(p), BOX, 16, 1, level)
    places = (mesh.vertices / 1.1 + 0.5) * 32
    low = np.floor(places + 1e-9).astype(int)
    share = places - low
    assert ((np.abs(share) > 1e-6).sum(axis=1) <= 1).all()
    high = low + (np.abs(share) > 1e-6)
    share = share.max(axis=1)
    values = (1 - share) * grid.values[tuple(low.T)] + share * grid.values[tuple(high.T)]
    # Ends of edges are kept a thousandth away, hence not exactly the level everywhere.
    np.testing.assert_allclose(values, level, atol=12 * 1.1 / 32 * 1e-3)


def test_shapes_that_leave_the_box_are_capped_just_beyond_it():
    mesh, _ = extract_mise(lambda p: 0.8 - p.norm(dim=1), BOX, 8, 1)
    assert check_mesh(mesh).is_sound
    reach = np.abs(mesh.vertices).max()
    assert 0.55 < reach < 0.55 + 2e-3 * 1.1 / 16


def test_without_steps_the_grid_has_as_many_nodes_as_asked():
    _, grid = extract_mise(sphere, BOX, 20, 0)
    assert grid.values.shape == (20, 20, 20)
    assert grid.known.all()
    assert grid.rounds == [8000]


def test_positions_are_those_of_float32():
    seen = []

    def inside(p):
        seen.append(p.clone())
        return sphere(p)

    extract_mise(inside, BOX, 4, 0)
    axis = (1.1 * (np.arange(4) / 3 - 0.5)).astype(np.float32)
    np.testing.assert_allclose(np.unique(torch.cat(seen)[:, 0]), axis, rtol=1e-6)


def test_a_dense_grid_of_any_box_is_meshed():
    box = Box(np.array([0.0, -1.0, 2.0]), np.array([1.0, 1.0, 5.0]))
    axes = [np.linspace(-1, 1, n) for n in (9, 17, 25)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    mesh = mesh_of(0.8 - np.sqrt(x**2 + y**2 + z**2), box)
    assert check_mesh(mesh).is_sound
    np.testing.assert_allclose(mesh.vertices.min(axis=0), box.centre - 0.4 * box.extent, atol=0.02)


def test_no_surface_is_said_in_one_sentence():
    with pytest.raises(InputError, match=r"never crosses zero.*everything is outside"):
        extract_mise(lambda p: sphere(p) - 1, BOX, 8, 1)
    with pytest.raises(InputError, match="not finite"):
        extract_mise(lambda p: sphere(p).sqrt(), BOX, 8, 1)
    with pytest.raises(ValueError, match="at least 2 cells"):
        extract_mise(sphere, BOX, 1, 1)
