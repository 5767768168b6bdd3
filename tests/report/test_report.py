import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from isofield.geometry import Mesh
from isofield.observation import PointCloud
from isofield.report import Contents, write_report
from isofield.report.contents import up_axis
from isofield.report.pages import three_js
from isofield.report.panes import shrunk


@pytest.fixture
def contents() -> Contents:
    """A tetrahedron, and points on one of its faces."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    mesh = Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    points = np.random.default_rng(0).random((60_000, 3)) * [0.5, 0.5, 0.1]
    return Contents(
        title="a <b> & c.ply",
        cloud=PointCloud(points),
        mesh=mesh,
        found={"mesh": {"is_closed": True, "faces": 4}, "system": "gauss", "notes": {"level": 0.5}},
        seconds={"read": 0.25, "extract": 1.5},
        warnings=["beware of </script>"],
        command="isofield reconstruct 'a <b>.ply'",
    )


class Texts(HTMLParser):
    """Everything that a reader sees, and every element's attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.links, self.inside, self.ids, self.alt = [], [], [], set(), []

    def handle_starttag(self, tag, attrs):
        self.inside.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.ids |= {value for name, value in attrs if name == "id"}
        self.alt += [value for name, value in attrs if name == "alt"]

    def handle_data(self, data):
        if self.inside and self.inside[-1] not in ("script", "style"):
            self.seen.append(data)


def read(path) -> tuple[str, Texts, dict]:
    """The words on the page, its elements, and what its viewer draws."""
    page, reader = path.read_text(), Texts()
    reader.feed(page)
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.S)[1])
    assert "<!--" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)
    return " ".join(reader.seen), reader, data


def test_page_says_what_was_found_and_asks_the_network_for_nothing(contents, tmp_path):
    write_report(tmp_path / "r.html", contents)
    text, reader, _ = read(tmp_path / "r.html")
    for words in (
        "a <b> & c.ply",
        "beware of </script>",
        "50,000 of 60,000 points shown",
        "4 faces",
        "gauss",
        "1.50 s",
    ):
        assert words in text
    assert reader.links == []


def test_data_keeps_what_fits_on_the_page(contents, tmp_path):
    summary = write_report(tmp_path / "r.html", contents)
    _, _, data = read(tmp_path / "r.html")
    assert data["points"]["measured"] == summary["measured"] == 20_000
    assert data["up"] == "z"
    assert len(data["mesh"]["faces"]["data"]) == 4 * 3 * 2 * 4 // 3
    assert summary["max"] <= 0.1


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_picture_stands_where_the_points_would(contents, tmp_path, kind):
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(kind) / kind(255)
    assert write_report(tmp_path / "r.html", replace(contents, cloud=None, image=image)) is None
    text, reader, data = read(tmp_path / "r.html")
    assert "32 x 24 pixels in" in text
    assert reader.alt == ["the picture that came in, a <b> & c.ply"]
    head, png = reader.links[0].split(",")
    assert head == "data:image/png;base64"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))), kind) / kind(255)
    assert (shown == image).all()
    assert len(reader.links) == 1
    assert {"pane-mesh", "picture"} <= reader.ids
    assert not {"pane-points", "points-as", "size"} & reader.ids
    assert data.keys() == {"up", "centre", "diagonal", "mesh"}
    for words in ("4 faces", "1.50 s", "beware of </script>", "level"):
        assert words in text
    for words in ("distance", "points", "panes"):
        assert words not in text.casefold()


def test_a_mesh_from_nothing_has_the_page_for_itself(contents, tmp_path):
    assert write_report(tmp_path / "r.html", replace(contents, cloud=None)) is None
    text, reader, data = read(tmp_path / "r.html")
    assert {"pane-mesh"} == {name for name in reader.ids if name.startswith("pane") or name == "picture"}
    assert reader.links == []
    assert " in " not in text[text.index("isofield, system") : text.index("faces out")]
    assert data["mesh"].keys() == {"positions", "normals", "faces"}
    # The unit tetrahedron fills its cube, so that the middle of the view is the middle of the cube.
    assert data["centre"] == pytest.approx([0.5] * 3)
    assert data["diagonal"] == pytest.approx(3**0.5)


@pytest.mark.parametrize(("shape", "shown"), [((8, 3000), (3, 1024)), ((1024, 5), (1024, 5))])
def test_large_pictures_are_made_smaller_and_the_page_says_so(contents, tmp_path, shape, shown):
    image = np.full((*shape, 3), 0.4)
    assert shrunk(image).shape[:2] == shown
    assert shrunk(image) == pytest.approx(0.4, abs=0.5 / 255)
    write_report(tmp_path / "r.html", replace(contents, cloud=None, image=image))
    text, _, _ = read(tmp_path / "r.html")
    assert f"{shape[1]} x {shape[0]} pixels" in text
    assert (f", shown at {shown[1]} x {shown[0]}" in text) is (shape != shown)


def test_same_report_twice_is_the_same(contents, tmp_path):
    write_report(tmp_path / "one.html", contents)
    write_report(tmp_path / "two.html", contents)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_three_js_is_the_core_with_its_licence():
    script = three_js()
    assert "SPDX-License-Identifier: MIT" in script
    assert "WebGLRenderer" in script
    assert "GLTFLoader" not in script
    assert "</script" not in script


@pytest.mark.parametrize(("extent", "axis"), [((1, 1, 1), "y"), ((4, 5, 1), "z"), ((1, 4, 4), "y")])
def test_flat_scans_lie_on_the_ground(extent, axis):
    cloud = PointCloud(np.random.default_rng(0).random((100, 3)) * extent)
    assert up_axis(cloud) == axis
    assert up_axis(cloud, "x") == "x"


def test_without_points_y_is_up_unless_told():
    assert up_axis(None) == "y"
    assert up_axis(None, "z") == "z"
