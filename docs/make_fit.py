"""Write the numbers of fit.md, grid.md, complete.md and representation.md: `python docs/make_fit.py`.

They are those of fit.json, complete.json, unseen.json and representation.json in benchmarks/results, as the
scripts of these names and `isofield bench representation` wrote them; nothing here is typed by hand.
"""

import json
import re
from math import log10
from pathlib import Path
from statistics import mean
from typing import Any

from isofield.report.representation import COLUMNS, called, error_over_bytes, means

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
BEGIN, END = "<!-- made by docs/make_fit.py -->", "<!-- made until here -->"
SEEN = {"deepsdf": "300 points, normals", "imnet": "32³ voxels"}
"""By systems of which the others see something else."""
UNSEEN = ("system", "sees", "a shape's numbers", "network's", "training, s", "error", "IoU", "normals")
UNSEEN += ("F(0.01)", "without surface", "answer, s")
COLOURS = ("#2f6f9f", "#b3541e", "#4a8c4a", "#8a5a9f", "#9c8b7a", "#c2447e", "#00808a", "#a58a00", "#5b5bd6")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 64, 620, 20, 350


def read(name: str) -> Any:
    """A file of results; None where nothing is measured yet."""
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def fit_part() -> str:
    """Every system on one shape."""
    found = read("fit.json")
    if found is None:
        return "Not measured yet."
    rows = {name: row for name, row in found["rows"].items() if ", " not in name}
    lines = ["| system | parameters | steps | seconds | error of the mesh, % |", "|---|---:|---:|---:|---:|"]
    for name, row in sorted(rows.items(), key=lambda item: item[1]["error_percent"]):
        numbers = f"{row['parameters']:,} | {row['steps']:,} | {row['seconds']:.0f}"
        lines.append(f"| {name} | {numbers} | {row['error_percent']:.3f} |")
    seconds, error = found["whole"]["seconds"], found["whole"]["error_percent"]
    said = f"from its start to the written mesh: {seconds:.0f} s, {error:.3f} %."
    return f"The {found['mesh']}.\n\n" + "\n".join(lines) + f"\n\nThe whole command with `grid`, {said}"


def grid_part() -> str:
    """The ways to keep grids."""
    found = read("fit.json")
    rows = {n: r for n, r in (found or {"rows": {}})["rows"].items() if n.partition(", ")[0] == "grid"}
    steps = max((row["steps"] for row in rows.values()), default=0)
    lines = [
        f"| features | parameters | seconds for {steps} steps | error of the mesh, % |",
        "|---|---:|---:|---:|",
    ]
    for name, row in rows.items():
        numbers = f"{row['parameters']:,} | {row['seconds']:.0f} | {row['error_percent']:.3f}"
        lines.append(f"| {name.partition(', ')[2] or 'hash'} | {numbers} |")
    return "\n".join(lines)


def complete_part() -> str:
    """Completion beside Gauss."""
    found = read("complete.json")
    if found is None:
        return "Not measured yet."
    lines = ["| chair | seen from | `complete` | `gauss` |", "|---|---:|---:|---:|"]
    for row in found["rows"]:
        numbers = f"{row['complete']['chamfer']:.4f} | {row['gauss']['chamfer']:.4f}"
        lines.append(f"| {row['model'].split('/')[-1]} | {row['azimuth']:.0f}° | {numbers} |")
    m = found["means"]
    lines.append(f"| **mean** | | **{m['complete']['chamfer']:.4f}** | **{m['gauss']['chamfer']:.4f}** |")
    seconds = min(row["complete"]["seconds"] for row in found["rows"])  # the others waited for other work
    said = f"Completion is the better one for {m['better']} of {m['models']}; it takes {seconds:.0f} s"
    return "\n".join(lines) + f"\n\n{said} on one core."


def representation_part() -> str:
    """All representations, means over the shapes."""
    rows = read("representation.json")
    if rows is None:
        return "Not measured yet."
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    lines = [
        "| representation | " + " | ".join(heading for heading, _ in COLUMNS.values()) + " |",
        "|---" + "|---:" * len(COLUMNS) + "|",
    ]
    for name, numbers in means(rows).items():
        cells = [form.format(numbers[key]) if key in numbers else "–" for key, (_, form) in COLUMNS.items()]
        all_of_them = numbers["shapes"] == len(shapes)
        few = "" if all_of_them else f" ({numbers['shapes']:.0f} of {len(shapes)} shapes)"
        lines.append(f"| {called(name)}{few} | " + " | ".join(cells) + " |")
    return f"{len(shapes)} shapes: {', '.join(shapes)}.\n\n" + "\n".join(lines)


