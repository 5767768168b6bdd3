"""Learning one scene by heart: a few thousand steps of Adam on what was seen of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from isofield.system import System

Told = Callable[[int, dict[str, float]], None]
"""Hears the step and its losses."""


@dataclass(frozen=True)
class Fit:
    """How to fit: Adam, its rate multiplied at milestones."""

    steps: int
    rate: float
    milestones: Sequence[float] = (0.5, 0.75)
    """Shares of the steps after which the rate falls, as published."""
    factor: float = 0.5


def fit(
    system: System,
    source: Any,
    how: Fit,
    apart: dict[nn.Parameter, float] | None = None,
    told: Told | None = None,
) -> None:
    """Train the system on the source's batches, in place; it is left in evaluation mode.

    Args:
        system: Whose `losses` are minimised.
        source: Batches by number (`isofield.training.source.BatchSource`).
        how: Steps and rates.
        apart: Parameters with rates of their own, as factors of the rate.
        told: Hears of every step.
    """
    apart = apart or {}
    special = {id(parameter) for parameter in apart}
    groups = [{"params": [p for p in system.parameters() if id(p) not in special], "factor": 1.0}]
    groups += [{"params": [parameter], "factor": factor} for parameter, factor in apart.items()]
    optimiser = torch.optim.Adam(groups, how.rate)
    system.train()
    with torch.enable_grad():
        for step in range(how.steps):
            fallen = how.factor ** sum(step >= share * how.steps for share in how.milestones)
            for group in optimiser.param_groups:
                group["lr"] = how.rate * fallen * group["factor"]
            losses = system.losses(source.batch(step, 0, 1))
            loss = torch.stack(list(losses.values())).sum()
            optimiser.zero_grad(set_to_none=True)
            if loss.isfinite():
                loss.backward()
                optimiser.step()
            if told is not None:
                told(step, {name: float(term.detach()) for name, term in losses.items()})
    system.eval()
