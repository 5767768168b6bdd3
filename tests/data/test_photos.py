"""Photos with cameras: what is read, and what is wrong with it in one sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from isofield.data.develop import box_average, developed, shrunk
from isofield.data.photos import read_shots, read_views
from isofield.data.shots import Shot
from isofield.errors import InputError
from isofield.geometry.lens import Lens

WORLD = np.random.default_rng(3).uniform(-0.5, 0.5, (40, 3))


def pose(angle, distance=3.0):
    """World from camera, OpenGL axes: on a ring around z, looking at the origin."""
    back = np.array([np.cos(angle), np.sin(angle), 0.4])
    back /= np.linalg.norm(back)
    right = np.cross([0, 0, 1.0], back)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(back, right), back], axis=1)
    return np.block([[turn, distance * back[:, None]], [np.zeros((1, 3)), 1]])


def opengl_pixels(matrix, points, focal, middle):
    """The projection as the NeRF paper's program has it, pixel centres at +0.5."""
    x, y, z = (np.linalg.inv(matrix) @ np.c_[points, np.ones(len(points))].T)[:3]
    return np.stack([middle[0] + focal[0] * x / -z, middle[1] - focal[1] * y / -z], axis=1), -z


def picture(path, colour=(200, 100, 50, 255), size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", size, colour).save(path)


def blender(folder, count=4, **words):
    """A scene of NeRF's Blender kind; returns what is in the file."""
    frames = []
    for number in range(count):
        picture(folder / f"images/r_{number}.png")
        frames.append({"file_path": f"images/r_{number}", "transform_matrix": pose(number).tolist()})
    found = {"camera_angle_x": 0.8, **words, "frames": frames}
    write(folder, found)
    return found


def write(folder, found, name="transforms.json"):
    (folder / name).write_text(json.dumps(found))


def error(path):
    with pytest.raises(InputError) as raised:
        read_views(path)
    message = str(raised.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


# What is read


def test_blender_cameras_project_as_the_paper_does(tmp_path):
    blender(tmp_path)
    views, said = read_views(tmp_path)
    assert "NeRF-Blender" in said[0]
    focal = 0.5 * 40 / np.tan(0.4)
    for number, camera in enumerate(views.cameras):
        want, depth = opengl_pixels(pose(number), WORLD, (focal, focal), (20, 15))
        pixels, found = camera.project(WORLD)
        assert pixels == pytest.approx(want)
        assert found == pytest.approx(depth)
    assert views.masks is None
    assert views.held_out is None
    assert views.images[0][3, 4] == pytest.approx(np.array([200, 100, 50]) / 255)


def test_intrinsics_of_a_frame_go_before_those_of_all(tmp_path):
    found = blender(tmp_path, fl_x=50.0, fl_y=60.0, cx=21.0, cy=14.0)
    found["frames"][2] |= {"fl_x": 70.0, "fl_y": 80.0, "cx": 19.0}
    write(tmp_path, found)
    views, _ = read_views(tmp_path)
    assert views.cameras[0].project(WORLD)[0] == pytest.approx(
        opengl_pixels(pose(0), WORLD, (50, 60), (21, 14))[0]
    )
    assert views.cameras[2].project(WORLD)[0] == pytest.approx(
        opengl_pixels(pose(2), WORLD, (70, 80), (19, 14))[0]
    )


def test_missing_pictures_are_left_out_and_told(tmp_path):
    blender(tmp_path)
    (tmp_path / "images/r_1.png").unlink()
    views, said = read_views(tmp_path)
    assert list(views.names) == ["r_0.png", "r_2.png", "r_3.png"]
    assert said[1] == "1 of 4 listed pictures are missing and left out: images/r_1"
    assert views.cameras[1].centre == pytest.approx(pose(2)[:3, 3])


def test_the_word_split_holds_pictures_out(tmp_path):
    found = blender(tmp_path)
    for frame, word in zip(found["frames"], ("train", "test", "train", "val"), strict=True):
        frame["split"] = word
    write(tmp_path, found)
    assert read_views(tmp_path)[0].held_out == [False, True, False, True]


def test_one_file_per_split(tmp_path):
    found = blender(tmp_path)
    (tmp_path / "transforms.json").unlink()
    for word, frames in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        chosen = [found["frames"][i] for i in frames]
        write(tmp_path, {**found, "frames": chosen}, f"transforms_{word}.json")
    views, said = read_views(tmp_path)
    assert list(views.names) == ["r_0.png", "r_1.png", "r_3.png"]
    assert views.held_out == [False, False, True]
    assert "transforms_val.json is left alone" in said[-1]


def test_transparency_becomes_the_mask_and_colours_stay_unmixed(tmp_path):
    blender(tmp_path)
    picture(tmp_path / "images/r_0.png", (200, 100, 50, 51))
    views, _ = read_views(tmp_path)
    assert views.masks[0] == pytest.approx(0.2)
    assert views.masks[1] == pytest.approx(1.0)
    assert views.images[0][0, 0] == pytest.approx(np.array([200, 100, 50]) / 255, abs=1e-6)


def test_masks_and_depths_of_files(tmp_path):
    found = blender(tmp_path, depth_unit_scale_factor=0.01)
    half = np.zeros((30, 40), np.uint8)
    half[:, 20:] = 255
    Image.fromarray(half).save(tmp_path / "half.png")
    Image.fromarray((np.arange(1200).reshape(30, 40)).astype(np.uint16)).save(tmp_path / "depth.png")
    found["frames"][1] |= {"mask_path": "half.png", "depth_file_path": "depth.png"}
    write(tmp_path, found)
    views, _ = read_views(tmp_path)
    assert (views.masks[1] == half / 255).all()
    assert views.depths[1] == pytest.approx(np.arange(1200).reshape(30, 40) * 0.01)
    assert not views.depths[0].any()


# Shrinking


def naive_average(array, height, width):
    """Every source pixel, weighted by the area of it that the target covers."""
    rows, columns = array.shape[:2]
    out = np.zeros((height, width, array.shape[2]))
    for i in range(height):
        for j in range(width):
            y = np.clip(np.minimum(np.arange(rows) + 1, (i + 1) * rows / height)
                        - np.maximum(np.arange(rows), i * rows / height), 0, None)  # fmt: skip
            x = np.clip(np.minimum(np.arange(columns) + 1, (j + 1) * columns / width)
                        - np.maximum(np.arange(columns), j * columns / width), 0, None)  # fmt: skip
            out[i, j] = np.einsum("y,x,yxc->c", y, x, array) / (y.sum() * x.sum())
    return out


@pytest.mark.parametrize("shape", [(6, 4), (5, 3), (12, 8), (7, 4), (1, 1)])
def test_box_averages_are_means_over_areas(shape):
    array = np.random.default_rng(0).random((12, 8, 3)).astype(np.float32)
    assert box_average(array, *shape) == pytest.approx(naive_average(array, *shape), abs=1e-6)


def test_pictures_shrink_and_never_grow():
    assert shrunk(540, 960, 240) == (135, 240)
    assert shrunk(40, 30, 100) == (40, 30)
    assert shrunk(1000, 2, 100) == (100, 1)


def test_cameras_shrink_with_the_pictures(tmp_path):
    blender(tmp_path)
    large, small = read_views(tmp_path)[0], read_views(tmp_path, 12)[0]
    assert small.images[0].shape == (9, 12, 3)
    want = large.cameras[1].project(WORLD)[0] * (12 / 40, 9 / 30)
    assert small.cameras[1].project(WORLD)[0] == pytest.approx(want)


def test_colours_are_averaged_by_opacity(tmp_path):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (255, 0, 0, 255)
    pixels[1, 1] = (0, 255, 0, 0)  # unseen green must not shine through
    Image.fromarray(pixels).save(tmp_path / "a.png")
    shot = Shot(tmp_path / "a.png", Lens(2, 2, 2, 2, 1, 1), np.eye(3, 4))
    made = developed(shot, 1)
    assert made.image[0, 0] == pytest.approx([1, 0, 0])
    assert made.mask[0, 0] == pytest.approx(0.25)


# Distortion


def dots(lens, points):
    """A picture with a soft dot where each point falls, the other channels hold its row and column."""
    y, x = np.mgrid[: lens.height, : lens.width] + 0.5
    places = lens.project(points, np.eye(3, 4))
    return sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / 8) for u, v in places)


