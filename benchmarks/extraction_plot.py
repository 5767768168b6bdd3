"""The results of extraction.py as one SVG: seconds side by side, and growth."""

from collections.abc import Sequence
from math import log10

INK, GREY = "#333", "#999"
COLOURS = {"peer_100k": "#c8b6a6", "peer_1k": "#9c8b7a", "ours": "#2f6f9f"}
LABELS = {"peer_100k": "usual way, batch 100k", "peer_1k": "usual way, batch 1k", "ours": "isofield"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 300, 60, 46, 250


def plot(found: dict) -> str:
    """Left: mean seconds per mesh. Right: seconds and memory against resolution, both logarithmic."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="11" fill="{INK}"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f"{bars(found['summary'])}{growth(found['growth']['rows'])}</svg>\n"
    )


def text(x: float, y: float, words: str, anchor: str = "middle", colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def bars(summary: Sequence[dict]) -> str:
    top = max(row["seconds_peer_100k"] for row in summary)
    step = 300 / max(len(summary), 1)
    drawn = [text(LEFT, 16, "seconds per mesh, mean over shapes", "start")]
    for i, (key, words) in enumerate(LABELS.items()):
        drawn.append(f'<rect x="{LEFT + 130 * i}" y="24" width="9" height="9" fill="{COLOURS[key]}"/>')
        drawn.append(text(LEFT + 130 * i + 13, 32, words, "start"))
    for i, row in enumerate(summary):
        for k, key in enumerate(LABELS):
            value = row[f"seconds_{key}"]
            height, x = max(value / top * (BOTTOM - TOP - 14), 1), LEFT + i * step + k * step * 0.28
            drawn.append(
                f'<rect x="{x:.1f}" y="{BOTTOM - height:.1f}" width="{step * 0.26:.1f}" '
                f'height="{height:.1f}" fill="{COLOURS[key]}"/>'
            )
            drawn.append(text(x + step * 0.13, BOTTOM - height - 4, f"{value:.1f}"))
        threads = f"{row['threads']} thread" + ("s" if row["threads"] > 1 else "")
        drawn.append(text(LEFT + (i + 0.42) * step, BOTTOM + 16, f"{row['resolution']}³"))
        drawn.append(text(LEFT + (i + 0.42) * step, BOTTOM + 30, threads, colour=GREY))
    return "".join(drawn)


def growth(rows: Sequence[dict]) -> str:
    """Lines against resolution; each is scaled to its own last value, for the slopes are what matters."""
    left, width = LEFT + 380, 240
    drawn = [text(left, 16, "growth with resolution, share of the last value", "start")]
    sizes = [row["resolution"] for row in rows]
    low, high, floor = log10(sizes[0]), log10(sizes[-1]), -3.0

    def place(size: float, share: float) -> tuple[float, float]:
        x = left + (log10(size) - low) / (high - low) * width
        return x, TOP + max(log10(share), floor) / floor * (BOTTOM - TOP)

    for exponent in range(4):
        y = TOP + exponent / 3 * (BOTTOM - TOP)
        drawn.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        drawn.append(text(left - 6, y + 4, ("1", "0.1", "0.01", "0.001")[exponent], "end"))
    lines = {"seconds": ("#2f6f9f", "time"), "memory_bytes": ("#b3541e", "memory")}
    for i, (key, (colour, words)) in enumerate(lines.items()):
        points = [place(row["resolution"], row[key] / rows[-1][key]) for row in rows]
        drawn.append(path(points, colour))
        drawn.append(text(left + 60 * i, 32, words, "start", colour))
    drawn.append(path([place(size, (size / sizes[-1]) ** 2) for size in sizes], GREY, "4 3"))
    drawn.append(text(left + 130, 32, "n² (dashed)", "start", GREY))
    drawn += [text(place(size, 1)[0], BOTTOM + 16, str(size)) for size in sizes]
    return "".join(drawn)


def path(points: Sequence[tuple[float, float]], colour: str, dash: str = "none") -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
    return f'<polyline points="{places}" {style}/>'