def unseen_part() -> str:
    """Trained systems on models that they have not seen: IoU on all, distances where all have a surface."""
    found = read("unseen.json")
    if found is None:
        return "Not measured yet."
    rows = {name: {row["model"]: row for row in part["rows"]} for name, part in found.items()}
    every = sorted(set.intersection(*(set(part) for part in rows.values())))
    able = [name for name, part in rows.items() if any("chamfer_l1" in part[m] for m in every)]
    common = [m for m in every if all("chamfer_l1" in rows[name][m] for name in able)]
    lines = ["| " + " | ".join(UNSEEN) + " |", "|---|---" + "|---:" * (len(UNSEEN) - 2) + "|"]
    errors = {name: mean(rows[name][m]["chamfer_l1"] for m in common) for name in able}
    for name in (*sorted(able, key=errors.__getitem__), *(name for name in found if name not in able)):
        told, mine = found[name], rows[name]
        sizes = [f"{told[key]:,}" if key in told else "–" for key in ("numbers_per_shape", "parameters")]
        sizes += [f"{told['training_cpu_seconds']:,}" if "steps" in told else "–"]
        ious = [mine[m].get("iou_field", 0.0) for m in every]
        measures = [
            f"{errors[name]:.4f}" if name in able else "–",
            f"{mean(ious):.3f}" if "iou_field" in told else "–",
        ]
        for key in ("normal_consistency", "fscore_0.01"):
            values = [mine[m][key] for m in common if key in mine[m]]
            measures.append(f"{mean(values):.3f}" if values else "–")
        bare = sum("chamfer_l1" not in mine[m] for m in every)
        cells = [SEEN.get(name, "300 points"), *sizes, *measures, str(bare), f"{told['seconds']:.1f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    said = f"IoU over {len(every)} models of the test part, the rest over the {len(common)} of them"
    return "\n".join(lines) + f"\n\n{said} for which every system that found any has a surface."


def curves() -> str:
    """Estimated error over seconds, both logarithmic."""
    found = read("fit.json") or {"rows": {}}
    rows = {name: row["curve"] for name, row in found["rows"].items() if row["curve"]}
    every = [(max(t, 0.3), max(e, 1e-3)) for curve in rows.values() for t, e in curve] or [(1.0, 1.0)]
    x0, x1 = (log10(f(t for t, _ in every)) for f in (min, max))
    y0, y1 = (log10(f(e for _, e in every)) for f in (min, max))

    def at(t: float, e: float) -> tuple[float, float]:
        right = (log10(max(t, 0.3)) - x0) / max(x1 - x0, 1e-9)
        up = (log10(max(e, 1e-3)) - y0) / max(y1 - y0, 1e-9)
        return LEFT + right * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP)

    drawn = []
    for power in range(-3, 3):
        if y0 <= power <= y1:
            y = at(1, 10.0**power)[1]
            drawn.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            drawn.append(
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{10.0**power:g} %</text>'
            )
    for seconds in (1, 3, 10, 30, 100, 300):
        if x0 <= log10(seconds) <= x1:
            x = at(seconds, 1)[0]
            drawn.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}" stroke="#ddd"/>')
            drawn.append(
                f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle" fill="#555">{seconds} s</text>'
            )
    for number, (name, curve) in enumerate(rows.items()):
        colour = COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="5 4"' if ", " in name else ""
        places = [at(t, e) for t, e in curve]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        x, y = places[-1]
        drawn.append(f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="13">{"".join(drawn)}</svg>\n'
    )


def filled(page: str, *parts: str) -> str:
    """The page with the parts between the marks, in this order."""
    left = iter(parts)
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{next(left)}\n{END}", page, flags=re.S)


def pages() -> dict[str, str]:
    """Files of this folder -> content."""
    parts = {
        "fit.md": [fit_part()],
        "grid.md": [grid_part()],
        "complete.md": [complete_part()],
        "representation.md": [representation_part(), unseen_part()],
    }
    made = {name: filled((DOCS / name).read_text(), *part) for name, part in parts.items()}
    rows = read("representation.json")
    made["pictures/fit.svg"] = curves()
    made["pictures/representation.svg"] = error_over_bytes(rows or [])
    return made


if __name__ == "__main__":
    for name, content in pages().items():
        (DOCS / name).write_text(content)
