"""Every convention of cameras: known points fall on the pixels that the convention's own formula gives."""

import json
import struct

import numpy as np
import pytest
from PIL import Image

from isofield.data.colmap_files import LENGTHS, NUMBERED, lens_of, read_model
from isofield.data.colmap_writing import quaternion_of, write_colmap
from isofield.data.photos import read_views
from isofield.data.projections import decomposed
from isofield.errors import InputError
from isofield.geometry.camera import Camera
from isofield.observation import Views

WIDTH, HEIGHT, COUNT = 40, 30, 4
POINTS = np.random.default_rng(3).uniform(-0.5, 0.5, (30, 3))
HOMOGENEOUS = np.c_[POINTS, np.ones(30)]


@pytest.fixture
def cameras():
    """With different focal lengths along x and y and a principal point off the middle."""
    intrinsic = np.array([[50.0, 0, 21.0], [0, 55.0, 13.5], [0, 0, 1]])
    return [
        Camera(intrinsic, Camera.orbiting(1.3 * i, 0.4 - 0.3 * i, 3.0, 1, 1).camera_from_world)
        for i in range(COUNT)
    ]


def pictures(folder, names=None, size=(WIDTH, HEIGHT)):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or [f"{i:03d}.png" for i in range(COUNT)]:
        Image.new("RGB", size, (90, 120, 200)).save(folder / name)


