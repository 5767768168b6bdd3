import numpy as np
import pytest
import trimesh
from PIL import Image

from isofield.geometry import Box, Mesh
from isofield.observation import PointCloud
from isofield.report.picture import Look, beads, draw_mesh, draw_points, write_picture

pytest.importorskip("embreex")
SMALL = Look(width=80, height=60, samples=2, sky_rays=2, tilt=0, turn=0, floor=False)


@pytest.fixture(scope="module")
def ball() -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=4)
    vertices = np.array(made.vertices, dtype=float)
    return Mesh(vertices + np.array([100, 0, 0]), np.array(made.faces, dtype=np.int64))


def shown(picture: np.ndarray) -> np.ndarray:
    return (picture < 0.99).any(axis=2)


def test_a_ball_is_a_lit_disc_in_the_middle(ball):
    picture = draw_mesh(ball, SMALL)
    assert picture.shape == (60, 80, 3)
    disc = shown(picture)
    rows, columns = np.nonzero(disc)
    assert rows.mean() == pytest.approx(29.5, abs=0.5)
    assert columns.mean() == pytest.approx(39.5, abs=0.5)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height == pytest.approx(width, abs=1)
    assert disc.sum() == pytest.approx(np.pi / 4 * height * width, rel=0.05)
    assert 0.75 * 60 < height < 60
    # The sun stands above the left shoulder of the camera.
    top_left, bottom_right = picture[15:28, 25:38].mean(), picture[34:47, 43:56].mean()
    assert top_left > bottom_right + 0.1


def test_up_is_up():
    # A red tip on the axis that is said to point up is at the top of the picture.
    for k, up in enumerate("xyz"):
        tip = np.eye(3)[k] * 2.0
        base = np.array([np.roll([0, *corner], k) for corner in ((-1, -1), (1, -1), (0, 1))], dtype=float)
        vertices = np.concatenate([[tip], base])
        colours = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1.0]])
        mesh = Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]), colours=colours)
        picture = draw_mesh(mesh, Look(width=60, height=60, samples=1, sky_rays=2, up=up, floor=False))
        rows = np.nonzero(shown(picture).any(axis=1))[0]
        top, bottom = (picture[r][shown(picture)[r]].mean(axis=0) for r in (rows[2], rows[-3]))
        assert top[0] > top[2]
        assert bottom[2] > bottom[0]


def test_shadow_falls_on_the_floor(ball):
    from dataclasses import replace

    bare = draw_mesh(ball, replace(SMALL, tilt=20))
    floor = draw_mesh(ball, replace(SMALL, tilt=20, floor=True))
    darker = bare.mean(axis=2) - floor.mean(axis=2) > 0.05
    assert darker.mean() > 0.02
    ball_itself = (bare < 0.9).all(axis=2)
    assert (darker & ball_itself).sum() < 0.1 * darker.sum()


def test_the_inside_of_a_surface_is_red():
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0.0]])
    outside = Mesh(square, np.array([[0, 1, 2], [0, 2, 3]]))
    inside = Mesh(square, np.array([[0, 2, 1], [0, 3, 2]]))
    for mesh, reddish in ((outside, False), (inside, True)):
        red, green, _ = draw_mesh(mesh, SMALL)[30, 40]
        assert bool(red > 1.4 * green) is reddish


def test_points_are_beads_in_their_colours():
    cloud = PointCloud(np.array([[0, 0, 0], [4, 0, 0.0]]), colours=np.array([[1, 0, 0], [0, 0, 1.0]]))
    mesh = beads(cloud, 0.5)
    assert np.linalg.norm(mesh.vertices[:12], axis=1) == pytest.approx(0.5)
    assert mesh.volume() == pytest.approx(2 * 2.536 * 0.5**3, rel=1e-3)
    picture = draw_points(cloud, Look(width=80, height=40, samples=1, sky_rays=2, turn=0, floor=False), 0.5)
    left, right = (half[shown(half)].mean(axis=0) for half in (picture[:, :40], picture[:, 40:]))
    assert left[0] > 2 * left[2]
    assert right[2] > 2 * right[0]


def test_the_frame_fits_the_picture_to_another_box(ball):
    from dataclasses import replace

    wide = replace(SMALL, frame=Box(np.array([97.0, -3, -3]), np.array([103.0, 3, 3])))
    assert 0.02 < shown(draw_mesh(ball, wide)).sum() / shown(draw_mesh(ball, SMALL)).sum() < 0.4


def test_png_is_written(tmp_path, ball):
    picture = draw_mesh(ball, SMALL)
    write_picture(tmp_path / "ball.png", picture)
    read = np.asarray(Image.open(tmp_path / "ball.png"), dtype=float) / 255
    assert read == pytest.approx(picture, abs=0.5 / 255 + 1e-9)
    assert (draw_mesh(ball, SMALL) == picture).all()
