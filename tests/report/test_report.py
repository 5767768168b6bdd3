import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from isofield.geometry import Mesh
from isofield.observation import PointCloud
from isofield.report import Contents, write_report
from isofield.report.report import three_js, up_axis


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
        self.seen, self.links, self.inside = [], [], []

    def handle_starttag(self, tag, attrs):
        self.inside.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        if self.inside and self.inside[-1] not in ("script", "style"):
            self.seen.append(data)


def test_page_says_what_was_found_and_asks_the_network_for_nothing(contents, tmp_path):
    write_report(tmp_path / "r.html", contents)
    page = (tmp_path / "r.html").read_text()
    reader = Texts()
    reader.feed(page)
    text = " ".join(reader.seen)
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
    assert "<!--" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)


def test_data_keeps_what_fits_on_the_page(contents, tmp_path):
    summary = write_report(tmp_path / "r.html", contents)
    page = (tmp_path / "r.html").read_text()
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.S)[1])
    assert data["points"]["measured"] == summary["measured"] == 20_000
    assert data["up"] == "z"
    assert len(data["mesh"]["faces"]["data"]) == 4 * 3 * 2 * 4 // 3
    assert summary["max"] <= 0.1


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
