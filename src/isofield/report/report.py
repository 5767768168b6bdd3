"""`report.html`: what came in and what came out, side by side, in one file that needs no network."""

import html
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from isofield.data import atomic_write
from isofield.geometry import Box, Mesh
from isofield.observation import PointCloud
from isofield.report.colours import near_to_far
from isofield.report.distances import Distances, distances_to_mesh, distances_to_points, even_subset
from isofield.report.packing import pack_mesh, pack_normals, pack_positions, pack_share
from isofield.report.plots import histogram, timeline
from isofield.report.thin import thin_mesh

MOST_POINTS = 50_000
MOST_FACES = 100_000
Up = Literal["auto", "x", "y", "z"]


@dataclass(frozen=True)
class Contents:
    """All that a report shows."""

    title: str
    cloud: PointCloud
    mesh: Mesh
    found: Mapping[str, Any]
    """Sections of the record: `mesh` with the checks, `resolution`, `notes`, `system`, `open`."""
    seconds: Mapping[str, float]
    warnings: Sequence[str] = ()
    command: str = ""
    up: Up = "auto"


def write_report(path: Path, contents: Contents) -> dict[str, float | int]:
    """Distances from the points to the mesh, as shown in the report that is written to `path`.

    The page holds the three.js bundle that trimesh ships, at most `MOST_POINTS` points and
    `MOST_FACES` faces, and says so when it shows fewer than there are.

    Raises:
        InputError: The file cannot be written.
    """
    distances = distances_to_mesh(contents.cloud.points, contents.mesh)
    page = _page(contents, distances)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return distances.summary()


def up_axis(cloud: PointCloud, up: Up = "auto") -> Literal["x", "y", "z"]:
    """The axis that points up: as told, else z for flat scans such as terrain, y for all others."""
    if up != "auto":
        return up
    extent = np.ptp(cloud.points, axis=0)
    return "z" if extent[2] < 0.5 * min(extent[0], extent[1]) else "y"


def _page(contents: Contents, distances: Distances) -> str:
    thin = thin_mesh(contents.mesh, MOST_FACES)
    shown = _shown_points(contents.cloud, distances)
    box = Box.around(np.concatenate([thin.vertices, contents.cloud.points[shown]]))
    parts = {
        "title": html.escape(contents.title),
        "system": html.escape(str(contents.found.get("system", ""))),
        "figures": _figures(contents, distances),
        "warnings": _warnings(contents.warnings),
        "points_note": _fewer(len(shown), len(contents.cloud), "points"),
        "mesh_note": _fewer(len(thin.faces), len(contents.mesh.faces), "faces"),
        "points_colour": _option("colour", "colours") if contents.cloud.colours is not None else "",
        "mesh_colour": _option("colour", "colours") if thin.colours is not None else "",
        "histogram": histogram(distances.lengths, "distance, in the units of the scan"),
        "distances": _table(_distance_rows(distances)),
        "checks": _table(_check_rows(contents.found.get("mesh", {}))),
        "timeline": timeline(contents.seconds),
        "notes": _table(_note_rows(contents)),
        "command": html.escape(contents.command),
        "style": _resource("style.css"),
        "three": three_js(),
        "viewer": _resource("viewer.js"),
        "data": _data(contents, distances, thin, shown, box),
    }
    page = _resource("page.html")
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text)
    return page


def _shown_points(cloud: PointCloud, distances: Distances) -> np.ndarray:
    """The measured points first, then others up to `MOST_POINTS`."""
    others = np.setdiff1d(even_subset(len(cloud), MOST_POINTS), distances.chosen, assume_unique=True)
    return np.concatenate([distances.chosen, others])[:MOST_POINTS]


def _data(contents: Contents, distances: Distances, thin: Mesh, shown: np.ndarray, box: Box) -> str:
    """Both geometries as JSON that is safe inside a script element."""
    edge = float(box.extent.max()) or 1.0
    top = float(np.quantile(distances.lengths, 0.995)) or 1.0
    cloud = contents.cloud[shown]
    points: dict[str, Any] = {
        "positions": pack_positions(cloud.points, box.low, 1 / edge),
        "normals": pack_normals(_point_normals(cloud, thin)),
        "distances": pack_share(near_to_far(distances.lengths / top)),
        "measured": len(distances.chosen),
        "spacing": _spacing(cloud, edge),
    }
    if cloud.colours is not None:
        points["colours"] = pack_share(cloud.colours)
    frame = _framed(thin, cloud)
    mesh = pack_mesh(thin, box.low, 1 / edge)
    far = distances_to_points(thin.vertices, contents.cloud.points[even_subset(len(contents.cloud), 200_000)])
    mesh["distances"] = pack_share(near_to_far(far / (0.05 * edge)))
    data = {
        "up": up_axis(contents.cloud, contents.up),
        "centre": ((frame.centre - box.low) / edge).tolist(),
        "diagonal": float(np.linalg.norm(frame.extent)) / edge,
        "points": points,
        "mesh": mesh,
    }
    return json.dumps(data).replace("<", "\\u003c")


