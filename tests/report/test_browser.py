"""The report in a real browser, without network: is the mesh there, does it turn, does nothing complain?"""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from isofield.data import write_points
from isofield.observation import PointCloud

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


@pytest.fixture
def page(report):
    """The report, drawn; whatever the page logs is an error."""
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 1000})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith("file:") else None)
        page.goto(report.as_uri())
        page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)
        yield page
        browser.close()
    assert complaints == []


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
