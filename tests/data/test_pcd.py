"""PCD in all its forms against columns we know."""

import time

import numpy as np
import pytest

from isofield.data import read_points
from isofield.data.lzf import decompress
from isofield.errors import InputError

FORMS = ["ascii", "binary", "binary_compressed"]


@pytest.fixture
def fields(columns):
    """Positions, normals by their PCL names, and a packed colour."""
    table = {n: columns[n] for n in "xyz"} | {f"normal_{n}": columns[f"n{n}"] for n in "xyz"}
    red, green, blue = (columns[n].astype(np.uint32) for n in ("red", "green", "blue"))
    return table | {"rgb": red << 16 | green << 8 | blue}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_columns(tmp_path, disk, columns, fields, form):
    path = tmp_path / "scan.pcd"
    path.write_bytes(disk.pcd_bytes(fields, form))
    cloud = read_points(path)
    np.testing.assert_array_equal(cloud.points, np.stack([columns[n] for n in "xyz"], axis=1))
    np.testing.assert_allclose(cloud.normals, np.stack([columns[f"n{n}"] for n in "xyz"], axis=1), atol=1e-7)
    np.testing.assert_array_equal(
        cloud.colours, np.stack([columns[n] for n in ("red", "green", "blue")], axis=1) / 255
    )
    assert cloud.sensors is None


@pytest.mark.parametrize("form", FORMS)
def test_colours_packed_into_floats(tmp_path, disk, columns, fields, form):
    fields["rgb"] = fields["rgb"].view(np.float32)
    path = tmp_path / "scan.pcd"
    path.write_bytes(disk.pcd_bytes(fields, form))
    expected = np.stack([columns[n] for n in ("red", "green", "blue")], axis=1) / 255
    np.testing.assert_array_equal(read_points(path).colours, expected)


@pytest.mark.parametrize("form", FORMS)
def test_organised_clouds_have_holes_and_a_sensor(tmp_path, disk, columns, form):
    table = {n: columns[n].copy() for n in "xyz"}
    table["z"][3:7] = np.nan
    path = tmp_path / "scan.pcd"
    path.write_bytes(disk.pcd_bytes(table, form, width=5, height=4, view="1 2 3"))
    cloud = read_points(path)
    assert len(cloud) == 16
    np.testing.assert_array_equal(cloud.sensors, np.tile([1.0, 2, 3], (16, 1)))


def test_fields_with_counts_and_padding(tmp_path, disk, columns):
    table = np.zeros(3, [("a", "<f4"), ("x", "<f4"), ("h", "<u2", 5), ("y", "<f8"), ("z", "i1"), ("b", "u1")])
    table["x"], table["y"], table["z"] = [1, 2, 3], [4, 5, 6], [7, -8, 9]
    header = (
        "VERSION .5\nFIELDS _ x hist y z _\nSIZE 4 4 2 8 1 1\nTYPE F F U F I U\nCOUNT 1 1 5 1 1 1\n"
        "WIDTH 3\nHEIGHT 1\nDATA binary\n"
    )
    path = tmp_path / "scan.pcd"
    path.write_bytes(header.encode() + table.tobytes())
    np.testing.assert_array_equal(read_points(path).points, [[1, 4, 7], [2, 5, -8], [3, 6, 9]])


@pytest.mark.parametrize("form", ["ascii", "binary"])
def test_cut_off_files_say_how_much_is_there(tmp_path, disk, columns, form):
    path = tmp_path / "scan.pcd"
    whole = disk.pcd_bytes({n: columns[n] for n in "xyz"}, form)
    path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1] if form == "ascii" else whole[:-1])
    with pytest.raises(InputError, match="promises 20 points, but only 19 are there"):
        read_points(path)


def test_cut_off_compressed_files(tmp_path, disk, columns):
    path = tmp_path / "scan.pcd"
    path.write_bytes(disk.pcd_bytes(columns, "binary_compressed")[:-1])
    with pytest.raises(InputError, match=r"is cut off: of .* compressed bytes only"):
        read_points(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_header_of_a_billion_points_allocates_nothing(tmp_path, disk, columns, form):
    path = tmp_path / "scan.pcd"
    data = disk.pcd_bytes(columns, form).replace(b"POINTS 20", b"POINTS 1000000000")
    path.write_bytes(data)
    start = time.perf_counter()
    with pytest.raises(InputError, match="promises 1000000000 points"):
        read_points(path)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b"DATA binary", b"DATA zipped", "unknown kind 'zipped'"),
        (b"FIELDS x y z", b"FIELDS x y", "differ in length"),
        (b"SIZE 4 4 4", b"SIZE 4 4 3", "makes no sense"),
        (b"POINTS 20", b"POINTS -1", "POINTS is negative"),
        (b"FIELDS x y z", b"FIELDS a b c", "no x, y and z"),
        (b"DATA binary\n", b"", "no complete PCD header"),
    ],
)
def test_odd_headers(tmp_path, disk, columns, old, new, sentence):
    path = tmp_path / "scan.pcd"
    path.write_bytes(disk.pcd_bytes({n: columns[n] for n in "xyz"}, "binary").replace(old, new))
    with pytest.raises(InputError, match=sentence):
        read_points(path)


def test_lzf_by_hand():
    # "abcabcabcabcX": three literals, a copy of nine bytes from three back, one literal.
    packed = bytes([2]) + b"abc" + bytes([7 << 5, 0, 2]) + bytes([0]) + b"X"
    assert decompress(packed, 13, "hand") == b"abcabcabcabcX"


def test_lzf_inverts_a_compressor(disk):
    draw = np.random.default_rng(0)
    for high in (2, 5, 256):
        raw = draw.integers(0, high, 3000).astype(np.uint8).tobytes()
        assert decompress(disk.lzf_bytes(raw), len(raw), "test") == raw
    zeros = bytes(5000)
    assert decompress(disk.lzf_bytes(zeros), 5000, "test") == zeros


@pytest.mark.parametrize("packed", [b"\x05ab", b"\x20", b"\x20\x05", b"\xe0", b"\xe0\x01"])
def test_lzf_damage(packed):
    with pytest.raises(InputError, match="does not unpack"):
        decompress(packed, 6, "scan.pcd")
