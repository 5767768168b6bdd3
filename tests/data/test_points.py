"""One door for all files: format by content, bad input in one sentence."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isofield.data import read_mesh, read_point_file, read_points, require_surface, write_mesh
from isofield.errors import InputError
from isofield.geometry import Mesh
from isofield.observation import PointCloud

TETRAHEDRON = Mesh(
    np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def refused(path, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read_points(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message


def test_points_that_are_not_finite_are_left_out_and_counted(tmp_path):
    (tmp_path / "a.xyz").write_text("1 2 3\nnan 5 6\n7 8 inf\n1 2 3\n")
    file = read_point_file(tmp_path / "a.xyz")
    np.testing.assert_array_equal(file.cloud.points, [[1, 2, 3], [1, 2, 3]])
    assert (file.claimed, file.dropped, file.kind) == (4, 2, "text")


def test_bad_files(tmp_path):
    for name, content, sentence in (
        ("empty.ply", b"", "is empty"),
        ("garbage.ply", bytes(range(120, 250)), "its content is not PLY; is it damaged"),
        ("nan.xyz", b"nan nan nan\nnan 1 2\n", "holds 2 points, but none has finite coordinates"),
        ("cloud.ply", b"1 2 3\n4 5 6\n", r"is named \.ply, but its content looks like a text table"),
        ("cloud.xyz", b"ply\nformat ascii 1.0\n", r"is named \.xyz, but its content looks like PLY"),
        ("cloud.pcd", b"\x93NUMPY", r"is named \.pcd, but its content looks like NPY"),
        ("cloud.foo", b"1 2 3\n", "says nothing about its format; it looks like a text table"),
        ("photo.png", b"\x89PNG", "is a picture, no points: `isofield reconstruct`"),
        ("cloud", b"\0\1\2", "says nothing about its format; known are ply"),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, sentence)
    refused(tmp_path / "missing.ply", "does not exist")
    refused(tmp_path, "is a folder, not a file")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.xyz"
    path.write_text("1 2 3\n")

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", denied)
    refused(path, "cannot be opened: Permission denied")


@pytest.mark.parametrize("form", ["ply", "obj", "off", "stl", "glb"])
def test_meshes_give_points_on_their_faces(tmp_path, form):
    path = tmp_path / f"mesh.{form}"
    write_mesh(path, TETRAHEDRON)
    file = read_point_file(path, count=5000, seed=1)
    points, normals = file.cloud.points, file.cloud.normals
    assert len(points) == 5000
    slanted = points.sum(axis=1) > 1 - 1e-6
    np.testing.assert_allclose(normals[slanted], np.full((slanted.sum(), 3), 3**-0.5), atol=1e-6)
    assert points[~slanted].min(axis=1).max() < 1e-6
    # The slanted face has sqrt(3) / (3 + sqrt(3)) of the area.
    assert slanted.mean() == pytest.approx(3**0.5 / (3 + 3**0.5), abs=0.03)
    np.testing.assert_array_equal(points, read_points(path, count=5000, seed=1).points)


def test_colours_of_a_mesh_are_interpolated(tmp_path):
    coloured = Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces, colours=TETRAHEDRON.vertices)
    write_mesh(tmp_path / "a.ply", coloured)
    cloud = read_points(tmp_path / "a.ply", count=500)
    np.testing.assert_allclose(cloud.colours, cloud.points, atol=0.01)


def test_bare_vertices_of_an_obj_are_points(tmp_path):
    (tmp_path / "a.obj").write_text("v 1 2 3\nv 4 5 6\nv 7 8 10\n")
    np.testing.assert_array_equal(read_points(tmp_path / "a.obj").points, [[1, 2, 3], [4, 5, 6], [7, 8, 10]])


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (np.zeros((1, 3)), "holds 1 point; a surface needs at least ten"),
        (np.full((50, 3), 7.7), "50 points, all at the same place"),
        (np.outer(np.linspace(0, 1, 50), [1, 2, 3]) + 5, "50 points, all on one line"),
    ],
)
def test_no_surface(points, sentence):
    with pytest.raises(InputError, match=sentence):
        require_surface(PointCloud(points), "scan.ply")


@pytest.mark.parametrize("offset", [0, 5e6])
def test_planes_and_balls_are_surfaces_wherever_they_are(offset):
    points = np.random.default_rng(0).normal(size=(50, 3)) + offset
    require_surface(PointCloud(points), "ball")
    require_surface(PointCloud(points * [1, 1, 0]), "plane")


@pytest.fixture(scope="module")
def valid(disk):
    draw = np.random.default_rng(0)
    columns = {name: draw.normal(size=12).astype(np.float32) for name in "xyz"}
    columns["red"] = draw.integers(0, 256, 12).astype(np.uint8)
    faces = [[0, 1, 2], [3, 4, 5, 6]]
    files = {
        f"{form}.ply": disk.ply_bytes(columns, form, faces=faces)
        for form in ("ascii", "binary_little_endian")
    }
    files["lists.ply"] = disk.ply_bytes(columns, "binary_big_endian", faces=faces[:1] * 3)
    return files | {
        f"{form}.pcd": disk.pcd_bytes(columns, form) for form in ("ascii", "binary", "binary_compressed")
    }


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_raise_nothing_but_input_errors(tmp_path, valid, data):
    name = data.draw(st.sampled_from(sorted(valid)))
    content = bytearray(valid[name])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    path = tmp_path / name
    path.write_bytes(content)
    for read in (lambda p: read_points(p, count=10), read_mesh):
        message = ""
        try:
            read(path)
        except InputError as error:
            message = str(error)
        assert "\n" not in message


def test_signalling_nan_is_a_nan_like_any_other(tmp_path, valid):
    """An exponent of ones and a fraction that begins with zero: widening it warns on some machines."""
    content = bytearray(valid["binary.pcd"])
    start = content.index(b"DATA binary\n") + len(b"DATA binary\n")
    content[start : start + 4] = np.uint32(0x7F800001).tobytes()
    path = tmp_path / "damaged.pcd"
    path.write_bytes(content)
    assert len(read_points(path, count=10).points) == 11
