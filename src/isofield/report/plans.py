"""Where cameras stand around a scene, drawn flat."""

from collections.abc import Sequence

import numpy as np

from isofield.geometry import Box
from isofield.geometry.camera import Camera

TICK = 0.08
"""Length of the line along which a camera looks, in widths of the drawing."""


def plan(
    cameras: Sequence[Camera], held_out: Sequence[bool], box: Box, axes: tuple[int, int], words: str
) -> str:
    """A figure: each camera a dot with the direction in which it looks, and the box of the scene.

    Args:
        cameras: In the frame of the scene.
        held_out: They have another colour.
        box: Of what is looked at.
        axes: Of the scene: to the right, and down (z) or up (y).
        words: Below the figure.
    """
    across, along = axes
    sign = -1.0 if along == 1 else 1.0
    places = np.stack([camera.centre for camera in cameras])[:, axes] * [1, sign]
    towards = np.stack([camera.forward for camera in cameras])[:, axes] * [1, sign]
    half = 1.1 * max(0.6, float(np.abs(places).max()))
    ends = places + 2 * TICK * half * towards
    stroke = half / 160
    kinds = ["kept" if held else "seen" for held in held_out]
    width = f'stroke-width="{stroke:.3g}"'
    dots = [
        f'<line class="{kind}" x1="{x:.4g}" y1="{y:.4g}" x2="{u:.4g}" y2="{v:.4g}" {width}/>'
        f'<circle class="{kind}" cx="{x:.4g}" cy="{y:.4g}" r="{2 * stroke:.3g}" fill="none" {width}/>'
        for (x, y), (u, v), kind in zip(places, ends, kinds, strict=True)
    ]
    lines = "".join(
        f'<line class="{"xyz"[axis]}" x1="0" y1="0" x2="{x:.3g}" y2="{y:.3g}" {width}/>'
        for axis, x, y in ((across, 0.3, 0.0), (along, 0.0, 0.3 * sign))
    )
    (low_x, low_y), (wide, high) = box.low[list(axes)], box.extent[list(axes)]
    top = low_y if sign > 0 else -low_y - high
    frame = (
        f'<rect class="box" x="{low_x:.4g}" y="{top:.4g}" width="{wide:.4g}" height="{high:.4g}" {width}/>'
    )
    return (
        f'<figure><svg viewBox="{-half:.4g} {-half:.4g} {2 * half:.4g} {2 * half:.4g}" role="img">'
        f'{frame}{lines}{"".join(dots)}</svg><figcaption class="dim">{words}</figcaption></figure>'
    )