def _framed(thin: Mesh, cloud: PointCloud) -> Box:
    """What the camera looks at: the mesh, and the points without the outermost percent per axis."""
    inner = np.quantile(cloud.points, [0.01, 0.99], axis=0)
    return Box.around(np.concatenate([thin.vertices, inner]))


def _point_normals(cloud: PointCloud, thin: Mesh) -> np.ndarray:
    """For shading only: those of the nearest vertices, which lie on the surface as reconstructed."""
    from scipy.spatial import cKDTree

    assert thin.normals is not None
    return thin.normals[cKDTree(thin.vertices).query(cloud.points)[1]]


def _spacing(cloud: PointCloud, edge: float) -> float:
    """Typical distance between shown points, in units of the page."""
    from scipy.spatial import cKDTree

    if len(cloud) < 2:
        return 0.01
    some = cloud.points[even_subset(len(cloud), 2_000)]
    return float(np.median(cKDTree(cloud.points).query(some, k=2)[0][:, 1])) / edge


def _figures(contents: Contents, distances: Distances) -> str:
    checks = contents.found.get("mesh", {})
    closed = bool(checks.get("is_closed"))
    verdict = "good" if closed else "" if contents.found.get("open") else "bad"
    figures = [
        ("", f"{len(contents.cloud):,}", "points in"),
        ("", f"{len(contents.mesh.faces):,}", "faces out"),
        (verdict, "yes" if closed else "no", "closed"),
        ("", f"{np.median(distances.lengths):.3g}", "median distance"),
        ("", f"{sum(contents.seconds.values()):.1f} s", "in all"),
    ]
    return "".join(f'<div class="{kind}"><b>{value}</b>{name}</div>' for kind, value, name in figures)


def _warnings(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    return f'<div class="warnings">{"".join(f"<p>{html.escape(s)}</p>" for s in sentences)}</div>'


def _fewer(shown: int, all_of_them: int, word: str) -> str:
    return f"{shown:,} of {all_of_them:,} {word} shown" if shown < all_of_them else f"{all_of_them:,} {word}"


def _option(value: str, text: str) -> str:
    return f'<option value="{value}" selected>{text}</option>'


def _distance_rows(distances: Distances) -> dict[str, str]:
    words = {
        "measured": "points measured",
        "mean": "mean",
        "median": "median",
        "q95": "95 % are below",
        "max": "largest",
    }
    return {
        words[name]: f"{value:,}" if name == "measured" else f"{value:.4g}"
        for name, value in distances.summary().items()
    }


def _check_rows(checks: Mapping[str, Any]) -> dict[str, str]:
    return {
        name.replace("_", " ").removeprefix("is "): _value(value)
        for name, value in checks.items()
        if value is not None
    }


def _note_rows(contents: Contents) -> dict[str, str]:
    rows = {"system": contents.found.get("system", ""), **contents.found.get("resolution", {})}
    return {
        name.replace("_", " "): _value(value)
        for name, value in (rows | contents.found.get("notes", {})).items()
    }


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _table(rows: Mapping[str, str]) -> str:
    lines = (f"<tr><td>{html.escape(n)}</td><td>{html.escape(v)}</td></tr>" for n, v in rows.items())
    return f"<table>{''.join(lines)}</table>"


@cache
def _resource(name: str) -> str:
    return files("isofield.report").joinpath(name).read_text(encoding="utf-8")


@cache
def three_js() -> str:
    """The three.js core (MIT licence) out of the viewer page that trimesh ships.

    The bundle comes first in the page's script; the controls and loaders behind it are not needed.
    """
    archive = files("trimesh").joinpath("resources/templates/viewer.zip").read_bytes()
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        page = opened.read("viewer.html.template").decode("utf-8")
    script = page[page.index("<script>") + len("<script>") :]
    return script[: script.index("(function(){const _changeEvent")]
