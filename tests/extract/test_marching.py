"""Marching cubes: every mesh is closed, 2-manifold and oriented, whatever the values."""

import numpy as np
import pytest
import torch

from isofield.extract import extract_mesh
from isofield.extract.cases import CORNERS, EDGES, FACES, MIDDLE, cases, loops_of
from isofield.geometry import Box, Mesh
from isofield.geometry.mesh_checks import check_mesh

BOX = Box.cube(1.0)


def on_lattice(values):
    """A field that has exactly these values at the nodes of a grid over the box, trilinear between."""
    table = torch.as_tensor(values, dtype=torch.float32)[None, None].permute(0, 1, 4, 3, 2).contiguous()

    def inside(points):
        grid = (2 * points).view(1, -1, 1, 1, 3)
        return torch.nn.functional.grid_sample(
            table, grid, mode="bilinear", align_corners=True, padding_mode="border"
        ).view(-1)

    return inside


def nodewise(values):
    """A field with these values at the nodes, constant around them: no rounding at all."""
    table = torch.as_tensor(np.asarray(values), dtype=torch.float32)
    last = torch.tensor(table.shape) - 1

    def inside(points):
        i, j, k = torch.round((points + 0.5) * last).long().unbind(1)
        return table[i, j, k]

    return inside


def mesh_of(values, **options):
    n = len(values) - 1
    options = {"coarse": min(n, 128), "project": 0, "normals": None} | options
    return extract_mesh(nodewise(values), BOX, resolution=n, **options)


def assert_sound(mesh: Mesh):
    checks = check_mesh(mesh)
    assert checks.is_sound, checks
    assert not checks.unused_vertices
    assert not checks.degenerate_faces
    assert len(np.unique(np.sort(mesh.faces, axis=1), axis=0)) == len(mesh.faces)
    return checks


def random_values(kind: str, seed: int, n: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "noise":
        return rng.standard_normal((n + 1,) * 3)
    if kind == "signs":
        return rng.choice([-1.0, 1.0], (n + 1,) * 3)
    if kind == "integers":
        return rng.integers(-1, 2, (n + 1,) * 3)
    if kind == "tiny":
        return rng.choice([-1e-38, 1e-38, -1.0, 1.0, 0.0], (n + 1,) * 3)
    waves, phase = rng.normal(0, 9, (6, 3)), rng.uniform(0, 6, 6)
    nodes = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, n + 1)] * 3, indexing="ij"), -1)
    return np.cos(nodes @ waves.T + phase).sum(-1)


@pytest.mark.parametrize("kind", ["noise", "signs", "integers", "tiny", "waves"])
def test_five_hundred_random_fields_are_sound(kind):
    for seed in range(100):
        assert_sound(mesh_of(random_values(kind, seed, n=6 + seed % 5)))


@pytest.mark.parametrize("kind", ["noise", "integers", "waves"])
def test_projected_vertices_stay_sound(kind):
    for seed in range(5):
        values = random_values(kind, seed)
        assert_sound(extract_mesh(on_lattice(values), BOX, resolution=9, coarse=9, project=3))


def test_every_sign_pattern_of_one_cell_is_sound():
    for case in range(1, 256):
        values = -np.ones((4, 4, 4))
        values[1:3, 1:3, 1:3] = 2.0 * np.array([case >> k & 1 for k in range(8)]).reshape(2, 2, 2) - 1
        assert_sound(mesh_of(values))
        assert_sound(mesh_of(np.where(values == -1, -3, values)))


def test_zeros_on_nodes_make_no_holes():
    axis = np.arange(-4, 5)
    distance = np.abs(axis[:, None, None]) + np.abs(axis[:, None]) + np.abs(axis)
    for radius in (1, 2, 3):  # values are exactly zero on a whole octahedron of nodes
        checks = assert_sound(mesh_of(radius - distance))
        assert checks.euler == 2
    plane = np.tile(-axis[:, None, None], (1, 9, 9))
    assert assert_sound(mesh_of(plane)).euler == 2


