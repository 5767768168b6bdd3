"""A page of photos with the box and the axes of their scene drawn on them, and the cameras from above."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data.atomic import atomic_write
from isofield.data.photo_survey import PhotoSurvey, corners_of
from isofield.data.view_frame import ViewFrame
from isofield.geometry.camera import Camera
from isofield.observation import Views
from isofield.report.pages import fill, resource
from isofield.report.plans import plan
from isofield.report.tables import table, warnings

MOST = 120
"""Pictures on one page."""
EDGES = [(a, b) for a in range(8) for b in range(8) if a < b and bin(a ^ b).count("1") == 1]
"""Of a box, as pairs of `corners_of`."""


@dataclass(frozen=True)
class PhotosPage:
    """What the page shows."""

    title: str
    views: Views
    """Small."""
    frame: ViewFrame
    survey: PhotoSurvey
    rows: Mapping[str, str]
    warnings: Sequence[str]
    following: str
    """The command to type next."""


def write_photos_page(path: Path, page: PhotosPage) -> None:
    """Writes one file that needs no network.

    Raises:
        InputError: It cannot be written.
    """
    count = len(page.views)
    shown = sorted(
        {*page.survey.jumps[: MOST // 2], *np.unique(np.linspace(0, count - 1, MOST).round().astype(int))}
    )
    held_out = page.views.held_out or [False] * count
    scene = [camera.moved(page.frame.scene_from_world) for camera in page.views.cameras]
    figures = {"pictures": f"{count}", "looking": page.frame.looks, "box from": page.frame.source}
    parts = {
        "title": html.escape(page.title),
        "style": resource("style.css"),
        "figures": "".join(f"<div><b>{html.escape(v)}</b>{k}</div>" for k, v in figures.items()),
        "warnings": warnings(page.warnings),
        "table": table(page.rows),
        "plans": plan(scene, held_out, page.frame.content, (0, 2), "from above: x to the right, z down")
        + plan(scene, held_out, page.frame.content, (0, 1), "from the front: x to the right, y up"),
        "shown": "every picture" if len(shown) == count else f"{len(shown)} of {count} pictures",
        "photos": "".join(_photo(page, int(i)) for i in shown),
        "next": html.escape(page.following),
    }
    with atomic_write(path) as temporary:
        temporary.write_text(fill(resource("photos.html"), parts), encoding="utf-8")


def _photo(page: PhotosPage, i: int) -> str:
    """The picture under its box."""
    image, camera = page.views.images[i], page.views.cameras[i]
    if page.views.masks is not None:
        image = image * page.views.masks[i][..., None] + (1 - page.views.masks[i][..., None])
    height, width = image.shape[:2]
    lines = _box_lines(page.frame, camera)
    stops = float(page.survey.exposure[i])
    flag, word = ("flag", f" <span>{stops:+.1f} stops</span>") if i in page.survey.jumps else ("", "")
    kept = " · held out" if page.views.held_out is not None and page.views.held_out[i] else ""
    return (
        f'<figure class="{flag}"><svg viewBox="0 0 {width} {height}" role="img"><image href="{_jpeg(image)}"'
        f' width="{width}" height="{height}"/>{lines}</svg>'
        f"<figcaption>{html.escape(page.views.names[i])}{kept}{word}</figcaption></figure>"
    )


def _box_lines(frame: ViewFrame, camera: Camera) -> str:
    corners = corners_of(frame.content)
    parts = [_line(frame, camera, corners[a], corners[b], "box") for a, b in EDGES]
    middle = np.zeros(3)
    parts += [_line(frame, camera, middle, 0.3 * np.eye(3)[k], name) for k, name in enumerate("xyz")]
    return "".join(parts)


def _line(
    frame: ViewFrame, camera: Camera, start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"], kind: str
) -> str:
    """A straight line of the scene as far as it is before the camera."""
    share = np.linspace(0, 1, 33)[:, None]
    points = frame.world_from_scene.apply(start + share * (end - start))
    depth = (points - camera.centre) @ camera.forward
    ahead = depth > 1e-3 / frame.scene_from_world.scale
    if ahead.sum() < 2:
        return ""
    pixels = camera.project(points[ahead])[0]
    ends = pixels if not ahead.all() else pixels[[0, -1]]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
    return f'<polyline class="{kind}" points="{text}"/>'


def _jpeg(image: Float[np.ndarray, "h w 3"]) -> str:
    from PIL import Image

    buffer = BytesIO()
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
