"""Write the numbers of `photos.md`, and the curves beside them: `python docs/make_photos.py`.

They are those of benchmarks/results/photos.json, as benchmarks/photos.py wrote them; nothing here is typed
by hand.
"""

import json
import re
from math import log10
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("photos.md")
CURVES = Path(__file__).parent / "pictures" / "photos.svg"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results" / "photos.json"
WANTED = ("lego 100", "lego 400", "fox", "chair", "table")
"""Rows that are there even where nothing is measured yet; others follow in their order."""
BEGIN, END = "<!-- made by docs/make_photos.py -->", "<!-- made until here -->"
NAMES = {
    "psnr_volume": "PSNR, volume",
    "psnr_surface": "PSNR, surface",
    "chamfer_exact": "Chamfer-L1",
    "chamfer_samples": "Chamfer-L1, samples",
    "completeness_exact": "completeness",
}
DIGITS = {"psnr_volume": 1, "psnr_surface": 1}
INK, COLOURS = "#333", ("#2f6f9f", "#b3541e", "#4a8c4a", "#8a5a9f", "#9c8b7a", "#c2447e", "#555")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 320, 50, 600, 30, 270

Rows = dict[str, dict[str, Any]]


def table(rows: Rows, wanted: tuple[str, ...] = ()) -> str:
    """Fits, one to a row; a column for each number that any of them has."""
    columns = [key for key in NAMES if any(key in row for row in rows.values())]
    head = ["photos", "pictures", "pixels", "seconds", *(NAMES[key] for key in columns), "peak memory"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    names = [*wanted, *(name for name in rows if name not in wanted)]
    lines += [f"| {name} | " + " | ".join(cells(rows.get(name, {}), columns)) + " |" for name in names]
    return "\n".join(lines)


def cells(row: dict[str, Any], columns: list[str]) -> list[str]:
    """What was measured, as words; dashes for what was not."""
    if not row:
        return ["–"] * (len(columns) + 4)
    width, height = row["pixels"]
    numbers = [f"{row[key]:.{DIGITS.get(key, 4)}f}" if key in row else "–" for key in columns]
    memory = f"{row['peak_memory'] / 2**30:.1f} GiB" if row.get("peak_memory") else "–"
    return [str(row["pictures"]), f"{width} x {height}", f"{row['seconds']:.0f}", *numbers, memory]


def networks(rows: Rows) -> str:
    """The plain NeRF beside the grids: rays per second, and how far it came in the same minutes."""
    lines = ["| plain NeRF | seconds | steps | rays per second | PSNR (training) |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        took = f"{row['seconds']:.0f} | {row['steps']:,} | {row['rays_per_second']:.0f}"
        lines.append(f"| {name.partition(',')[0]} | {took} | {row['psnr_training']:.1f} |")
    return "\n".join(lines)


def plot(rows: Rows) -> str:
    """PSNR of the pixels that were just learnt from, over seconds; a jump down is a new stage."""
    rows = {name: row for name, row in rows.items() if row.get("curve")}
    points = {
        name: [(t, float(said.split()[-2])) for t, said in row["curve"] if said.endswith("dB")]
        for name, row in rows.items()
    }
    every = [point for some in points.values() for point in some] or [(1.0, 20.0)]
    last, values = max(t for t, _ in every), [value for _, value in every]
    low, high = min(values) // 5 * 5, -(-max(values) // 5) * 5

    def place(t: float, value: float) -> str:
        x = LEFT + (RIGHT - LEFT) * log10(max(t, 3) / 3) / max(log10(last / 3), 0.1)
        return f"{x:.1f},{BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP):.1f}"

    drawn = []
    for value in range(int(low), int(high) + 1, 5):
        y = place(3, value).split(",")[1]
        drawn.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value} dB</text>')
    for seconds in (3, 10, 30, 100, 300, 1000):
        if seconds <= last:
            x = place(seconds, low).split(",")[0]
            drawn.append(f'<text x="{x}" y="{BOTTOM + 18}" text-anchor="middle">{seconds} s</text>')
    for number, (name, some) in enumerate(points.items()):
        colour, path = COLOURS[number % len(COLOURS)], " ".join(place(*point) for point in some)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn.append(f'<text x="{RIGHT + 12}" y="{TOP + 18 * number + 4}" fill="{colour}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="{INK}"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f"{''.join(drawn)}</svg>\n"
    )


def parts() -> tuple[Rows, Rows, Rows]:
    """Fits as they are, with one option changed, and the plain NeRF."""
    found: Rows = json.loads(RESULTS.read_text())
    plain = {name: row for name, row in found.items() if "steps" in row}
    fits = {name: row for name, row in found.items() if name not in plain}
    changed = {name: row for name, row in fits.items() if ", " in name}
    return {name: row for name, row in fits.items() if name not in changed}, changed, plain


def page() -> str:
    """The whole page, with the numbers between their marks."""
    fits, changed, plain = parts()
    blocks = [table(fits, WANTED), "![PSNR over seconds](pictures/photos.svg)"]
    if plain:
        blocks.append(networks(plain))
    if changed:
        blocks.append(table(changed))
    middle = "\n\n".join([BEGIN, *blocks, END])
    return re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: middle, PAGE.read_text(), flags=re.S)


if __name__ == "__main__":
    CURVES.write_text(plot(parts()[0]))
    PAGE.write_text(page())
