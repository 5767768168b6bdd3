"""Averages over time: of the weights, and of the numbers on the progress line."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of a module's parameters.

    The decay warms up as (1 + t) / (10 + t), so early averages forget the initial weights.
    Buffers (running statistics) are averages already and are taken as they are.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = list(module.parameters())
        self.names = [name for name, _ in module.named_parameters()]
        self.averages = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the averages towards the weights after the step counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The averages take the weights' place for a while."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def exchange(self) -> None:
        """Weights and averages trade places."""
        for index, parameter in enumerate(self.parameters):
            parameter.data, self.averages[index] = self.averages[index], parameter.data

    def state(self) -> dict[str, Tensor]:
        """The averages by the names of their parameters."""
        return dict(zip(self.names, self.averages, strict=True))

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        for name, average in zip(self.names, self.averages, strict=True):
            average.copy_(state[name])


class Smoothed:
    """Running means of named numbers over about the last 1 / (1 - decay) steps."""

    def __init__(self, decay: float = 0.98) -> None:
        self.decay = decay
        self.sums: dict[str, float] = {}
        self.weight = 0.0

    def update(self, values: dict[str, float]) -> None:
        """Take in one step; values that aren't finite are left out."""
        if not all(isfinite(value) for value in values.values()):
            return
        self.weight = self.decay * self.weight + 1 - self.decay
        for name, value in values.items():
            self.sums[name] = self.decay * self.sums.get(name, 0.0) + (1 - self.decay) * value

    def means(self) -> dict[str, float]:
        """The running means, unbiased from the first step on; empty before it."""
        return {name: total / self.weight for name, total in self.sums.items()} if self.weight else {}
