"""The evaluation of Occupancy Networks beside plain versions of what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from isofield.geometry import Mesh
from isofield.geometry.winding import occupancies
from isofield.metrics import Truth, parity
from isofield.metrics.occupancy_networks import measure_as_onet, resampled_voxels, voxel_centres
from isofield.metrics.parity import inside_by_parity


def ball(radius=0.5, subdivisions=3, centre=(0.0, 0.0, 0.0)):
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions, radius)
    return Mesh(np.asarray(sphere.vertices) + centre, np.asarray(sphere.faces, np.int64))


def plain_parity(mesh, points):
    """One point and one triangle at a time."""
    result = []
    for point in points:
        above = below = 0
        for a, b, c in mesh.vertices[mesh.faces]:
            edges = np.array([b[:2] - a[:2], c[:2] - a[:2]]).T
            if np.linalg.det(edges) == 0:
                continue
            u, v = np.linalg.solve(edges, point[:2] - a[:2])
            if u > 0 and v > 0 and u + v < 1:
                height = a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2])
                above, below = above + (height > point[2]), below + (height < point[2])
        result.append(above % 2 == 1 and below % 2 == 1)
    return np.array(result)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), faces=st.integers(1, 12))
def test_parity_of_any_triangles_is_the_plain_count(seed, faces):
    draw = np.random.default_rng(seed)
    mesh = Mesh(draw.uniform(-1, 1, (3 * faces, 3)), np.arange(3 * faces).reshape(-1, 3))
    points = draw.uniform(-1, 1, (60, 3))
    assert (inside_by_parity(mesh, points) == plain_parity(mesh, points)).all()


def test_parity_in_small_parts_is_the_same(monkeypatch):
    mesh, points = ball(), np.random.default_rng(0).uniform(-0.55, 0.55, (3000, 3))
    whole = inside_by_parity(mesh, points)
    monkeypatch.setattr(parity, "PAIRS", 700)
    assert (inside_by_parity(mesh, points) == whole).all()
    assert (whole == occupancies(mesh, points)).all()


def test_where_solids_overlap_parity_says_outside():
    one, two = ball(0.3, centre=(0.1, 0, 0)), ball(0.3, centre=(-0.1, 0, 0))
    both = Mesh(
        np.vstack([one.vertices, two.vertices]), np.vstack([one.faces, two.faces + len(one.vertices)])
    )
    assert inside_by_parity(both, np.array([[0.011, 0.007, 0.003], [0.311, 0.007, 0.003]])).tolist() == [
        False,
        True,
    ]


def test_no_faces_or_no_points_are_inside_nowhere():
    assert not inside_by_parity(Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64)), np.zeros((4, 3))).any()
    assert inside_by_parity(ball(), np.zeros((0, 3))).shape == (0,)


def test_measures_are_those_of_the_paper():
    truth, _ = Truth.of(ball(0.5), count=3000)
    predicted = ball(0.45, centre=(0.01, 0, 0))
    row = measure_as_onet(predicted, truth, 3000)
    from isofield.metrics import Samples

    made = Samples.of(predicted, 4, 3000)
    accuracy, to = cKDTree(truth.samples.points).query(made.points)
    completeness, of = cKDTree(made.points).query(truth.samples.points)
    inside = plain_parity(predicted, truth.points[:20])
    assert (inside == inside_by_parity(predicted, truth.points[:20])).all()
    assert row["chamfer_l1"] == pytest.approx(0.5 * (accuracy.mean() + completeness.mean()))
    assert row["chamfer_l1_x10"] == pytest.approx(10 * row["chamfer_l1"])
    assert row["chamfer_l2"] == pytest.approx(0.5 * ((accuracy**2).mean() + (completeness**2).mean()))
    dots = [np.abs((made.normals * truth.samples.normals[to]).sum(1)).mean(),
            np.abs((truth.samples.normals * made.normals[of]).sum(1)).mean()]  # fmt: skip
    assert row["normal_consistency"] == pytest.approx(np.mean(dots))
    assert row["iou"] == pytest.approx(0.9**3, abs=0.03)
    assert set(row) == {"iou", "chamfer_l1", "chamfer_l1_x10", "chamfer_l2", "accuracy", "completeness",
                        "normal_consistency"}  # fmt: skip


def test_an_empty_mesh_has_the_values_of_the_official_code():
    truth, _ = Truth.of(ball(0.5), count=100)
    row = measure_as_onet(Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64)), truth)
    assert row == {"iou": 0, "accuracy": 3**0.5, "completeness": 3**0.5, "normal_consistency": -1}


def test_voxels_are_asked_at_their_centres():
    centres = voxel_centres()
    assert (centres[0], centres[1], centres[-1]) == (
        pytest.approx([-0.5 + 1 / 64] * 3), pytest.approx([-0.5 + 1 / 64] * 2 + [-0.5 + 3 / 64]),
        pytest.approx([0.5 - 1 / 64] * 3),
    )  # fmt: skip
    points = np.random.default_rng(0).uniform(-0.55, 0.55, (500, 3))
    inside = points[:, 0] > 0.1
    found = resampled_voxels(points, inside, 8)
    plain = [inside[np.square(points - c).sum(1).argmin()] for c in voxel_centres(8)]
    assert found.reshape(-1).tolist() == plain
