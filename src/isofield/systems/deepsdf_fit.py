"""The code of a shape that was never seen in training, from distances at some points (DeepSDF, section 4.2).

    z = argmin  mean |clamp(f(z, x), delta) - clamp(s, delta)|  +  prior * mean(z^2)

Adam on the code alone, the network held; half of each step's points lie inside.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from isofield.condition import Code
from isofield.fields.deepsdf import DeepSdfField
from isofield.ops.steps import run

Told = Callable[[int, float], None]
"""Hears the step and the mean loss."""


@dataclass(frozen=True)
class CodeFit:
    """How codes are found; defaults are those of the original code."""

    steps: int = 800
    rate: float = 5e-3
    fall: float = 0.1
    """Factor of the rate after half of the steps."""
    samples: int | None = 8000
    """Points of one step; None takes all of them in every step."""
    clamp: float = 0.1
    """Distances count up to this."""
    prior: float = 1e-4
    """Weight of the code's mean square."""
    start: float = 0.01
    """Standard deviation of the codes at the start."""
    starts: int = 1
    """Fits per shape, of which the best is kept."""
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """What fits found."""

    codes: Float[Tensor, "b c"]
    losses: Float[Tensor, "b s"]
    """Of each step before it was taken, of the start that was kept."""
    error: Float[Tensor, " b"]
    """Mean clamped difference over all points at the end."""


def fit_code(
    field: DeepSdfField,
    points: Float[Tensor, "b n 3"],
    sdf: Float[Tensor, "b n"],
    how: CodeFit,
    start: Float[Tensor, "b c"] | None = None,
    told: Told | None = None,
) -> Fitted:
    """Codes of several shapes at once, each from points of known distance in the unit ball.

    Args:
        field: Trained; it is left as it is, and works as in evaluation mode.
        points: Of each shape.
        sdf: Signed distances there, negative inside.
        how: Steps, rates and starts.
        start: Where to begin, instead of at random.
        told: Hears of every step.
    """
    draw = torch.Generator().manual_seed(how.seed)
    count, starts = len(points), 1 if start is not None else how.starts
    first = (
        how.start * torch.randn(starts, count, field.code_size, generator=draw)
        if start is None
        else start[None]
    )
    sides = [_sides(known, draw) for known in sdf.cpu()]
    kept = []
    with torch.inference_mode(False), torch.enable_grad(), _held(field):
        shapes = [(p.detach().clone(), s.detach().clone()) for p, s in zip(points, sdf, strict=True)]
        codes = first.to(points).clone().requires_grad_()
        optimiser = torch.optim.Adam([codes], how.rate)
        for step in range(how.steps):
            optimiser.param_groups[0]["lr"] = how.rate * how.fall ** (2 * step // how.steps)
            optimiser.zero_grad()
            losses = codes.new_zeros(starts, count)
            for shape, (known, distances) in enumerate(shapes):
                pick = _pick(sides[shape], how.samples, step)
                for row in range(starts):
                    # each on its own: memory stays that of one fit, and gradients of sums are apart anyway
                    loss = _loss(field, codes[row, shape], known[pick], distances[pick], how)
                    loss.backward()
                    losses[row, shape] = loss.detach()
            kept.append(losses)
            optimiser.step()
            if told is not None:
                told(step, float(losses.mean()))
        with torch.no_grad():
            error = torch.stack(
                [_difference(field, z, *shapes[k], how.clamp) for row in codes for k, z in enumerate(row)]
            ).view(starts, count)
    which = error.argmin(0), torch.arange(count)
    history = torch.stack(kept, -1) if kept else codes.new_zeros(starts, count, 0)
    return Fitted(codes.detach()[which], history[which], error[which])


@contextmanager
def _held(field: DeepSdfField) -> Iterator[None]:
    """The field in evaluation mode, without gradients of its own."""
    training, wanted = field.training, [p.requires_grad for p in field.parameters()]
    try:
        field.eval().requires_grad_(False)
        yield
    finally:
        field.train(training)
        for parameter, grad in zip(field.parameters(), wanted, strict=True):
            parameter.requires_grad_(grad)


def _loss(
    field: DeepSdfField,
    code: Float[Tensor, " c"],
    points: Float[Tensor, "n 3"],
    sdf: Float[Tensor, " n"],
    how: CodeFit,
) -> Float[Tensor, ""]:
    return _difference(field, code, points, sdf, how.clamp) + how.prior * code.square().mean()


def _difference(
    field: DeepSdfField,
    code: Float[Tensor, " c"],
    points: Float[Tensor, "n 3"],
    sdf: Float[Tensor, " n"],
    clamp: float,
) -> Float[Tensor, ""]:
    """Mean clamped difference."""
    steps = field.steps(code)
    values = field(points[None], Code(code[None]))[0] if steps is None else run(steps, points, points)[:, 0]
    return (values.clamp(-clamp, clamp) - sdf.clamp(-clamp, clamp)).abs().mean()


Sides = tuple[Int[Tensor, " p"], Int[Tensor, " q"]]
"""Numbers of the points outside and inside, each in an order of chance."""


def _sides(sdf: Float[Tensor, " n"], draw: torch.Generator) -> Sides:
    def shuffled(side: Bool[Tensor, " n"]) -> Int[Tensor, " s"]:
        numbers = side.nonzero()[:, 0]
        return numbers[torch.randperm(len(numbers), generator=draw)]

    return shuffled(sdf > 0), shuffled(sdf <= 0)


def _pick(sides: Sides, samples: int | None, step: int) -> Int[Tensor, " m"] | slice:
    """The step's points: the next ones of either side, from the beginning again after the last."""
    if samples is None or samples >= sum(map(len, sides)):
        return slice(None)
    half = samples // 2
    return torch.cat([_next(numbers, half, step) for numbers in sides if len(numbers)])


def _next(numbers: Int[Tensor, " s"], half: int, step: int) -> Int[Tensor, " h"]:
    return numbers[(step * half + torch.arange(half)) % len(numbers)]