def error(path):
    with pytest.raises(InputError) as raised:
        read_views(path)
    message = str(raised.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


# LLFF


def llff_row(camera, focal):
    """3x5 of an LLFF pose: axes down, right, backwards."""
    right, down, forward = camera.camera_from_world[:, :3]
    columns = [down, right, -forward, camera.centre, np.array([HEIGHT, WIDTH, focal])]
    return np.r_[np.stack(columns, axis=1).ravel(), 1.0, 9.0]


def test_llff(tmp_path, cameras):
    pictures(tmp_path / "images")
    rows = np.stack([llff_row(camera, 44.0) for camera in cameras])
    np.save(tmp_path / "poses_bounds.npy", rows)
    views, said = read_views(tmp_path)
    assert "LLFF" in said[0]
    for row, found in zip(rows, views.cameras, strict=True):
        matrix = row[:15].reshape(3, 5)
        x, y, z = matrix[:, :3].T @ (POINTS - matrix[:, 3]).T  # down, right, backwards
        want = np.stack([WIDTH / 2 + 44 * y / -z, HEIGHT / 2 + 44 * x / -z], axis=1)
        assert found.project(POINTS)[0] == pytest.approx(want)
    (tmp_path / "images/001.png").unlink()
    assert "4 poses but" in error(tmp_path)
    np.save(tmp_path / "poses_bounds.npy", rows[:, :12])
    assert "17 finite numbers" in error(tmp_path)


def test_llff_takes_smaller_copies(tmp_path, cameras):
    pictures(tmp_path / "images_4", size=(10, 8))
    np.save(tmp_path / "poses_bounds.npy", np.stack([llff_row(c, 44.0) for c in cameras]))
    assert "other proportions" in error(tmp_path)  # 10 x 8 is not 40 x 30
    pictures(tmp_path / "images_4", size=(20, 15))
    views, _ = read_views(tmp_path)
    assert views.cameras[0].pixel_from_camera[0].tolist() == [22, 0, 10]


# IDR and DVR


def idr(camera):
    """World to pixels with whole centres, of any scale and sign."""
    shifted = camera.pixel_from_camera - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
    return np.r_[-2.5 * shifted @ camera.camera_from_world, [[0, 0, 0, 1]]]


def test_idr(tmp_path, cameras):
    pictures(tmp_path / "image")
    (tmp_path / "mask").mkdir()
    for i in range(COUNT):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[:, : 10 + i] = 255
        Image.fromarray(mask).save(tmp_path / f"mask/{i:03d}.png")
    arrays = {f"world_mat_{i}": idr(camera) for i, camera in enumerate(cameras)}
    arrays |= {f"scale_mat_{i}": np.diag([3.0, 3, 3, 1]) for i in range(COUNT)}
    np.savez(tmp_path / "cameras.npz", **arrays)
    views, said = read_views(tmp_path)
    assert "IDR" in said[0]
    for i, found in enumerate(views.cameras):
        flat = HOMOGENEOUS @ arrays[f"world_mat_{i}"][:3].T
        assert found.project(POINTS)[0] == pytest.approx(flat[:, :2] / flat[:, 2:] + 0.5)
        assert (found.project(POINTS)[1] > 0).all()
        assert found.camera_from_world == pytest.approx(cameras[i].camera_from_world)
        assert views.masks[i].sum() == HEIGHT * (10 + i)


def test_dvr(tmp_path, cameras):
    pictures(tmp_path / "image")
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/002.npy", np.full((HEIGHT, WIDTH), 2.5))
    to_square = np.diag([2 / (WIDTH - 1), 2 / (HEIGHT - 1), 1])
    to_square[:2, 2] = -1 - 1 / (WIDTH - 1), -1 - 1 / (HEIGHT - 1)
    arrays = {}
    for i, camera in enumerate(cameras):
        matrix = np.eye(4)
        matrix[:3, :3] = to_square @ camera.pixel_from_camera
        arrays[f"camera_mat_{i}"] = matrix
        arrays[f"world_mat_{i}"] = np.r_[camera.camera_from_world, [[0, 0, 0, 1]]]
        arrays[f"scale_mat_{i}"] = np.eye(4)
    np.savez(tmp_path / "cameras.npz", **arrays)
    views, said = read_views(tmp_path)
    assert "DVR" in said[0]
    for i, found in enumerate(views.cameras):
        x, y, z, _ = arrays[f"camera_mat_{i}"] @ arrays[f"world_mat_{i}"] @ HOMOGENEOUS.T
        # pixel k, with its middle at k + 0.5, is at -1 + 2 k / (W - 1)
        want = np.stack([(x / z + 1) * (WIDTH - 1) / 2, (y / z + 1) * (HEIGHT - 1) / 2], axis=1) + 0.5
        assert found.project(POINTS)[0] == pytest.approx(want)
        assert found.camera_from_world == pytest.approx(cameras[i].camera_from_world)
    assert views.depths[2] == pytest.approx(2.5)
    assert not views.depths[1].any()


def test_missing_pictures_of_an_npz(tmp_path, cameras):
    pictures(tmp_path / "image", ["000.png", "001.png", "003.png"])
    np.savez(tmp_path / "cameras.npz", **{f"world_mat_{i}": idr(camera) for i, camera in enumerate(cameras)})
    views, said = read_views(tmp_path)
    assert list(views.names) == ["000.png", "001.png", "003.png"]
    assert "1 of 4 listed pictures are missing and left out: picture 2" in said
    assert views.cameras[2].centre == pytest.approx(cameras[3].centre)


def test_wrong_npz(tmp_path, cameras):
    path = tmp_path / "cameras.npz"
    np.savez(path, world_mat_0=np.eye(4))
    assert "no folder image" in error(tmp_path)
    pictures(tmp_path / "image")
    np.savez(path, a=np.eye(4))
    assert "no matrices named world_mat_0" in error(tmp_path)
    np.savez(path, world_mat_0=np.eye(3), world_mat_1=np.eye(4))
    assert "world_mat_0 must be there as a 4x4" in error(tmp_path)
    np.savez(path, **{f"world_mat_{i}": np.diag([1.0, 1, 0, 1]) for i in range(COUNT)})
    assert "camera 0 is singular" in error(tmp_path)
    path.write_bytes(b"nothing")
    assert "no readable npz" in error(path)


def test_projections_come_apart_and_together():
    draw = np.random.default_rng(0)
    for _ in range(20):
        intrinsic = np.array(
            [[draw.uniform(1, 900), draw.normal(), draw.normal()], [0, draw.uniform(1, 900), 3], [0, 0, 1]]
        )
        rotation = np.linalg.qr(draw.normal(size=(3, 3)))[0]
        rotation *= np.linalg.det(rotation)
        pose = np.c_[rotation, draw.normal(size=3)]
        found = decomposed("it", draw.normal() * intrinsic @ pose)
        assert found[0] == pytest.approx(intrinsic)
        assert found[1] == pytest.approx(pose)


# COLMAP


def views_of(cameras, points=None):
    images = [np.zeros((HEIGHT, WIDTH, 3), np.float32)] * COUNT
    return Views(images, cameras, [f"{i:03d}.png" for i in range(COUNT)], points=points)


def rotated(quaternion, vectors):
    """By the product q v q*, written out."""
    w, u = quaternion[0], np.asarray(quaternion[1:])
    return vectors + 2 * np.cross(u, np.cross(u, vectors) + w * vectors)


def test_colmap_text(tmp_path):
    pictures(tmp_path / "images", ["a b.png", "c.png", "d.png"])
    model = tmp_path / "sparse/0"
    model.mkdir(parents=True)
    (model / "cameras.txt").write_text(
        "# cameras\n7 OPENCV 80 60 70 75 41 29 0 0 0 0\n2 SIMPLE_RADIAL 40 30 50 20 15 0\n"
    )
    quaternion, translation = np.array([0.8, 0.2, -0.4, 0.4]), np.array([0.1, -0.2, 3.0])
    (model / "images.txt").write_text(
        "# images\n1 0.8 0.2 -0.4 0.4 0.1 -0.2 3.0 7 a b.png\n1.0 2.0 -1\n2 1 0 0 0 0 0 4 2 c.png\n\n"
        "3 1 0 0 0 1 0 4 2 gone.png\n\n"
    )
    (model / "points3D.txt").write_text("1 0.5 -1 2 0 0 0 0.1 1 0 2 3\n2 1 2 3 0 0 0 0\n")
    views, said = read_views(tmp_path)
    assert list(views.names) == ["a b.png", "c.png"]
    seen = rotated(quaternion / np.linalg.norm(quaternion), POINTS) + translation
    want = seen[:, :2] / seen[:, 2:] * [70, 75] + [41, 29]
    assert views.cameras[0].project(POINTS)[0] == pytest.approx(want / 2)  # the picture is half as large
    seen = POINTS + np.array([0, 0, 4])
    assert views.cameras[1].project(POINTS)[0] == pytest.approx(seen[:, :2] / seen[:, 2:] * 50 + [20, 15])
    assert views.points.tolist() == [[0.5, -1, 2], [1, 2, 3]]
    assert "1 of 3 listed pictures are missing and left out: gone.png" in said
    assert "1 pictures have no camera: COLMAP did not register d.png" in said


def test_colmap_text_round_trip(tmp_path, cameras):
    pictures(tmp_path / "images")
    points = np.random.default_rng(0).normal(size=(5, 3))
    write_colmap(tmp_path / "sparse/0", views_of(cameras, points))
    views, _ = read_views(tmp_path)
    assert (views.points == points).all()
    for found, camera in zip(views.cameras, cameras, strict=True):
        assert found.pixel_from_camera == pytest.approx(camera.pixel_from_camera)
        assert found.camera_from_world == pytest.approx(camera.camera_from_world)


def binary_model(folder, cameras):
    """The bytes that COLMAP writes, by its documentation."""
    folder.mkdir(parents=True)
    head = struct.pack("<Q", 1) + struct.pack("<IiQQ4d", 3, 1, WIDTH, HEIGHT, 50, 55, 21, 13.5)
    (folder / "cameras.bin").write_bytes(head)
    data = struct.pack("<Q", len(cameras))
    for i, camera in enumerate(cameras):
        numbers = [*quaternion_of(camera.camera_from_world[:, :3]), *camera.camera_from_world[:, 3]]
        data += struct.pack("<I7dI", i + 1, *numbers, 3) + f"{i:03d}.png".encode() + b"\0"
        data += struct.pack("<Q", 2) + struct.pack("<ddqddq", 1, 2, -1, 3, 4, 5)
    (folder / "images.bin").write_bytes(data)
    data = struct.pack("<Q", 2)
    for i in range(2):
        data += struct.pack("<Q3d3BdQ", i, 1.0, 2.0, 3.0 + i, 9, 9, 9, 0.5, 1) + struct.pack("<II", 1, 0)
    (folder / "points3D.bin").write_bytes(data)


def test_colmap_binary(tmp_path, cameras):
    pictures(tmp_path / "images")
    binary_model(tmp_path / "sparse/0", cameras)
    for path in (tmp_path, tmp_path / "sparse", tmp_path / "sparse/0", tmp_path / "sparse/0/images.bin"):
        views, _ = read_views(path)
        for found, camera in zip(views.cameras, cameras, strict=True):
            assert found.project(POINTS)[0] == pytest.approx(camera.project(POINTS)[0])
        assert views.points.tolist() == [[1, 2, 3], [1, 2, 4]]


def test_the_largest_model_is_taken(tmp_path, cameras):
    pictures(tmp_path / "images")
    binary_model(tmp_path / "sparse/0", cameras[:2])
    binary_model(tmp_path / "sparse/1", cameras)
    views, said = read_views(tmp_path)
    assert len(views) == COUNT
    assert any("2 models are there; the largest is" in sentence for sentence in said)


def test_wrong_colmap(tmp_path, cameras):
    pictures(tmp_path / "images")
    binary_model(tmp_path / "sparse/0", cameras)
    path = tmp_path / "sparse/0/images.bin"
    data = path.read_bytes()
    for length in (4, 60, len(data) - 3):
        path.write_bytes(data[:length])
        assert "images.bin is damaged, or not of COLMAP" in error(tmp_path)
    path.write_bytes(data)
    (tmp_path / "sparse/0/cameras.bin").write_bytes(
        struct.pack("<QIiQQ8d", 1, 3, 5, WIDTH, HEIGHT, *np.ones(8))
    )
    assert "OPENCV_FISHEYE, which is not read; run `colmap image_undistorter` first" in error(tmp_path)
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    binary_model(tmp_path / "sparse/1", cameras)
    (tmp_path / "sparse/0/cameras.bin").write_bytes((tmp_path / "sparse/1/cameras.bin").read_bytes())
    assert "no folder images has them" in error(tmp_path)


def test_wrong_colmap_text(tmp_path, cameras):
    pictures(tmp_path / "images")
    model = tmp_path / "sparse/0"
    write_colmap(model, views_of(cameras))
    good = (model / "images.txt").read_text()
    (model / "images.txt").write_text(good.replace("1 ", "x ", 1)[:60] + "\n\n")
    assert "images.txt is damaged" in error(tmp_path)
    words = good.splitlines()[0].split()
    (model / "images.txt").write_text(" ".join([words[0], "0 0 0 0", *words[5:]]) + "\n\n")
    assert "rotation of the camera is singular" in error(tmp_path)
    (model / "images.txt").write_text(" ".join([*words[:8], "99", words[9]]) + "\n\n")
    assert "camera 99, which is not among" in error(tmp_path)
    (model / "images.txt").write_text(good)
    (model / "cameras.txt").write_text("1 PINHOLE 40 30 50 55 21\n")
    assert "cameras.txt is damaged" in error(tmp_path)


def test_parameters_of_models_have_their_documented_lengths(tmp_path):
    for name, count in zip(NUMBERED[:5], LENGTHS, strict=False):
        lens = lens_of(tmp_path, name, 4, 3, [float(i + 1) for i in range(count)])
        assert lens.fx == 1
        assert lens.cy == (3 if "PINHOLE" in name or "RADIAL" in name else 4) + (name == "PINHOLE")
    assert read_model.__doc__


def test_masks_of_colmap(tmp_path, cameras):
    pictures(tmp_path / "images")
    write_colmap(tmp_path / "sparse/0", views_of(cameras))
    (tmp_path / "masks").mkdir()
    for i in range(COUNT):
        Image.new("L", (WIDTH, HEIGHT), 255 if i % 2 else 51).save(tmp_path / f"masks/{i:03d}.png.png")
    views, _ = read_views(tmp_path)
    assert [round(float(mask.mean()), 3) for mask in views.masks] == [0.2, 1, 0.2, 1]


def test_other_cameras_are_told(tmp_path, cameras):
    pictures(tmp_path / "images")
    write_colmap(tmp_path / "sparse/0", views_of(cameras))
    frames = []
    for i in range(COUNT):
        pose = np.eye(4)
        pose[0, 3] = i
        frames.append({"file_path": f"images/{i:03d}.png", "transform_matrix": pose.tolist()})
    (tmp_path / "transforms.json").write_text(json.dumps({"fl_x": 50, "frames": frames}))
    _, said = read_views(tmp_path)
    assert said[0].startswith("cameras: instant-ngp")
    assert said[-1] == "other cameras are there and left alone: sparse/0"