@pytest.mark.parametrize(
    "bent", [{"k1": 0.08, "k2": -0.05, "p1": 0.004, "p2": -0.003}, {"k1": -0.15, "k3": 0.02}]
)
@pytest.mark.parametrize("longest", [160, 80])
def test_straightened_pictures_show_points_where_the_camera_says(tmp_path, bent, longest):
    lens = Lens(160, 120, 110.0, 115.0, 83.0, 58.0, **bent)
    for number, point in enumerate(
        [(0.1, 0.05, 1.0), (-0.4, 0.3, 1.0), (0.9, -0.5, 2.0), (-0.5, -0.35, 1.0)]
    ):
        points = np.array([point])
        Image.fromarray((255 * dots(lens, points)).astype(np.uint8)).save(tmp_path / f"{number}.png")
        made = developed(Shot(tmp_path / f"{number}.png", lens, np.eye(3, 4)), longest)
        grey = made.image[..., 0]
        y, x = np.mgrid[: grey.shape[0], : grey.shape[1]] + 0.5
        found = np.array([(grey * x).sum(), (grey * y).sum()]) / grey.sum()
        want = made.camera.project(points)[0][0]
        assert found == pytest.approx(want, abs=0.1 * longest / 160)
        moved = lens.project(points, np.eye(3, 4))[0] * longest / 160
        assert number == 0 or np.abs(moved - want).max() > 0.2  # the test can tell


