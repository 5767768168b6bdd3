"""`report.html`: what came in and what came out, side by side, in one file that needs no network."""

import html
from pathlib import Path

from isofield.data import atomic_write
from isofield.report.contents import Contents
from isofield.report.distances import Distances, distances_to_mesh
from isofield.report.pages import fill, resource, three_js
from isofield.report.panes import left_pane, mesh_pane, photo_pairs
from isofield.report.plots import histogram, timeline
from isofield.report.tables import check_rows, distance_rows, figures, note_rows, table, warnings
from isofield.report.thin import thin_mesh
from isofield.report.viewer_data import MOST_FACES, viewer_data


def write_report(path: Path, contents: Contents) -> dict[str, float | int] | None:
    """Distances from the points to the mesh, as shown in the report that is written to `path`.

    None if no points came in: then the picture that did is shown in their place, or the mesh alone.
    The page holds the three.js bundle that trimesh ships, at most `MOST_POINTS` points and
    `MOST_FACES` faces, and says so when it shows fewer than there are.

    Raises:
        InputError: The file cannot be written.
    """
    cloud = contents.cloud
    distances = None if cloud is None else distances_to_mesh(cloud.points, contents.mesh)
    page = _page(contents, distances)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return None if distances is None else distances.summary()


def _page(contents: Contents, distances: Distances | None) -> str:
    thin = thin_mesh(contents.mesh, MOST_FACES)
    parts = {
        "title": html.escape(contents.title),
        "system": html.escape(str(contents.found.get("system", ""))),
        "figures": figures(contents, distances),
        "warnings": warnings(contents.warnings),
        "left": left_pane(contents),
        "right": mesh_pane(contents, thin),
        "both": "; both panes follow" if contents.cloud is not None else "",
        "measured": _measured(distances) + photo_pairs(contents.pairs),
        "checks": table(check_rows(contents.found.get("mesh", {}))),
        "timeline": timeline(contents.seconds),
        "notes": table(note_rows(contents.found)),
        "command": html.escape(contents.command),
        "style": resource("style.css"),
        "three": three_js(),
        "viewer": resource("viewer.js"),
        "data": viewer_data(contents, thin, distances),
    }
    return fill(resource("page.html"), parts)


def _measured(distances: Distances | None) -> str:
    """The section about distances, if there are any."""
    if distances is None:
        return ""
    plot = histogram(distances.lengths, "distance, in the units of the scan")
    rows = table(distance_rows(distances))
    return f"<section><h2>Distance from the points to the mesh</h2>{plot}{rows}</section>"
