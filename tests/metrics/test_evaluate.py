"""The measures against closed forms and against the protocol, written out plainly."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from isofield.geometry import Mesh
from isofield.metrics import (
    Nearest,
    Samples,
    Truth,
    chamfer,
    fscores,
    iou,
    measure,
    normal_consistency,
    to_triangles,
)


def ball(radius=0.5, subdivisions=4, centre=(0.0, 0.0, 0.0)):
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions, radius)
    return Mesh(np.asarray(sphere.vertices) + centre, np.asarray(sphere.faces, np.int64))


def protocol(predicted, truth, count):
    """The measures of the protocol, line by line as it states them; both meshes in the unit box."""
    import igl

    def sample(mesh, seed):
        g = np.random.default_rng(seed)
        t = mesh.vertices[mesh.faces]
        c = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
        a = np.linalg.norm(c, axis=1)
        i = np.minimum(np.searchsorted(np.cumsum(a) / a.sum(), g.random(count)), len(a) - 1)
        r1, r2 = np.sqrt(g.random(count)), g.random(count)
        w = np.stack([1 - r1, r1 * (1 - r2), r1 * r2], 1)
        return (t[i] * w[:, :, None]).sum(1), c[i] / a[i][:, None]

    (tp, tn), (pp, pn) = sample(truth, 3), sample(predicted, 4)
    q = np.random.default_rng(5).uniform(-0.55, 0.55, (count, 3))
    a = igl.fast_winding_number(truth.vertices, truth.faces, q) > 0.5
    b = igl.fast_winding_number(predicted.vertices, predicted.faces, q) > 0.5
    acc, ia = cKDTree(tp).query(pp)
    com, ic = cKDTree(pp).query(tp)
    out = {
        "iou": (a & b).sum() / (a | b).sum(),
        "chamfer_l1": (acc.mean() + com.mean()) / 2,
        "accuracy": acc.mean(),
        "completeness": com.mean(),
        "hausdorff95": max(np.percentile(acc, 95), np.percentile(com, 95)),
        "normal_consistency": (np.abs((pn * tn[ia]).sum(1)).mean() + np.abs((tn * pn[ic]).sum(1)).mean()) / 2,
    }
    for d in (0.01, 0.005):
        p, r = (acc < d).mean(), (com < d).mean()
        out[f"fscore_{d:g}"] = 2 * p * r / max(p + r, 1e-12)
    return out


def test_agrees_with_the_protocol():
    truth, predicted = ball(0.5), ball(0.47, 3, (0.01, 0.0, 0.02))
    known, unit = Truth.of(truth, count=5000)
    assert unit.scale == pytest.approx(1, abs=1e-9)
    row = measure(predicted, known, count=5000)
    for name, value in protocol(predicted, known.mesh, 5000).items():
        assert row[name] == pytest.approx(value, abs=1e-12), name


def test_a_shell_has_the_distances_and_overlap_of_its_formula():
    known, _ = Truth.of(ball(0.5, 5), count=20_000)
    row = measure(ball(0.45, 5), known, count=20_000)
    assert row["iou"] == pytest.approx(0.9**3, abs=0.01)
    assert row["accuracy_to_triangles_mean"] == pytest.approx(0.05, abs=5e-4)
    assert row["accuracy_to_triangles_max"] == pytest.approx(0.05, abs=1e-3)
    assert row["completeness_to_triangles_p95"] == pytest.approx(0.05, abs=1e-3)
    assert row["chamfer_l1"] == pytest.approx(0.05, abs=1e-3)
    assert row["chamfer_l1_x10"] == pytest.approx(10 * row["chamfer_l1"])
    assert row["chamfer_l2"] == pytest.approx(0.05**2, rel=0.03)
    assert row["fscore_0.02"] == 0
    assert row["normal_consistency"] > 0.99
    assert row["closed"]
    assert row["manifold"]


def test_the_truth_itself_is_perfect_up_to_sampling():
    mesh = ball(0.5)
    known, _ = Truth.of(mesh, count=5000)
    row = measure(mesh, known, count=5000)
    assert row["iou"] == 1
    assert row["accuracy_to_triangles_max"] < 1e-7
    assert row["completeness_to_triangles_max"] < 1e-7
    assert row["chamfer_l1"] > 1e-3  # what triangle distances are for


def test_the_frame_of_the_truth_is_found_from_its_box():
    moved = ball(0.5)
    moved = Mesh(moved.vertices * 40 + [3.0, -5.0, 100.0], moved.faces)
    known, unit = Truth.of(moved, count=1000)
    assert known.mesh is not None
    assert np.allclose(unit.apply(moved.vertices), known.mesh.vertices)
    assert np.allclose(np.ptp(known.mesh.vertices, axis=0).max(), 1)
    assert unit.scale == pytest.approx(1 / 40, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [([], [], 1.0), ([0], [0], 1.0), ([1], [0], 0.0), ([0], [1], 0.0), ([1, 1, 0], [1, 0, 1], 1 / 3)],
)
def test_iou_of_small_sets(a, b, value):
    assert iou(np.array(a, bool), np.array(b, bool)) == pytest.approx(value)


def test_means_are_of_distances_not_of_squares():
    up = np.array([[0.0, 0, 1]])
    near = Nearest.between(Samples(np.zeros((1, 3)), up), Samples(np.array([[0.0, 0, 0.3]]), -up))
    assert chamfer(near) == pytest.approx(
        {"chamfer_l1": 0.3, "chamfer_l1_x10": 3.0, "chamfer_l2": 0.09, "accuracy": 0.3, "completeness": 0.3}
    )
    assert normal_consistency(near) == pytest.approx(1)  # the sign of a normal doesn't matter
    assert fscores(near, (0.2, 0.4)) == {"fscore_0.2": 0.0, "fscore_0.4": 1.0}


def test_without_normals_their_consistency_is_unknown():
    cloud = Samples(np.random.default_rng(0).random((10, 3)), None)
    assert np.isnan(normal_consistency(Nearest.between(cloud, cloud)))


def test_distance_to_a_triangle_is_not_that_to_its_corners():
    triangle = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    points = np.array([[0.25, 0.25, 2.0], [-3.0, 0, 0], [1, 1, 0]])
    assert to_triangles(points, triangle) == pytest.approx([2, 3, np.sqrt(0.5)])


@pytest.mark.parametrize("faces", [np.zeros((0, 3), np.int64), np.array([[0, 1, 1]])])
def test_a_mesh_without_area_is_refused(faces):
    known, _ = Truth.of(ball(), count=100)
    with pytest.raises(ValueError, match="area"):
        measure(Mesh(np.random.default_rng(0).random((3, 3)), faces), known, count=100)
