"""Plots as inline SVG; colours come from the page's style."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from isofield.report.colours import css, near_to_far

WIDTH, HEIGHT = 560, 150


def histogram(values: Float[np.ndarray, " n"], unit: str, bars: int = 48) -> str:
    """Histogram from zero to the 99.5 % quantile; the rest is counted in the last bar, and said."""
    top = float(np.quantile(values, 0.995)) or float(values.max()) or 1.0
    counts, _ = np.histogram(np.minimum(values, top), bins=bars, range=(0.0, top))
    highest, step = max(counts.max(), 1), WIDTH / bars
    hues = near_to_far((np.arange(bars) + 0.5) / bars)
    drawn = "".join(
        f'<rect x="{i * step:.1f}" y="{HEIGHT - h:.1f}" width="{step - 1:.1f}" height="{h:.1f}" '
        f'fill="{css(hues[i])}"><title>{counts[i]:,} points</title></rect>'
        for i, h in enumerate(counts / highest * HEIGHT)
    )
    ticks = "".join(
        f'<text x="{share * WIDTH:.0f}" y="{HEIGHT + 18}" text-anchor="{anchor}">{share * top:.3g}</text>'
        for share, anchor in ((0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1, "end"))
    )
    return (
        f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT + 40}" role="img" '
        f'aria-label="histogram of distances">{drawn}'
        f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}"/>{ticks}'
        f'<text x="{WIDTH / 2}" y="{HEIGHT + 36}" text-anchor="middle">{unit}</text></svg>'
    )


def timeline(seconds: Mapping[str, float]) -> str:
    """One bar per stage, as long as the stage took."""
    longest = max(seconds.values(), default=0.0) or 1.0
    rows = []
    for i, (name, value) in enumerate(seconds.items()):
        y, width = 24 * i, max(value / longest * 340, 1)
        rows.append(
            f'<text x="96" y="{y + 15}" text-anchor="end">{name}</text>'
            f'<rect x="106" y="{y + 3}" width="{width:.1f}" height="16"/>'
            f'<text x="{114 + width:.1f}" y="{y + 15}">{value:.2f} s</text>'
        )
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {24 * len(seconds) + 4}" role="img" '
        f'aria-label="seconds per stage">{"".join(rows)}</svg>'
    )
