"""PLY in all its forms against columns we know."""

import time

import numpy as np
import pytest

from isofield.data import read_mesh, read_points
from isofield.data.ply import read_ply
from isofield.errors import InputError

FORMS = ["ascii", "binary_little_endian", "binary_big_endian"]


def stack(columns, names):
    return np.stack([columns[name] for name in names], axis=1).astype(np.float64)


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_columns(tmp_path, disk, columns, form):
    path = tmp_path / "scan.ply"
    path.write_bytes(disk.ply_bytes(columns, form))
    cloud = read_points(path)
    np.testing.assert_array_equal(cloud.points, stack(columns, ("x", "y", "z")))
    np.testing.assert_allclose(cloud.normals, stack(columns, ("nx", "ny", "nz")), atol=1e-7)
    np.testing.assert_array_equal(cloud.colours, stack(columns, ("red", "green", "blue")) / 255)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [np.float64, np.int32, np.int16])
def test_other_number_types(tmp_path, disk, form, kind):
    values = np.arange(30).reshape(3, 10).astype(kind)
    path = tmp_path / "scan.ply"
    path.write_bytes(disk.ply_bytes(dict(zip("xyz", values, strict=True)), form))
    np.testing.assert_array_equal(read_points(path).points, values.T)


def test_float_colours_and_alpha(tmp_path, disk, columns):
    share = {n: (columns[n] / np.float32(255)).astype(np.float32) for n in ("red", "green", "blue")}
    table = {n: columns[n] for n in "xyz"} | share | {"alpha": columns["red"]}
    path = tmp_path / "scan.ply"
    path.write_bytes(disk.ply_bytes(table, "binary_little_endian"))
    np.testing.assert_allclose(read_points(path).colours, stack(share, share), atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("faces", [[[0, 1, 2], [2, 1, 3]], [[0, 1, 2], [3, 4, 5, 6], [7, 8, 9, 10, 11]]])
def test_faces_of_one_and_of_mixed_lengths(tmp_path, disk, columns, form, faces):
    path = tmp_path / "mesh.ply"
    path.write_bytes(disk.ply_bytes(columns, form, faces=faces))
    lengths, values = read_ply(path)["face"].lists["vertex_indices"]
    assert lengths.tolist() == [len(face) for face in faces]
    assert values.tolist() == [i for face in faces for i in face]
    mesh = read_mesh(path)
    fans = [[face[0], face[i], face[i + 1]] for face in faces for i in range(1, len(face) - 1)]
    assert mesh.faces.tolist() == fans


def test_lists_among_the_vertices_and_elements_before_them(tmp_path):
    header = (
        b"ply\r\nformat binary_big_endian 1.0\r\nelement camera 1\r\nproperty list uchar short ids\r\n"
        b"element vertex 2\r\nproperty float x\r\nproperty list int uchar tags\r\nproperty float y\r\n"
        b"property float z\r\nend_header\r\n"
    )
    f = lambda v: np.array(v, ">f4").tobytes()  # noqa: E731
    n = lambda v: np.array(v, ">i4").tobytes()  # noqa: E731
    body = b"\x02\x00\x01\x00\x02" + f(1) + n(3) + b"abc" + f([2, 3]) + f(4) + n(0) + f([5, 6])
    path = tmp_path / "scan.ply"
    path.write_bytes(header + body)
    np.testing.assert_array_equal(read_points(path).points, [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize("form", FORMS)
def test_cut_off_files_say_how_much_is_there(tmp_path, disk, columns, form):
    path = tmp_path / "scan.ply"
    whole = disk.ply_bytes({n: columns[n] for n in "xyz"}, form)
    path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1] if form == "ascii" else whole[:-1])
    with pytest.raises(InputError, match=r"promises 20 points, but only 19 are there"):
        read_points(path)


def test_a_header_of_a_billion_points_allocates_nothing(tmp_path, disk, columns):
    path = tmp_path / "scan.ply"
    for form in FORMS:
        data = disk.ply_bytes(columns, form).replace(b"element vertex 20", b"element vertex 1000000000")
        path.write_bytes(data)
        start = time.perf_counter()
        with pytest.raises(InputError, match="promises 1000000000 points, but only 20 are there"):
            read_points(path)
        assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\n", "no complete PLY header"),
        ("ply\nelement vertex 1\nproperty float x\nend_header\n1\n", "whether it is ascii or binary"),
        ("ply\nformat ascii 1.0\nelement vertex many\nend_header\n", "means nothing: 'element vertex many'"),
        ("ply\nformat ascii 1.0\nproperty float x\nend_header\n", "means nothing"),
        ("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n", "no x, y and z"),
        ("ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nend_header\n", "holds no points"),
    ],
)
def test_odd_headers(tmp_path, header, sentence):
    path = tmp_path / "scan.ply"
    path.write_text(header)
    with pytest.raises(InputError, match=sentence):
        read_points(path)
