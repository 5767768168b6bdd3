"""The learning rate as a function of the step, so that resuming needs no state."""

from math import cos, pi

from isofield.training.options import TrainOptions

FLOOR = 0.01
"""What a cosine leaves of the peak at the last step."""


def learning_rate(step: int, options: TrainOptions) -> float:
    """Learning rate of the step counted from 0: linear warm-up, then the schedule."""
    rise = min(1.0, (step + 1) / (options.warmup + 1))
    if options.schedule == "constant":
        return options.learning_rate * rise
    progress = min(1.0, max(0, step - options.warmup) / max(1, options.steps - options.warmup))
    fall = FLOOR + (1 - FLOOR) * (1 + cos(pi * progress)) / 2
    return options.learning_rate * rise * fall
