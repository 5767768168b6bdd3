"""Where to put the surface: the occupancy level that suits the shapes of the validation part best.

A network that is unsure of a thin leg gives it a low probability everywhere; at the papers' level of 0.2
the leg is missing. Used by onet.py; the level ships as the config's `threshold`.
"""

from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isofield.data.occupancy import Known, rows
from isofield.metrics import iou
from isofield.metrics.baselines import grid_points
from isofield.ops.query import query
from isofield.scene import Scene

LEVELS = tuple(round(0.04 + 0.02 * step, 2) for step in range(24))
FOUND = 0.95
"""Share of the models for which some labelled point has to be inside."""
EVERY = 10**6
"""Models to ask for: all there are."""


def chosen_level(system: Any, data: Path) -> tuple[float, dict[float, float]]:
    """The level with the highest mean IoU on the validation part, and the mean IoU of every level.

    Of the levels at which nearly all models have a surface, if there are any.
    """
    table = [ious(system, known) for known in held(system, data)]
    means = dict(zip(LEVELS, np.mean([row for row, _ in table], axis=0).tolist(), strict=True))
    peaks = np.array([peak for _, peak in table])
    fit = [level for level in LEVELS if (peaks > logit(level)).mean() >= FOUND] or LEVELS
    return max(fit, key=means.__getitem__), means


def held(system: Any, data: Path) -> list[Known]:
    """All models of the validation part, as the network sees them."""
    from dataclasses import replace

    return type(system).batches(replace(system.config, held=EVERY), data, seed=0, size=1).held_out()


@torch.no_grad()
def ious(system: Any, known: Known) -> tuple[list[float], float]:
    """IoU of one model at every level, and the highest of the logits."""
    scene = reconstructed(system, known)
    local = scene.world_from_scene.inverse().apply(known.points)
    logits = query(scene.inside, local) + logit(system.config.threshold)
    return [iou(logits > logit(level), known.inside) for level in LEVELS], float(logits.max())


def reconstructed(system: Any, known: Known) -> Scene:
    """What the network makes of its observation; without one, of what it knows of the shape's points."""
    if system.wants is not None:
        return system.reconstruct(known.observation)
    few = slice(system.config.points)
    z = system.posterior_mean(rows(known.points[few]), rows(known.inside[few]))
    return system.scene(system.condition(None, z))


@torch.no_grad()
def empty_draws(system: Any, level: float, count: int = 8) -> list[int]:
    """Which of the first draws have no point of a grid inside at that level."""
    places, bare = grid_points(32), []
    for seed in range(count):
        scene = system.scene(system.condition(None, system.draw([0, seed])))
        logits = query(scene.inside, places) + logit(system.config.threshold)
        if logits.max() <= logit(level):
            bare.append(seed)
    return bare


def logit(level: float) -> float:
    """The level on the scale of the network's output."""
    return log(level / (1 - level))