def naive_bilinear(image, x, y):
    """At one place, pixel middles at +0.5, the border carried on."""
    height, width = image.shape[:2]
    column, row = int(np.floor(x - 0.5)), int(np.floor(y - 0.5))
    u, v = x - 0.5 - column, y - 0.5 - row
    at = lambda i, j: image[np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)].astype(float)  # noqa: E731
    upper = at(row, column) * (1 - u) + at(row, column + 1) * u
    return upper * (1 - v) + (at(row + 1, column) * (1 - u) + at(row + 1, column + 1) * u) * v


def test_straightened_pixels_are_looked_up_bilinearly(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    lens = Lens(32, 24, 22.0, 23.0, 15.0, 12.5, k1=-0.06, p1=0.003)  # pulls inwards: nothing is cut off
    made = developed(Shot(tmp_path / "a.png", lens, np.eye(3, 4)))
    left, top = lens.cx - made.camera.pixel_from_camera[0, 2], lens.cy - made.camera.pixel_from_camera[1, 2]
    for row, column in [(3, 4), (10, 20), (15, 7), (0, 0)]:
        towards = lens.distorted(
            np.array([[(column + left + 0.5 - 15) / 22, (row + top + 0.5 - 12.5) / 23]])
        )[0]
        want = naive_bilinear(image, 22 * towards[0] + 15, 23 * towards[1] + 12.5) / 255
        assert made.image[row, column] == pytest.approx(want, abs=1e-4)


def test_places_beyond_the_picture_are_cut_off(tmp_path):
    Image.new("RGB", (160, 120), (255, 255, 255)).save(tmp_path / "a.png")
    lens = Lens(160, 120, 110.0, 115.0, 83.0, 58.0, k1=0.1)
    made = developed(Shot(tmp_path / "a.png", lens, np.eye(3, 4)))
    height, width = made.image.shape[:2]
    assert 0.9 < width / 160 < 1
    assert 0.9 < height / 120 < 1
    corners = np.array([[0.5, 0.5], [width - 0.5, height - 0.5], [0.5, height - 0.5]])
    towards = made.camera.directions(corners)
    places = lens.project(towards, np.eye(3, 4))
    assert (places >= 0).all()
    assert (places <= [160, 120]).all()


def test_folds_of_the_polynomial_are_not_seen():
    lens = Lens(100, 100, 40.0, 40.0, 50.0, 50.0, k1=-0.3)
    radii = np.linspace(0, 1.5, 60)
    flat = np.stack([radii, np.zeros(60)], axis=1)
    rising = np.diff(lens.distorted(flat)[:, 0]) > 0
    assert (lens.is_single(flat)[1:] == rising)[np.abs(radii[1:] - 1.054) > 0.05].all()


# What is wrong


def test_wrong_json(tmp_path):
    (tmp_path / "transforms.json").write_text("{oops")
    assert "is not JSON" in error(tmp_path)
    write(tmp_path, [1])
    assert "no JSON object" in error(tmp_path)
    write(tmp_path, {"frames": []})
    assert "no list of frames" in error(tmp_path)
    write(tmp_path, {"frames": [{}]})
    assert "frame 0 has no file_path" in error(tmp_path)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        ([[1, 0], [0, 1]], "must be 4x4"),
        ("four by four", "no matrix of numbers"),
        (np.diag([1, 1, 0, 1]).tolist(), "singular"),
        (np.diag([1, 1, -1, 1]).tolist(), "mirror"),
        ([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "right angles"),
        (np.full((4, 4), np.nan).tolist(), "not finite"),
    ],
)
def test_wrong_matrices(tmp_path, matrix, sentence):
    found = blender(tmp_path)
    found["frames"][1]["transform_matrix"] = matrix
    write(tmp_path, found)
    message = error(tmp_path)
    assert sentence in message
    assert "frame 1 (images/r_1)" in message


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"fl_x": 0.0, "fl_y": 10.0}, "intrinsics are singular"),
        ({"fl_x": float("nan")}, "not finite"),
        ({"fl_x": "wide"}, "fl_x is no number"),
        ({"w": "wide"}, "w is no number"),
        ({"camera_angle_x": None}, "how wide the camera sees"),
        ({"camera_model": "OPENCV_FISHEYE"}, "OPENCV_FISHEYE are not read"),
        ({"w": 40, "h": 50}, "other proportions"),
        ({"fl_x": 30.0, "k1": -50.0}, "leaves too little"),
    ],
)
def test_wrong_intrinsics(tmp_path, words, sentence):
    blender(tmp_path, **words)
    assert sentence in error(tmp_path)


