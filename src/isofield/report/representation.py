"""The page of `isofield bench representation`: a table, error over bytes, and the meshes side by side."""

import base64
import html
from collections.abc import Sequence
from math import log10
from pathlib import Path
from statistics import mean
from typing import Any

from isofield.data.atomic import atomic_write
from isofield.report.pages import fill, resource

Rows = Sequence[dict[str, Any]]
LEAST = 1e-5
"""Errors below are drawn as this: a simplified mesh may be the shape itself."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 64, 600, 20, 370
HUES = ("#2f6f9f", "#b3541e", "#4a8c4a", "#8a5a9f", "#9c8b7a", "#c2447e", "#00808a", "#a58a00", "#5b5bd6")
KINDS = {"voxels": "#777", "points": "#bbb", "mesh": "#111"}
"""Colours of the explicit ones, which are curves."""
COLUMNS = {
    "error": ("error", "{:.5f}"),
    "iou": ("IoU", "{:.3f}"),
    "normal_consistency": ("normals", "{:.3f}"),
    "fscore_0.01": ("F(0.01)", "{:.3f}"),
    "bytes": ("bytes", "{:,.0f}"),
    "same_bytes": ("mesh of these bytes", "{:.5f}"),
    "fit_seconds": ("fit, s", "{:.1f}"),
    "extract_seconds": ("extract, s", "{:.2f}"),
}
"""Key -> heading and format."""


def write_page(folder: Path, rows: Rows) -> None:
    """Writes index.html, which needs no network, and error_over_bytes.svg beside it.

    Raises:
        InputError: They cannot be written.
    """
    plot, count = error_over_bytes(rows), len({row["shape"] for row in rows})
    parts = {
        "style": resource("style.css"),
        "table": html_table(means(rows)),
        "plot": plot,
        "shapes": "".join(_shape(folder, name, rows) for name in dict.fromkeys(row["shape"] for row in rows)),
        "count": f"{count} shape{'s' * (count > 1)}",
    }
    for name, text in (
        ("error_over_bytes.svg", plot),
        ("index.html", fill(resource("representation.html"), parts)),
    ):
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def means(rows: Rows) -> dict[str, dict[str, float]]:
    """Of each number of each representation, over the shapes that have it; `shapes` counts the measured."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(row["representation"] for row in rows):
        mine = [row for row in rows if row["representation"] == name]
        good = [row for row in mine if "error" in row]
        numbers = {key: [float(row[key]) for row in good if key in row] for key in COLUMNS}
        found[name] = {key: mean(values) for key, values in numbers.items() if values}
        found[name]["shapes"] = len(good)
    return found


def html_table(averages: dict[str, dict[str, float]]) -> str:
    """One row per representation."""
    head = "".join(f"<th>{heading}</th>" for heading, _ in COLUMNS.values())
    lines = []
    for name, numbers in averages.items():
        cells = "".join(
            f"<td>{form.format(numbers[key]) if key in numbers else '–'}</td>"
            for key, (_, form) in COLUMNS.items()
        )
        lines.append(f"<tr><td>{html.escape(called(name))}</td>{cells}</tr>")
    return f'<table class="numbers"><tr><th>representation</th>{head}</tr>{"".join(lines)}</table>'


def called(name: str) -> str:
    """A representation's name for readers."""
    kind, _, size = name.partition("_")
    if kind == "voxels":
        return f"voxels {size}³"
    if kind == "points":
        return f"{int(size):,} points"
    return f"mesh, {size.removesuffix('k')} KiB" if kind == "mesh" else name


def error_over_bytes(rows: Rows) -> str:
    """Mean error over mean bytes, both logarithmic: explicit ones as curves, systems as dots."""
    places = {
        name: (n["bytes"], n["error"]) for name, n in means(rows).items() if "error" in n and "bytes" in n
    }
    if not places:
        return ""
    lows = [min(p[k] for p in places.values()) for k in (0, 1)]
    highs = [max(p[k] for p in places.values()) for k in (0, 1)]
    (x0, y0), (x1, y1) = ([log10(max(v, LEAST)) for v in ends] for ends in (lows, highs))

    def at(size: float, error: float) -> tuple[float, float]:
        right = (log10(size) - x0) / max(x1 - x0, 1e-9)
        up = (log10(max(error, LEAST)) - y0) / max(y1 - y0, 1e-9)
        return LEFT + 10 + right * (RIGHT - LEFT - 20), BOTTOM - 10 - up * (BOTTOM - TOP - 20)

    drawn = [_grid(at, (x0, x1), (y0, y1))]
    for kind, colour in KINDS.items():
        mine = sorted(at(*place) for name, place in places.items() if name.startswith(kind + "_"))
        if mine:
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in mine)
            drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in mine]
            drawn.append(
                f'<text x="{mine[-1][0] + 6:.1f}" y="{mine[-1][1] + 4:.1f}" fill="{colour}">{kind}</text>'
            )
    systems = [name for name in places if name.partition("_")[0] not in KINDS]
    for number, name in enumerate(systems):
        (x, y), colour = at(*places[name]), HUES[number % len(HUES)]
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
        drawn.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="13" role="img" aria-label="error over bytes">{"".join(drawn)}</svg>\n'
    )


def _grid(at: Any, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    """Lines at powers of ten, and what the axes are."""
    parts = []
    for power in range(round(xs[0] + 0.5), int(xs[1]) + 1):
        x = at(10.0**power, 1.0)[0]
        word = {3: "1 kB", 4: "10 kB", 5: "100 kB", 6: "1 MB", 7: "10 MB"}.get(power, f"10^{power} B")
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle" fill="#555">{word}</text>')
    for power in range(round(ys[0] + 0.5), int(ys[1]) + 1 if ys[1] >= 0 else int(ys[1])):
        y = at(1e3, 10.0**power)[1]
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{10.0**power:g}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 40}" text-anchor="middle" fill="#333">bytes</text>'
        f'<text x="14" y="{(TOP + BOTTOM) / 2}" transform="rotate(-90 14 {(TOP + BOTTOM) / 2})"'
        ' text-anchor="middle" fill="#333">mean distance, longest edge 1</text>'
    )
    return "".join(parts)


def _shape(folder: Path, shape: str, rows: Rows) -> str:
    """All pictures of one shape, with their errors."""
    figures = []
    for row in rows:
        name = row["representation"]
        picture = folder / "pictures" / shape / f"{name}.png"
        if row["shape"] != shape or not picture.exists():
            continue
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        said = f"{html.escape(called(name))}<br>{row['error']:.5f}, {row['bytes']:,} bytes"
        figures.append(
            f'<figure><img src="data:image/png;base64,{data}" alt="{html.escape(name)}">'
            f"<figcaption>{said}</figcaption></figure>"
        )
    return f'<h2>{html.escape(shape)}</h2><div class="pictures">{"".join(figures)}</div>'
