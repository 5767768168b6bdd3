"""Numbers and sentences of the report, as HTML."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isofield.report.contents import Contents
from isofield.report.distances import Distances
from isofield.report.elements import in_words


def figures(contents: Contents, distances: Distances | None) -> str:
    """What matters most, in large digits: what came in, what came out, whether it is closed."""
    closed = bool(contents.found.get("mesh", {}).get("is_closed"))
    verdict = "good" if closed else "" if contents.found.get("open") else "bad"
    shown = [
        *_came_in(contents),
        ("", f"{len(contents.mesh.faces):,}", "faces out"),
        (verdict, "yes" if closed else "no", "closed"),
    ]
    if distances is not None:
        shown.append(("", f"{np.median(distances.lengths):.3g}", "median distance"))
    shown.append(("", f"{sum(contents.seconds.values()):.1f} s", "in all"))
    return "".join(f'<div class="{kind}"><b>{value}</b>{name}</div>' for kind, value, name in shown)


def _came_in(contents: Contents) -> list[tuple[str, str, str]]:
    if contents.cloud is not None:
        return [("", f"{len(contents.cloud):,}", "points in")]
    if contents.image is not None:
        height, width, _ = contents.image.shape
        return [("", f"{width} x {height}", "pixels in")]
    return []


def warnings(sentences: Sequence[str]) -> str:
    """One paragraph each."""
    if not sentences:
        return ""
    return f'<div class="warnings">{"".join(f"<p>{html.escape(s)}</p>" for s in sentences)}</div>'


def distance_rows(distances: Distances) -> dict[str, str]:
    """The summary in words."""
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


def check_rows(checks: Mapping[str, Any]) -> dict[str, str]:
    """The checks of the mesh that were made."""
    return {
        name.replace("_", " ").removeprefix("is "): _value(value)
        for name, value in checks.items()
        if value is not None
    }


def note_rows(found: Mapping[str, Any]) -> dict[str, str]:
    """System, resolution, and what the system noted."""
    rows = {"system": found.get("system", ""), **found.get("resolution", {}), **found.get("notes", {})}
    if "elements" in rows:
        rows["elements"] = in_words(rows["elements"])
    return {name.replace("_", " "): _value(value) for name, value in rows.items()}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def table(rows: Mapping[str, str]) -> str:
    """Two columns, escaped."""
    lines = (f"<tr><td>{html.escape(n)}</td><td>{html.escape(v)}</td></tr>" for n, v in rows.items())
    return f"<table>{''.join(lines)}</table>"