def test_too_few_pictures(tmp_path):
    blender(tmp_path, count=1)
    assert "has one picture with a camera; give at least 3, better 20" in error(tmp_path)
    (tmp_path / "images/r_0.png").unlink()
    assert "no picture with a camera; give at least 3, better 20; missing: images/r_0" in error(tmp_path)
    assert "does not exist" in error(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty has no cameras that we read" in error(tmp_path / "empty")
    picture(tmp_path / "images/r_7.png")
    assert "images has 1 pictures but no cameras that we read" in error(tmp_path / "images")


def test_cameras_at_one_place(tmp_path):
    found = blender(tmp_path)
    for frame in found["frames"]:
        frame["transform_matrix"] = found["frames"][1]["transform_matrix"]
    write(tmp_path, found)
    assert "all cameras stand at the same place" in error(tmp_path)


def cut(path):
    """Half of a picture that does not compress."""
    draw = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(draw).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_damaged_pictures_are_left_out_and_told(tmp_path):
    blender(tmp_path)
    cut(tmp_path / "images/r_2.png")
    views, said = read_views(tmp_path)
    assert list(views.names) == ["r_0.png", "r_1.png", "r_3.png"]
    assert views.cameras[2].centre == pytest.approx(pose(3)[:3, 3])
    assert said[1].startswith("1 of 4 pictures cannot be read and are left out: r_2.png (")
    (tmp_path / "images/r_1.png").write_bytes(b"no picture")
    shots, views, said = read_shots(tmp_path)
    assert list(views.names) == [shot.name for shot in shots.shots] == ["r_0.png", "r_3.png"]
    assert set(shots.damaged) == {"images/r_1", "r_2.png"}
    assert said[1].startswith("2 of 4 pictures cannot be read")
    cut(tmp_path / "images/r_0.png")
    message = error(tmp_path)
    assert "has one picture with a camera; give at least 3, better 20; damaged: images/r_1, r_" in message


def test_a_damaged_mask_is_named_with_its_picture(tmp_path):
    found = blender(tmp_path)
    found["frames"][1]["mask_path"] = "images/mask.png"
    write(tmp_path, found)
    cut(tmp_path / "images/mask.png")
    views, said = read_views(tmp_path)
    assert list(views.names) == ["r_0.png", "r_2.png", "r_3.png"]
    assert "left out: r_1.png (images/mask.png: " in said[1]


def test_wrong_masks(tmp_path):
    blender(tmp_path)
    for number in range(4):
        picture(tmp_path / f"images/r_{number}.png", (9, 9, 9, 0))
    assert "masks are all black" in error(tmp_path)
    for number in range(2):
        picture(tmp_path / f"images/r_{number}.png")
    _, said = read_views(tmp_path)
    assert said[-1] == "2 pictures have an all-black mask: r_2.png, r_3.png"
    found = json.loads((tmp_path / "transforms.json").read_text())
    found["frames"][0]["mask_path"] = "small.png"
    Image.new("L", (20, 15)).save(tmp_path / "small.png")
    write(tmp_path, found)
    assert "small.png has 20 x 15 pixels, its picture r_0.png 40 x 30" in error(tmp_path)
