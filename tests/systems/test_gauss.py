"""Reconstruction of shapes whose inside is a formula."""

import numpy as np
import pytest

from isofield.extract import extract_mesh
from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import PointCloud
from isofield.ops.query import query
from isofield.scene import Scene
from isofield.systems.gauss import Gauss, GaussConfig

DRAW = np.random.default_rng


def ball(p: np.ndarray) -> np.ndarray:
    return 1 - np.linalg.norm(p, axis=1)


def ring(p: np.ndarray) -> np.ndarray:
    return 0.35 - np.hypot(np.linalg.norm(p[:, :2], axis=1) - 0.8, p[:, 2])


def capsule(p: np.ndarray) -> np.ndarray:
    along = np.clip(p[:, 0], -1, 1)
    return 0.25 - np.linalg.norm(p - np.c_[along, 0 * along, 0 * along], axis=1)


def pair(p: np.ndarray) -> np.ndarray:
    """Two balls with a gap of a fifth of their radius."""
    mirrored = np.c_[np.abs(p[:, :1]), p[:, 1:]]
    return 0.5 - np.linalg.norm(mirrored - [0.55, 0, 0], axis=1)


def on_surface(inside, n: int, noise: float) -> np.ndarray:
    """Random places led down the distance to the surface, then noise; the formulas are distances."""
    p = DRAW(0).uniform(-1.4, 1.4, (60 * n, 3))
    p = p[np.abs(inside(p)) < 0.08][:n]
    for _ in range(3):
        slope = np.stack([(inside(p + 1e-5 * e) - inside(p - 1e-5 * e)) / 2e-5 for e in np.eye(3)], axis=1)
        p = p - inside(p)[:, None] * slope
    return p + noise * DRAW(1).normal(size=p.shape)


def reconstruct(cloud: PointCloud) -> tuple[Scene, Mesh]:
    scene = Gauss(GaussConfig()).reconstruct(cloud)
    mesh = extract_mesh(scene.inside, scene.box, resolution=scene.resolution, colour=scene.colour)
    return scene, mesh.transformed(scene.world_from_scene)


@pytest.mark.parametrize(
    ("inside", "bar"),
    [(ball, 0.985), (ring, 0.95), (capsule, 0.93), (pair, 0.96)],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_noisy_shapes_are_met(inside, bar):
    scene, mesh = reconstruct(PointCloud(on_surface(inside, 2000, 0.01)))
    places = DRAW(2).uniform(-1.5, 1.5, (40_000, 3))
    found = query(scene.inside, scene.world_from_scene.inverse().apply(places)) > 0
    true = inside(places) > 0
    iou = (found & true).sum() / (found | true).sum()
    assert iou > bar
    checks = check_mesh(mesh)
    assert checks.is_sound
    assert checks.components == (2 if inside is pair else 1)
    assert checks.genus == (1 if inside is ring else 0)
    assert np.abs(inside(mesh.vertices)).mean() < 0.012


def test_the_same_cloud_gives_the_same_bytes():
    cloud = PointCloud(on_surface(ring, 1500, 0.01))
    (_, one), (_, two) = reconstruct(cloud), reconstruct(cloud)
    assert one.vertices.tobytes() == two.vertices.tobytes()
    assert one.faces.tobytes() == two.faces.tobytes()


def test_colours_are_carried_over():
    points = on_surface(ball, 2000, 0.0)
    _, mesh = reconstruct(PointCloud(points, colours=np.clip((points + 1) / 2, 0, 1)))
    assert mesh.colours is not None
    assert np.abs(mesh.colours - (mesh.vertices + 1) / 2).mean() < 0.03


def test_map_coordinates_keep_their_detail():
    there = np.array([5.1e5, 5.4e6, 300.0])
    points = on_surface(ball, 1500, 0.0)
    _, here = reconstruct(PointCloud(points))
    _, far = reconstruct(PointCloud(points + there))
    assert check_mesh(far).is_sound
    assert np.abs(ball(far.vertices - there)).mean() == pytest.approx(
        np.abs(ball(here.vertices)).mean(), rel=0.05
    )


def test_the_notes_are_plain_values():
    import json

    scene, _ = reconstruct(PointCloud(on_surface(ball, 1000, 0.0)))
    assert json.loads(json.dumps(dict(scene.notes))) == scene.notes
    assert scene.notes["points"] == 1000