def test_zero_counts_as_inside():
    values = -np.ones((5, 5, 5))
    values[2, 2, 2] = 0
    checks = assert_sound(mesh_of(values))
    assert (checks.vertices, checks.faces) == (6, 8)
    values[2, 2, 2] = -0.0
    assert assert_sound(mesh_of(values)).vertices == 6


def test_faces_draw_the_same_segments_from_both_sides():
    """Mirroring a cell keeps the edges that a face connects and reverses their direction."""
    for f in range(0, 6, 2):
        axis = f // 2
        this, that = FACES[f + 1], FACES[f]
        assert {k ^ 1 << axis for k in this} == set(that)
        mirror = {
            e: next(
                i for i, other in enumerate(EDGES) if {other[0], other[1]} == {a ^ 1 << axis, b ^ 1 << axis}
            )
            for e, (a, b, _) in enumerate(EDGES)
            if {a, b} <= set(this)
        }
        for signs in range(16):
            case = sum(1 << k for bit, k in enumerate(this) if signs >> bit & 1)
            mirrored = sum(1 << (k ^ 1 << axis) for k in this if case >> k & 1)
            for join in (0, 63):
                here = _segments_on(case, join, set(mirror))
                there = _segments_on(mirrored, join, set(mirror.values()))
                assert {(mirror[b], mirror[a]) for a, b in here} == there


def _segments_on(case, joined, edges):
    from isofield.extract.cases import _segments

    return {s for ring in FACES for s in _segments(case, ring, bool(joined)) if set(s) <= edges}


def test_loops_cover_each_crossed_edge_once():
    for case in range(256):
        crossed = {e for e, (a, b, _) in enumerate(EDGES) if (case >> a & 1) != (case >> b & 1)}
        for joined in (0, 63, 21):
            loops = loops_of(case, joined)
            flat = [e for loop in loops for e in loop]
            assert len(flat) == len(set(flat))
            assert set(flat) == crossed
            assert all(len(loop) >= 3 for loop in loops)


def test_no_diagonal_lies_on_a_face_of_the_cell():
    """Otherwise the neighbour could draw the same one, and four triangles would meet there."""
    table = cases()
    faces_of = [{f for f, ring in enumerate(FACES) if {a, b} <= set(ring)} for a, b, _ in EDGES]
    for case in range(256):
        for joined in range(64):
            if joined & ~table.ambiguous[case]:
                continue
            entry = table.index[case, joined]
            triangles = table.triangles[table.first_triangle[entry] : table.first_triangle[entry + 1]]
            segments = {
                (a, b)
                for loop in loops_of(case, joined)
                for a, b in zip(loop, loop[1:] + loop[:1], strict=True)
            }
            for triangle in triangles:
                for a, b in zip(triangle, np.roll(triangle, -1), strict=True):
                    if max(a, b) < MIDDLE and (a, b) not in segments:
                        assert not faces_of[a] & faces_of[b]


def test_faces_join_their_inside_corners_by_the_asymptotic_decider():
    values = -np.ones((5, 5, 5))
    values[2, 1, 2] = values[2, 2, 1] = 1
    apart = values.copy()
    values[2, 1, 2] = values[2, 2, 1] = 4
    assert check_mesh(mesh_of(apart)).components == 2
    assert check_mesh(mesh_of(values)).components == 1


def test_triangles_look_out_of_every_single_corner():
    for k, corner in enumerate(CORNERS):
        values = -np.ones((4, 4, 4))
        values[tuple(corner + 1)] = 1
        mesh = mesh_of(values)
        centre = (corner + 1) / 3 - 0.5
        middles = mesh.vertices[mesh.faces].mean(axis=1)
        assert ((middles - centre) * mesh.face_normals()).sum(axis=1).min() > 0, k


def test_the_same_bytes_twice():
    values = random_values("waves", 3)
    one, two = mesh_of(values, project=2, normals="field"), mesh_of(values, project=2, normals="field")
    assert one.vertices.tobytes() == two.vertices.tobytes()
    assert one.faces.tobytes() == two.faces.tobytes()
    assert one.normals.tobytes() == two.normals.tobytes()
