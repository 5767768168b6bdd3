"""What is said about photos as a whole: exposure, masks, cameras that were misread."""

from dataclasses import replace

import numpy as np
import pytest

from isofield.data.photo_survey import exposure, readings, survey_photos
from isofield.data.rendered_photos import Tour, photographed_around
from isofield.data.view_frame import frame_of
from isofield.geometry import Mesh
from isofield.geometry.camera import Camera


@pytest.fixture(scope="module")
def views():
    """A block seen from forty sides."""
    import trimesh

    from isofield.data.painted import plain

    made = trimesh.creation.box((3.0, 2.0, 1.5))
    mesh = Mesh(np.asarray(made.vertices, np.float64), np.asarray(made.faces, np.int64))
    return photographed_around(plain(mesh), Tour(count=40, held_out=4, size=24, samples=1))


def test_all_is_well(views):
    frame = frame_of(views)
    survey = survey_photos(views, frame)
    assert survey.jumps == []
    assert survey.doubts == []
    assert survey.sees.min() >= 1
    assert 0.1 < survey.covered.min() < survey.covered.max() < 0.7
    # the tight box inside the cube: 3 : 2 : 1.5
    assert frame.content.extent / frame.content.extent.max() == pytest.approx([1, 2 / 3, 0.5], abs=0.12)


def test_a_jump_of_exposure_is_found(views):
    images = list(views.images)
    images[7] = (images[7] ** 2.2 / 4) ** (1 / 2.2)  # two stops less light
    stops = exposure(replace(views, images=images))
    assert stops[7] == pytest.approx(exposure(views)[7] - 2, abs=0.05)
    assert survey_photos(replace(views, images=images), frame_of(views)).jumps == [7]


def test_axes_that_were_misread_are_told(views):
    flip = np.diag([1.0, -1.0, -1.0])
    turned = [Camera(c.pixel_from_camera, flip @ c.camera_from_world) for c in views.cameras]
    wrong = replace(views, cameras=turned)
    doubts = survey_photos(wrong, frame_of(wrong)).doubts
    assert len(doubts) == 1
    assert "OpenCV's where OpenGL's are due" in doubts[0]


def test_inverted_matrices_are_told(views):
    inverse = []
    for camera in views.cameras:
        pose = np.c_[camera.camera_from_world[:, :3].T @ flip(), camera.centre]  # world from camera, OpenGL
        turn, centre = pose[:, :3].T, -pose[:, :3].T @ pose[:, 3]  # its inverse, read as a pose
        inverse.append(Camera(camera.pixel_from_camera, flip() @ np.c_[turn.T, -turn.T @ centre]))
    wrong = replace(views, cameras=inverse)
    doubts = survey_photos(wrong, frame_of(wrong)).doubts
    assert any("with each matrix inverted: they are camera from world" in doubt for doubt in doubts)


def flip():
    return np.diag([1.0, -1.0, -1.0])


def test_other_readings_are_their_own_inverse(views):
    for number in range(2):
        _, once = readings(views.cameras)[number]
        _, twice = readings(once)[number]
        for camera, back in zip(views.cameras, twice, strict=True):
            assert back.camera_from_world == pytest.approx(camera.camera_from_world)
