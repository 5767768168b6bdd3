"""Mesh checks find exactly the defect that was made."""

from dataclasses import replace

import numpy as np
import pytest

from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import check_mesh, face_components

OCTAHEDRON = Mesh(
    np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64),
    np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]),
)


def joined(*meshes):
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]),
    )


def moved(mesh, by):
    return replace(mesh, vertices=mesh.vertices + by)


def torus(n=12, m=8):
    """A torus as a periodic grid."""
    i, j = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    u, v = 2 * np.pi * i / n, 2 * np.pi * j / m
    ring = 2 + np.cos(v)
    a, b, c, d = ((i + x) % n * m + (j + y) % m for x, y in ((0, 0), (1, 0), (1, 1), (0, 1)))
    return Mesh(
        np.stack([ring * np.cos(u), ring * np.sin(u), np.sin(v)], 1),
        np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]),
    )


def test_a_sound_mesh():
    checks = check_mesh(OCTAHEDRON)
    assert checks.is_sound
    assert (checks.vertices, checks.faces, checks.edges, checks.components) == (6, 8, 12, 1)
    assert (checks.euler, checks.genus) == (2, 0)
    assert checks.volume == pytest.approx(4 / 3)
    assert checks.area == pytest.approx(4 * np.sqrt(3))


def test_genus_counts_handles_of_all_parts():
    assert check_mesh(torus()).genus == 1
    both = check_mesh(joined(torus(), moved(torus(), [9, 0, 0]), OCTAHEDRON))
    assert (both.components, both.genus, both.euler) == (3, 2, 2)


def test_volume_does_not_depend_on_the_origin():
    far = check_mesh(moved(OCTAHEDRON, [4e6, 5e6, 1e3]))
    assert far.volume == pytest.approx(4 / 3, rel=1e-6)


def test_a_hole():
    checks = check_mesh(OCTAHEDRON.with_faces(np.arange(7)))
    assert checks.boundary_edges == 3
    assert not checks.is_closed
    assert checks.is_manifold
    assert checks.genus is None


def test_inside_out():
    checks = check_mesh(replace(OCTAHEDRON, faces=OCTAHEDRON.faces[:, ::-1].copy()))
    assert checks.is_closed
    assert checks.is_oriented
    assert checks.volume == pytest.approx(-4 / 3)
    assert not checks.is_sound


def test_a_flipped_face():
    faces = OCTAHEDRON.faces.copy()
    faces[0] = faces[0][::-1]
    checks = check_mesh(replace(OCTAHEDRON, faces=faces))
    assert checks.flipped_edges == 3
    assert not checks.is_oriented
    assert not checks.is_closed
    assert checks.is_manifold


def test_two_solids_that_touch_in_a_vertex():
    pair = joined(OCTAHEDRON, moved(OCTAHEDRON, [2, 0, 0]))
    pair.faces[pair.faces == 7] = 0
    checks = check_mesh(pair)
    assert checks.pinched_vertices == 1
    assert checks.unused_vertices == 1
    assert checks.is_closed
    assert not checks.is_manifold
    assert checks.components == 1


def test_two_solids_that_touch_in_an_edge():
    pair = joined(OCTAHEDRON, moved(OCTAHEDRON, [1, 1, 0]))
    for old, new in ((6 + 3, 0), (6 + 1, 2)):  # the second one's edge lies on the first one's
        assert np.allclose(pair.vertices[old], pair.vertices[new])
        pair.faces[pair.faces == old] = new
    checks = check_mesh(pair)
    assert checks.crowded_edges == 1
    assert not checks.is_closed
    assert not checks.is_manifold


def test_a_duplicate_and_degenerate_faces():
    more = np.concatenate([OCTAHEDRON.faces, [[4, 0, 2], [4, 2, 0], [1, 1, 3]]])
    checks = check_mesh(replace(OCTAHEDRON, faces=more))
    assert checks.duplicate_faces == 2
    assert checks.degenerate_faces == 1
    flat = replace(OCTAHEDRON, vertices=OCTAHEDRON.vertices * [1, 1, 0])
    assert check_mesh(flat).degenerate_faces == 0
    assert check_mesh(replace(flat, vertices=flat.vertices * [1, 0, 0])).degenerate_faces == 8


def test_nothing_is_not_closed():
    checks = check_mesh(Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)))
    assert (checks.faces, checks.edges, checks.components, checks.euler) == (0, 0, 0, 0)
    assert not checks.is_closed


def test_components_are_numbered_per_face():
    part = face_components(joined(OCTAHEDRON, torus(), moved(OCTAHEDRON, 9.0)))
    counts = np.unique(part, return_counts=True)[1]
    assert sorted(counts) == [8, 8, 192]
    assert len(set(part[:8])) == 1


def test_agrees_with_trimesh():
    import trimesh

    mesh = torus(40, 30)
    checks, other = check_mesh(mesh), trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert checks.volume == pytest.approx(other.volume)
    assert checks.area == pytest.approx(other.area)
    assert checks.euler == other.euler_number
    assert checks.is_closed == other.is_watertight
