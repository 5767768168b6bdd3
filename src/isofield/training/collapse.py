"""Trainings that never begin to learn, and a second chance for them.

Some networks can fall at once into a state that no gradient leads out of: a NeRF whose density is zero
everywhere shows its background for ever. A source that knows what the best constant answer costs can tell.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch

from isofield.system import System
from isofield.training.averages import Smoothed
from isofield.training.source import BatchSource
from isofield.training.state import seed_step
from isofield.training.step import Training

ATTEMPTS = 3
"""First weights that are tried before the training goes on as it is."""


@runtime_checkable
class NoticesCollapse(Protocol):
    """A source that knows when a system should have begun to learn."""

    def collapsed(self, step: int, means: Mapping[str, float]) -> bool:
        """Whether after this step the smoothed losses say that nothing has been learnt."""
        ...


def has_collapsed(batches: BatchSource, step: int, means: Mapping[str, float]) -> bool:
    """What the source says; never for one that can't tell. The same on all ranks, as the means are."""
    return isinstance(batches, NoticesCollapse) and batches.collapsed(step, means)


def begin_again(training: Training) -> None:
    """Step 0 with other first weights, drawn from the seed and the number of the attempt."""
    training.attempt += 1
    seed_step(training.options.seed, 0, 10_000 + training.attempt)  # a stream that no rank's step has
    system = training.system
    system.load_state_dict(fresh(system).state_dict())
    training.optimiser.state.clear()
    if training.ema:
        training.ema.restore({name: p.detach() for name, p in system.named_parameters()})
    training.step, training.skipped = 0, 0
    training.smoothed, training.initial, training.best = Smoothed(), None, None
    if training.accelerator.is_main_process:
        for old in training.run.state.glob("[0-9]*.safetensors"):
            old.unlink()  # later steps of the attempt that failed would be resumed from


@torch.no_grad()
def fresh(system: System) -> System:
    """The same system with weights as they are at first."""
    return type(system)(system.config)
