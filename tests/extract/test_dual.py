"""Dual contouring: sharp edges stay sharp, and every mesh is closed, 2-manifold and oriented."""

import numpy as np
import pytest
import torch

from isofield.extract.cases import EDGES, FACES, cases, loops_of
from isofield.extract.dual import _EDGES_OF_FACE, dual
from isofield.extract.lattice import Lattice
from isofield.extract.marching import march
from isofield.extract.mise import bricks_of
from isofield.extract.project import place_vertices
from isofield.extract.quadric import gradients_at, placed
from isofield.extract.refine import refine
from isofield.extract.sampler import Sampler
from isofield.geometry import Box, Mesh
from isofield.geometry.mesh_checks import check_mesh

BOX = Box.cube(1.1)
TURN = torch.linalg.qr(torch.tensor([[1.0, 0.3, -0.2], [0.2, 1.0, 0.5], [-0.4, 0.1, 1.0]]))[0]


def cube(p, half=0.3):
    """The distance inside and outside a turned cube; no two faces look along an axis of the grid."""
    gap = (p @ TURN).abs() - half
    return -(gap.clamp(min=0).norm(dim=1) + gap.amax(dim=1).clamp(max=0))


def carved(p):
    """A cube less a ball: edges between planes, and curved ones that run inwards."""
    ball = 0.25 - (p @ TURN - torch.tensor([0.3, 0.3, 0.3])).norm(dim=1)
    return torch.minimum(cube(p), -ball)


def sphere(p):
    return 0.4 - p.norm(dim=1)


def torus(p):
    return 0.12 - ((p[:, :2].norm(dim=1) - 0.3) ** 2 + p[:, 2] ** 2).sqrt()


def both(field, resolution=64, closed=True, steps=3):
    """Marching cubes and its dual on the same grid."""
    sampler = Sampler(field, Lattice.over(BOX, resolution, 1), closed)
    grid = refine(sampler, 1)
    surface = march(grid)
    return Mesh(place_vertices(surface, sampler, steps), surface.faces), dual(grid, sampler, steps)


def deviations(mesh, field):
    """Distances from the surface at points of the faces, in cells of 64."""
    weights = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [2, 0, 0]], float)
    weights /= weights.sum(axis=1, keepdims=True)
    points = np.einsum("kc,fcx->fkx", weights, mesh.vertices[mesh.faces]).reshape(-1, 3)
    return field(torch.as_tensor(points, dtype=torch.float32)).abs().numpy() / (1.1 / 64)


def tangled(kind, seed, n=9):
    """Values without any smoothness, outside all around."""
    random = np.random.default_rng(seed)
    values = {
        "noise": lambda: random.standard_normal((n + 1,) * 3),
        "signs": lambda: random.choice([-1.0, 1.0], (n + 1,) * 3),
        "integers": lambda: random.integers(-1, 2, (n + 1,) * 3),
        "chequered": lambda: (-1.0) ** np.indices((n + 1,) * 3).sum(axis=0) * random.random((n + 1,) * 3),
    }[kind]()
    values = np.asarray(values, np.float32)
    for axis in range(3):
        np.moveaxis(values, axis, 0)[[0, -1]] = -1
    return values


def dual_of(values):
    grid = bricks_of(values)
    sampler = Sampler(lambda p: p[:, 0], Lattice(BOX, np.array(values.shape) - 1), closed=False)
    return dual(grid, sampler, 0)


@pytest.mark.parametrize("kind", ["noise", "signs", "integers", "chequered"])
def test_random_values_are_closed_and_manifold(kind):
    for seed in range(15):
        checks = check_mesh(dual_of(tangled(kind, seed)))
        assert checks.is_closed, checks
        assert checks.is_manifold, checks
        assert not checks.duplicate_faces
        assert not checks.unused_vertices


def test_every_pair_of_cells_is_manifold():
    """All signs of two neighbouring cells at once, in a block of 5 x 4 x 4 nodes each."""
    signs = np.where(np.arange(1 << 12)[:, None] >> np.arange(12) & 1, 1, -1).reshape(16, 16, 16, 3, 2, 2)
    blocks = np.full((16, 16, 16, 5, 4, 4), -1, np.float32)
    blocks[..., 1:4, 1:3, 1:3] = signs
    blocks *= np.random.default_rng(0).uniform(0.5, 1, blocks.shape).astype(np.float32)
    checks = check_mesh(dual_of(blocks.transpose(0, 3, 1, 4, 2, 5).reshape(80, 64, 64)))
    assert checks.is_closed
    assert checks.is_manifold
    assert checks.components >= 4095


def test_turning_a_face_over_splits_a_loop_that_passes_it_twice():
    """What the termination of the splitting stands on, for all cases and faces."""
    turned = 0
    for case, ambiguous in enumerate(cases().ambiguous.tolist()):
        for joined in (j for j in range(64) if not j & ~ambiguous):
            for face in (f for f in range(6) if ambiguous >> f & 1):
                before, after = loops_of(case, joined), loops_of(case, joined ^ 1 << face)
                if any(set(_EDGES_OF_FACE[face]) <= set(loop) for loop in before):
                    turned += 1
                    assert len(after) == len(before) + 1
                    assert not any(set(_EDGES_OF_FACE[face]) <= set(loop) for loop in after)
    assert turned > 100
    assert [{EDGES[e][0] for e in ring} | {EDGES[e][1] for e in ring} for ring in _EDGES_OF_FACE] == [
        set(ring) for ring in FACES
    ]


