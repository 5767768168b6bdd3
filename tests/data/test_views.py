"""Pictures by ray casting against formulas, and their cameras against the surface they show."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from isofield.data.complete import VIEWS, VOXELS
from isofield.data.glb import linear_from_srgb, srgb_from_linear
from isofield.data.models import find_models
from isofield.data.painted import GLASS, Painted, plain, read_painted
from isofield.data.prepare import prepare
from isofield.data.prepare_model import Settings
from isofield.data.render_views import Light, Studio
from isofield.data.shapenet import items
from isofield.data.texels import Texels
from isofield.data.views import FILL, fitting, photographed
from isofield.geometry import Mesh
from isofield.geometry.camera import Camera

FEW = Settings(points=4000, near=0, cloud=4000, views=2, view_size=64)
FRONT = Camera.orbiting(0.0, 0.0, 2.0, 64.0, 64)
EVEN = Light(np.array([0.0, 0, 1]), lamp=0.0, sky=1.0, ground=1.0)
"""Shows every surface in its own colour."""

BOX = """mtllib box.mtl
v 0 0 0\nv 2 0 0\nv 2 1 0\nv 0 1 0\nv 0 0 1\nv 2 0 1\nv 2 1 1\nv 0 1 1
vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1
usemtl red
f 5 6 7 8\nf 1 4 3 2\nf 1 2 6 5\nf 4 8 7 3\nf 1 5 8 4
usemtl chart
f 2/1 3/2 7/3 6/4
"""
MATERIALS = "newmtl red\nKd 1 0 0\nd 0.1\nnewmtl chart\nKd 1 1 1\nmap_Kd chart.png\n"


def ball(radius=0.5, subdivisions=4):
    import trimesh

    made = trimesh.creation.icosphere(subdivisions, radius)
    return Mesh(np.asarray(made.vertices, np.float64), np.asarray(made.faces, np.int64))


def wall(z=0.0, side=1.0, colour=(1.0, 0, 0), opacity=1.0, uv=None, image=None):
    """A square that faces +z."""
    a = side / 2
    corners = np.array([[[-a, -a, z], [a, -a, z], [a, a, z]], [[-a, -a, z], [a, a, z], [-a, a, z]]])
    chart = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], float) if uv is None else uv
    return Painted(
        corners, np.tile([0.0, 0, 1], (2, 3, 1)), np.tile(np.array(colour, float), (2, 3, 1)),
        np.full(2, opacity), chart, np.full(2, -1 if image is None else 0), () if image is None else (image,),
    )  # fmt: skip


def write_box(folder):
    folder.mkdir(parents=True)
    (folder / "box.obj").write_text(BOX)
    (folder / "box.mtl").write_text(MATERIALS)
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2], pixels[2:] = (0, 255, 0), (0, 0, 255)
    Image.fromarray(pixels).save(folder / "chart.png")
    return folder / "box.obj"


# Pictures


def test_a_ball_is_a_disc_of_the_right_size():
    picture = Studio(plain(ball())).picture(FRONT, 64, EVEN)
    # half the opening angle of the tangent cone is asin(r / d)
    radius = 64 * np.tan(np.arcsin(0.5 / 2))
    covered = (255 - picture[..., 0].astype(float)).sum() / (255 - picture[32, 32, 0])
    assert covered == pytest.approx(np.pi * radius**2, rel=0.01)
    assert (picture[0] == 255).all()
    assert picture[32, 32] == pytest.approx(0.75 * 255, abs=1)


def test_light_follows_the_cosine_law():
    light = Light(np.array([0.0, 0.6, 0.8]), lamp=0.5, sky=0.4, ground=0.2)
    picture = Studio(plain(ball(subdivisions=6))).picture(FRONT, 64, light)
    want = linear_from_srgb(np.full((1, 3), 0.75))[0, 0] * (0.2 + 0.2 * 0.5 + 0.5 * 0.8)
    assert picture[32, 32, 0] == pytest.approx(255 * srgb_from_linear(np.full((1, 3), want))[0, 0], abs=3)


def test_faces_are_seen_from_both_sides_alike():
    mesh = ball()
    light = Light(np.array([0.0, 0.6, 0.8]))
    front = Studio(plain(mesh)).picture(FRONT, 64, light)
    back = Studio(plain(Mesh(mesh.vertices, mesh.faces[:, ::-1]))).picture(FRONT, 64, light)
    assert (front == back).all()


def test_glass_lets_what_is_behind_shine_through():
    from isofield.data.painted import joined

    both = joined([wall(0.2, 0.5, (1, 0, 0), opacity=0.4), wall(-0.2, 1.2, (0, 0, 1))])
    picture = Studio(both).picture(FRONT, 64, EVEN)
    assert picture[32, 32] == pytest.approx([0.4 * 255, 0, 0.6 * 255], abs=1)
    alone = Studio(wall(0.2, 0.5, (1, 0, 0), opacity=0.4)).picture(FRONT, 64, EVEN)
    assert alone[32, 32] == pytest.approx([255, 0.6 * 255, 0.6 * 255], abs=1)


def test_textures_lie_the_right_way_round():
    image = np.full((2, 2, 4), 255, np.uint8)
    image[..., :3] = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]]  # the upper row first
    picture = Studio(wall(image=image)).picture(FRONT, 64, EVEN)
    assert picture[20, 20].tolist() == [255, 0, 0]
    assert picture[20, 44].tolist() == [0, 255, 0]
    assert picture[44, 20].tolist() == [0, 0, 255]


def test_holes_in_textures_are_holes():
    image = np.full((2, 2, 4), 255, np.uint8)
    image[..., :3] = 0
    image[0, :, 3] = 0
    picture = Studio(wall(image=image)).picture(FRONT, 64, EVEN)
    assert picture[20, 32].tolist() == [255, 255, 255]
    assert picture[44, 32].tolist() == [0, 0, 0]


def test_fine_textures_are_averaged():
    image = np.full((256, 256, 4), 255, np.uint8)
    image[..., :3] = 255 * (np.indices((256, 256)).sum(axis=0) % 2)[..., None]
    texels = Texels(wall(image=image))
    found = texels.at(np.zeros(5, np.int64), np.full((5, 3), 1 / 3), sample=1 / 16)
    assert found[:, :3] == pytest.approx(0.5)
    sharp = texels.at(np.zeros(5, np.int64), np.full((5, 3), 1 / 3), sample=1e-4)
    assert set(sharp[:, 0].tolist()) <= {0.0, 1.0}


def test_pixels_are_means_of_their_samples():
    painted = plain(ball(subdivisions=2))
    light = Light(np.array([0.0, 0.6, 0.8]))
    fine = Studio(painted, samples=1).picture(Camera.orbiting(0.0, 0.0, 2.0, 128.0, 128), 128, light)
    plainly = fine.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    picture = Studio(painted, samples=2).picture(FRONT, 64, light)
    assert picture.astype(float) == pytest.approx(plainly, abs=1.01)


# Cameras


def test_the_object_fills_the_picture_as_far_as_told():
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 3)) * [1, 0.3, 0.6]
    for seed in range(20):
        camera = fitting(points, np.random.default_rng(seed), 224)
        pixels, depth = camera.project(points)
        assert (depth > 0).all()
        assert FILL[0] - 1e-6 <= np.abs(pixels - 112).max() / 112 <= FILL[1] + 1e-6
        height = camera.centre[1] / np.linalg.norm(camera.centre)
        assert np.sin(np.radians(25)) <= height <= np.sin(np.radians(30))


def test_the_same_name_gives_the_same_pictures():
    first, again, other = (photographed(plain(ball()), 2, 32, name) for name in ("a", "a", "b"))
    assert all((x.image == y.image).all() for x, y in zip(first, again, strict=True))
    assert (first[0].camera.camera_from_world != first[1].camera.camera_from_world).any()
    assert (first[0].camera.camera_from_world != other[0].camera.camera_from_world).any()


# Materials


def test_materials_and_textures_of_an_obj(tmp_path):
    painted = read_painted(write_box(tmp_path / "box"))
    textured = painted.texture >= 0
    assert (len(painted.corners), int(textured.sum())) == (12, 2)
    assert painted.colours[~textured] == pytest.approx(np.tile([1.0, 0, 0], (10, 3, 1)))
    assert painted.opacity[~textured] == pytest.approx(GLASS)
    assert painted.textures[painted.texture[textured][0]][0, 0].tolist() == [0, 255, 0, 255]


def test_an_obj_without_its_materials_is_grey(tmp_path):
    path = write_box(tmp_path / "box")
    (path.parent / "box.mtl").unlink()
    assert np.ptp(read_painted(path).colours) == 0


# In a data set


def test_prepare_adds_only_the_pictures_that_are_missing(tmp_path):
    write_box(tmp_path / "in" / "boxes" / "crate")
    out = tmp_path / "out"
    prepare(find_models([tmp_path / "in"]), out, Settings(points=4000, near=0, cloud=4000, views=0))
    (item,) = items(out)
    assert item.views() == 0
    stamp = (item.folder / "points.npz").stat().st_mtime_ns
    manifest = prepare(find_models([tmp_path / "in"]), out, FEW)
    assert item.views() == 2
    assert (item.folder / "points.npz").stat().st_mtime_ns == stamp
    (entry,) = manifest.entries.values()
    assert {VIEWS, VOXELS} < set(entry.bytes)
    made = []
    prepare(find_models([tmp_path / "in"]), out, FEW, report=lambda d, t, e: made.append(e.id))
    assert made == []
    (item.folder / VOXELS).unlink()
    picture = (item.folder / "img_choy2016" / "001.jpg").read_bytes()
    (item.folder / VIEWS).unlink()
    prepare(find_models([tmp_path / "in"]), out, FEW, report=lambda d, t, e: made.append(e.id))
    assert made == ["crate-box"]
    assert (item.folder / "img_choy2016" / "001.jpg").read_bytes() == picture
    assert (item.folder / "points.npz").stat().st_mtime_ns == stamp
    assert item.voxels().occupied.any()


def test_cameras_see_the_surface_where_the_picture_does(tmp_path):
    write_box(tmp_path / "in" / "boxes" / "crate")
    prepare(find_models([tmp_path / "in"]), tmp_path / "out", replace(FEW, cloud=30_000))
    (item,) = items(tmp_path / "out")
    frame = item.world_from_unit()
    assert (frame.scale, frame.translation.tolist()) == (2, [1, 0.5, 0.5])
    for view in range(2):
        camera, image = item.camera(view), item.image(view)
        pixels = np.floor(camera.project(item.cloud().points)[0]).astype(int)
        hit = np.zeros((64, 64), bool)
        hit[pixels[:, 1], pixels[:, 0]] = True
        seen = image.min(axis=2) < 0.9
        assert (hit & seen).sum() > 0.9 * (hit | seen).sum()
        stored = np.load(item.folder / VIEWS)[f"world_mat_{view}"]
        assert stored[:, :3] @ stored[:, :3].T == pytest.approx(np.eye(3))


def test_catalogues_turn_models_upright_with_their_materials(tmp_path):
    path = write_box(tmp_path / "box")
    with zipfile.ZipFile(tmp_path / "things.sh3f", "w") as archive:
        for name in ("box.obj", "box.mtl", "chart.png"):
            archive.write(path.parent / name, f"lib/box/{name}")
        archive.writestr(
            "PluginFurnitureCatalog.properties",
            "name#1=Red box\ntags#1=Storage\ncategory#1=Bedroom\nmodel#1=/lib/box/box.obj\n"
            "modelRotation#1=1 0 0 0 0 1 0 -1 0\n",
        )
    (model,) = find_models([tmp_path / "things.sh3f"])
    assert (model.title, model.tags) == ("Red box", "Storage")
    mesh = model.read()
    plain_mesh = read_painted(path).corners.reshape(-1, 3)
    # z of the file becomes up: (x, y, z) -> (x, z, -y)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([2, 1, 1])
    assert mesh.vertices[:, 2].min() == -1
    painted = model.read_painted()
    assert painted.corners.reshape(-1, 3) == pytest.approx(plain_mesh[:, [0, 2, 1]] * [1, 1, -1])
    assert len(painted.textures) == 1
    assert "-" in model.fingerprint()


def test_what_can_not_be_pictured_keeps_its_samples(tmp_path, monkeypatch):
    from isofield.data import complete

    def fail(*arguments):
        raise ValueError("out of paint")

    monkeypatch.setattr(complete, "photographed", fail)
    write_box(tmp_path / "in" / "boxes" / "crate")
    (entry,) = prepare(find_models([tmp_path / "in"]), tmp_path / "out", FEW).entries.values()
    assert (entry.status, entry.reason, entry.views) == ("ok", "no pictures: out of paint", 0)
    assert len(items(tmp_path / "out")) == 1
