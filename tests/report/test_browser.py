"""The report in a real browser, without network: is the mesh there, does it turn, does nothing complain?"""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from isofield.data import write_points
from isofield.geometry import Mesh
from isofield.observation import PointCloud
from isofield.report import Contents, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
]  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian's is `apt-get install chromium`"),
]


@pytest.fixture
def report(tmp_path, ball_system):
    """Report about a green ball, made by the command line."""
    from isofield.cli import main

    normals = np.random.default_rng(0).normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colours = np.tile([0.1, 0.8, 0.2], (4000, 1))
    write_points(tmp_path / "ball.ply", PointCloud(100 + 3 * normals, colours=colours))
    assert main(["reconstruct", str(tmp_path / "ball.ply"), "--quiet"]) == 0
    return tmp_path / "ball.mesh.report.html"


def block() -> Mesh:
    """A blue block that is three times as tall as it is wide."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 3) for z in (0, 1)], dtype=float)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([[(a, b, c), (a, c, d)] for a, b, c, d in sides], dtype=np.int64).reshape(-1, 3)
    return Mesh(corners, faces, colours=np.tile([0.1, 0.2, 0.9], (8, 1)))


def report_of_a_block(path: Path, image: np.ndarray | None) -> Path:
    """Report about the block, made from a picture or from nothing."""
    found = {"mesh": {"is_closed": True}, "system": "onet", "notes": {"level": 0.2}}
    write_report(path, Contents("red.png", None, block(), found, {"extract": 0.5}, image=image))
    return path


@pytest.fixture(scope="module")
def browser():
    """Chromium, started once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, report: Path) -> Iterator[Any]:
    """The report, drawn; whatever the page logs is an error."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1100, "height": 1000})
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def page(browser, report):
    """The report about the ball, drawn."""
    with opened(browser, report) as page:
        yield page


def pixels(page, canvas: str) -> np.ndarray:
    """What the canvas shows, as `(h w 3)` in [0, 1]."""
    # Two frames: one may be under way with what was there before a choice was made.
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shot = page.locator(canvas).screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=float) / 255


def drawn(picture: np.ndarray) -> np.ndarray:
    """Mask of what differs from the background, which the corner shows."""
    return np.abs(picture - picture[5, 5]).max(axis=2) > 0.08


def test_both_panes_show_the_ball_and_follow_the_hand(page):
    for canvas in ("#pane-points", "#pane-mesh"):
        picture = pixels(page, canvas)
        there = drawn(picture)
        assert 0.15 < there.mean() < 0.8, canvas
        rows, columns = np.nonzero(there)
        assert rows.mean() == pytest.approx(picture.shape[0] / 2, abs=12)
        assert columns.mean() == pytest.approx(picture.shape[1] / 2, abs=12)

    green = pixels(page, "#pane-points")
    red, middle, blue = green[drawn(green)].mean(axis=0)
    assert middle > 1.5 * max(red, blue)

    # The stand-in paints its ball by position, so a turn by the mouse changes the colours.
    before = pixels(page, "#pane-mesh")
    box = page.locator("#pane-points").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 230, steps=4)
    page.mouse.up()
    after = pixels(page, "#pane-mesh")
    assert np.abs(after - before).mean() > 0.02

    page.locator("#reset").click()
    assert np.abs(pixels(page, "#pane-mesh") - before).mean() < 0.01

    page.select_option("#mesh-as", "clay")
    clay = pixels(page, "#pane-mesh")
    spread = np.ptp(clay[drawn(clay)], axis=1)
    assert spread.mean() < 0.2  # no longer coloured
    page.select_option("#points-as", "distance")
    near = pixels(page, "#pane-points")
    assert np.abs(near - green).mean() > 0.02
    page.check("#wire")
    assert pixels(page, "#pane-mesh").mean() < clay.mean()


def test_a_picture_stands_beside_the_mesh(browser, tmp_path):
    image = np.ones((60, 90, 3))
    image[20:40, 30:60] = [0.9, 0.1, 0.1]
    with opened(browser, report_of_a_block(tmp_path / "r.html", image)) as page:
        shown = pixels(page, "#picture")
        assert page.get_by_alt_text("the picture that came in, red.png").count() == 1
        assert page.evaluate("() => [picture.naturalWidth, picture.naturalHeight]") == [90, 60]
        red = (shown[..., 0] > 0.7) & (shown[..., 1] < 0.4)
        rows, columns = np.nonzero(red)
        assert np.ptp(columns) / np.ptp(rows) == pytest.approx(1.5, abs=0.05)  # not stretched
        assert columns.mean() == pytest.approx(shown.shape[1] / 2, abs=2)

        block = pixels(page, "#pane-mesh")
        there = drawn(block)
        assert np.ptp(np.nonzero(there)[0]) > 1.5 * np.ptp(np.nonzero(there)[1])  # y is up
        assert block[there].mean(axis=0).argmax() == 2
        left, right = (page.locator(name).bounding_box() for name in ("figcaption.bar", "div.bar"))
        for side in ("y", "width", "height"):
            assert left[side] == pytest.approx(right[side], abs=1)

        page.locator("#pane-mesh").press("ArrowLeft")
        assert np.abs(pixels(page, "#pane-mesh") - block).mean() > 0.005
        page.locator("#reset").click()
        page.select_option("#mesh-as", "normals")
        page.check("#wire")
        assert np.abs(pixels(page, "#pane-mesh") - block).mean() > 0.01


def test_a_mesh_alone_fills_the_page(browser, tmp_path):
    with opened(browser, report_of_a_block(tmp_path / "r.html", None)) as page:
        assert drawn(pixels(page, "#pane-mesh")).mean() > 0.03
        pane = page.locator(".pane").bounding_box()
        assert pane["width"] == pytest.approx(page.locator(".panes").bounding_box()["width"])


def test_elements_take_the_place_of_the_surface(browser, tmp_path):
    elements = {
        "centres": [[0.5, 1.0, 0.5], [0.5, 2.5, 0.5]],
        "radii": [[0.3, 0.3, 0.3], [0.2, 0.4, 0.2]],
        "rotations": [np.eye(3).tolist()] * 2,
        "symmetric": 0,
        "axis": "z",
    }
    found = {"mesh": {"is_closed": True}, "system": "ldif", "notes": {"elements": elements}}
    write_report(tmp_path / "r.html", Contents("block", None, block(), found, {"extract": 0.5}))
    with opened(browser, tmp_path / "r.html") as page:
        before = pixels(page, "#pane-mesh")
        page.check("#elements")
        shown = pixels(page, "#pane-mesh")
        assert np.abs(shown - before).mean() > 0.02
        assert drawn(shown).mean() < drawn(before).mean()  # the ellipsoids are smaller than their block
        page.uncheck("#elements")
        assert np.abs(pixels(page, "#pane-mesh") - before).mean() < 0.01