@pytest.mark.parametrize(("field", "euler"), [(cube, 2), (carved, 2), (sphere, 2), (torus, 0)])
def test_topology_is_that_of_marching_cubes(field, euler):
    marched, found = map(check_mesh, both(field))
    assert found.is_sound
    assert found.euler == marched.euler == euler
    assert found.components == marched.components


@pytest.mark.parametrize("field", [cube, carved])
def test_edges_are_sharp(field):
    marched, found = both(field)
    bevelled, sharp = deviations(marched, field), deviations(found, field)
    assert bevelled.max() > 0.5
    assert sharp.max() < 0.2  # in cells that an edge grazes without both planes crossing theirs
    assert np.percentile(sharp, 99) < 0.015 < 0.2 < np.percentile(bevelled, 99)
    assert sharp.mean() < bevelled.mean() / 8


def test_a_cube_keeps_its_volume_and_its_corners():
    marched, found = both(cube)
    assert abs(found.volume() - 0.6**3) < 2e-4 * 0.6**3
    assert abs(marched.volume() - 0.6**3) > 1e-3 * 0.6**3
    corners = 0.3 * np.array(list(np.ndindex(2, 2, 2))) * 2 - 0.3
    turned = corners @ TURN.numpy().T
    nearest = np.linalg.norm(turned[:, None] - found.vertices, axis=2).min(axis=1)
    assert nearest.max() < 0.3 * 1.1 / 64
    assert np.median(nearest) < 0.1 * 1.1 / 64  # exact where all three planes cross the corner's cell
    assert nearest.min() < 1e-5


def test_smooth_surfaces_are_as_good():
    errors = [
        np.abs(np.linalg.norm(both(sphere, resolution)[1].vertices, axis=1) - 0.4).max()
        for resolution in (32, 64)
    ]
    assert errors[1] < 0.03 * 1.1 / 64
    assert errors[0] / errors[1] > 3


def test_vertices_stay_in_their_cells_whatever_the_planes():
    random = np.random.default_rng(1)
    lattice = Lattice(BOX, np.array([8, 8, 8]))
    home = random.integers(0, 8, (200, 3))
    vertex = np.repeat(np.arange(200), 4)
    crossings = lattice.positions(home[vertex]) + random.random((800, 3)) * lattice.step
    normals = random.standard_normal((800, 3)) * (random.random((800, 1)) > 0.2)
    vertices = placed(vertex, crossings, normals, home, lattice)
    assert (vertices >= lattice.positions(home)).all()
    assert (vertices <= lattice.positions(home + 1)).all()


def test_a_place_outside_the_cell_gives_way_to_the_best_one_within():
    """Planes that meet beyond the cell: brought back from there alone, the vertex would lie on neither."""
    lattice = Lattice(Box(np.zeros(3), np.ones(3) * 3), np.array([3, 3, 3]))
    crossings = np.array([[1.5, 1.0, 1.5], [1.5, 1.2, 1.5], [1.9, 1.95, 1.5]])
    normals = np.array([[0.0, 1, 0], [0, 1, 0], [1, 1, 0]])
    found = placed(np.zeros(3, int), crossings, normals, np.ones((1, 3), int), lattice)[0]
    grid = np.stack(np.meshgrid(*[np.linspace(1.001, 1.999, 80)] * 3, indexing="ij"), axis=-1)
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    cost = ((grid[..., None, :] - crossings) * unit).sum(axis=-1) ** 2
    assert (((found - crossings) * unit).sum(axis=1) ** 2).sum() < cost.sum(axis=-1).min() * 1.02


def test_three_planes_meet_where_they_do():
    lattice = Lattice(BOX, np.array([1, 1, 1]))
    point, normals = np.array([0.11, -0.2, 0.33]), np.array([[2.0, 0, 0], [0.1, 1, 0], [0, 0.3, -1]])
    across = np.random.default_rng(2).standard_normal((3, 3))
    across -= (across * normals).sum(1, keepdims=True) / (normals**2).sum(1, keepdims=True) * normals
    found = placed(np.zeros(3, int), point + 0.1 * across, normals, np.zeros((1, 3), int), lattice)
    np.testing.assert_allclose(found[0], point, atol=1e-12)


def test_differences_take_over_where_there_is_no_gradient():
    points = np.random.default_rng(3).uniform(-0.5, 0.5, (100, 3))
    lattice = Lattice(BOX, np.array([64, 64, 64]))

    def numpy_field(p):
        return torch.as_tensor(0.4 - np.linalg.norm(p.numpy(), axis=1))

    wanted = -points / np.linalg.norm(points, axis=1, keepdims=True)
    for field, close in ((sphere, 1e-6), (numpy_field, 2e-3), (lambda p: sphere(p.detach()), 2e-3)):
        found = gradients_at(points, Sampler(field, lattice, closed=False))
        np.testing.assert_allclose(found, wanted, atol=close)


def test_shapes_that_leave_the_box_are_capped_on_its_border_or_end_before_it():
    _, capped = both(lambda p: 0.7 - p.norm(dim=1))
    assert check_mesh(capped).is_sound
    assert np.abs(capped.vertices).max() == pytest.approx(0.55, abs=1e-9)
    _, sheet = both(lambda p: 0.01 - p[:, 2], 40, closed=False)
    checks = check_mesh(sheet)
    assert checks.is_manifold
    assert checks.is_oriented
    assert checks.boundary_edges == 4 * 39
    assert checks.area == pytest.approx((1.1 * 39 / 40) ** 2)
    assert not checks.unused_vertices


def test_the_same_bytes_twice():
    one, two = both(carved)[1], both(carved)[1]
    assert one.vertices.tobytes() == two.vertices.tobytes()
    assert one.faces.tobytes() == two.faces.tobytes()
