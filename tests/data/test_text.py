"""Text tables as people write them."""

import numpy as np
import pytest

from isofield.data import read_points, text
from isofield.errors import InputError

POINTS = np.array([[1, 2, 3.5], [-4e-3, 5, 6], [7, 8, 9]])
NORMALS = np.array([[1, 0, 0], [0, -1, 0], [0.6, 0, 0.8]])
BYTES = np.array([[255, 0, 9], [128, 64, 32], [1, 2, 3]])


def write(path, *columns, sep=" ", head="", tail=""):
    rows = [sep.join(f"{v:g}" for v in row) for row in np.hstack(columns)]
    path.write_text(head + "\n".join(rows) + "\n" + tail)
    return path


@pytest.mark.parametrize("sep", [" ", "\t", ",", ";", ", ", "  "])
@pytest.mark.parametrize("extension", ["xyz", "txt", "csv", "asc"])
def test_separators(tmp_path, sep, extension):
    cloud = read_points(write(tmp_path / f"a.{extension}", POINTS, NORMALS, sep=sep))
    np.testing.assert_allclose(cloud.points, POINTS)
    np.testing.assert_allclose(cloud.normals, NORMALS)


def test_six_columns_are_normals_or_colours_by_their_values(tmp_path):
    assert read_points(write(tmp_path / "n.xyz", POINTS, NORMALS)).colours is None
    cloud = read_points(write(tmp_path / "c.xyz", POINTS, BYTES))
    assert cloud.normals is None
    np.testing.assert_allclose(cloud.colours, BYTES / 255)
    shares = read_points(write(tmp_path / "s.xyz", POINTS, BYTES / 255))
    np.testing.assert_allclose(shares.colours, BYTES / 255, atol=1e-5)


@pytest.mark.parametrize("order", [(NORMALS, BYTES), (BYTES, NORMALS)])
def test_nine_columns(tmp_path, order):
    cloud = read_points(write(tmp_path / "a.xyz", POINTS, *order))
    np.testing.assert_allclose(cloud.normals, NORMALS)
    np.testing.assert_allclose(cloud.colours, BYTES / 255)


def test_four_columns_hold_an_intensity_that_is_left_out(tmp_path):
    cloud = read_points(write(tmp_path / "a.xyz", POINTS, [[0.5], [7], [900]]))
    np.testing.assert_allclose(cloud.points, POINTS)
    assert cloud.normals is None
    assert cloud.colours is None


def test_pts_begins_with_a_count_and_has_intensities(tmp_path):
    cloud = read_points(write(tmp_path / "a.pts", POINTS, [[-1200], [3], [5]], BYTES, head="3\n"))
    np.testing.assert_allclose(cloud.points, POINTS)
    np.testing.assert_allclose(cloud.colours, BYTES / 255)


@pytest.mark.parametrize(
    "head",
    [
        "//X Y Z R G B Nx Ny Nz\n",
        "x,y,z,red,green,blue,nx,ny,nz\n",
        "# x y z r g b nx ny nz\n",
        "9 columns\n",
    ],
)
def test_headers(tmp_path, head):
    cloud = read_points(write(tmp_path / "a.txt", POINTS, BYTES, NORMALS, head=head))
    np.testing.assert_allclose(cloud.points, POINTS)
    np.testing.assert_allclose(cloud.normals, NORMALS)
    np.testing.assert_allclose(cloud.colours, BYTES / 255)


def test_headers_say_which_column_is_which(tmp_path):
    path = write(tmp_path / "a.csv", [[9], [9], [9]], POINTS[:, ::-1], sep=";", head='"id";"Z";"Y (m)";"X"\n')
    np.testing.assert_allclose(read_points(path).points, POINTS)


def test_comments_and_blank_lines_anywhere(tmp_path):
    path = write(
        tmp_path / "a.xyz", POINTS, head="# scanned on a day\n\n", tail="\n# half time\n0 1 2 # last\n"
    )
    np.testing.assert_allclose(read_points(path).points, [*POINTS, [0, 1, 2]])


def test_decimal_commas(tmp_path):
    (tmp_path / "a.csv").write_text("x;y;z\n1,5;2;3\n4;5,25;6\n")
    np.testing.assert_allclose(read_points(tmp_path / "a.csv").points, [[1.5, 2, 3], [4, 5.25, 6]])


def test_empty_fields_and_words_for_nothing_are_dropped(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,3\n4,,6\n7,8,nan\n1e400,0,0\n10,11,12\n")
    np.testing.assert_allclose(read_points(tmp_path / "a.csv").points, [[1, 2, 3], [10, 11, 12]])


def test_no_newline_at_the_end_and_windows_lines(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"1 2 3\r\n4 5 6\r\n7 8 9")
    np.testing.assert_allclose(read_points(tmp_path / "a.xyz").points, [[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_blocks_join_seamlessly(tmp_path, monkeypatch):
    points = np.random.default_rng(0).normal(size=(500, 3))
    path = tmp_path / "a.xyz"
    np.savetxt(path, points, fmt="%.17g")
    monkeypatch.setattr(text, "BLOCK", 777)
    np.testing.assert_array_equal(read_points(path).points, points)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("1 2\n3 4\n", "has 2 columns; points need at least three"),
        ("1 2 3\n4 5\n", "has 2 numbers in row 2 of its data, but 3 in the first"),
        ("1 2 3\n4 five 6\n", "has 'five' where a number should be, in row 2"),
        ("hello world 1\nthis is text\n", "holds no rows of numbers"),
        ("ncols 3\nnrows 2\n1 2 3\n", "ESRI grid"),
    ],
)
def test_odd_tables(tmp_path, content, sentence):
    (tmp_path / "a.xyz").write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_points(tmp_path / "a.xyz")
