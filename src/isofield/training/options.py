"""How to train: every choice that isn't the system's own."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainOptions:
    """The training of one system; AdamW with decoupled weight decay."""

    steps: int = 100_000
    """Optimiser steps in all; raise it later to train on."""
    batch_size: int = 16
    """Items of one step over all ranks together."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    warmup: int = 200
    """Steps over which the learning rate rises linearly from zero."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """What follows the warm-up: nothing, or half a cosine down to a hundredth at the last step."""
    weight_decay: float = 0.01
    """Decay of matrices and kernels; biases and gains are left alone."""
    betas: tuple[float, float] = (0.9, 0.99)
    """AdamW's memory of the gradient and of its square."""
    clip: float | None = 1.0
    """Largest norm of the whole gradient."""
    precision: Literal["float32", "bf16"] = "float32"
    """Arithmetic inside the losses; weights and optimiser stay float32."""
    ema: float | None = 0.999
    """Decay of the averaged weights that are kept as the result; None keeps the last ones."""
    seed: int = 0
    """Batches, initial weights and dropout are functions of the seed and the step."""
    patience: int = 20
    """Steps in a row without a finite loss before training gives up."""
    save_every: int | None = None
    """Steps between saved states, besides those by the clock."""
    save_minutes: float | None = 10.0
    """Minutes between saved states."""
    log_every: int = 50
    """Steps between lines of metrics.jsonl."""
    validate_every: int | None = 2_000
    """Steps between validations."""
    preview_every: int | None = 5_000
    """Steps between previews."""
    device: Literal["auto", "cpu"] = "auto"
    """auto takes the GPU where there is one."""
    threads: int = 0
    """Processor threads to use; 0 uses all that this process may use, 1 repeats to the byte."""
    prefetch: int = 3
    """Batches prepared ahead."""
    workers: int = 1
    """Threads that prepare batches."""


FREE = frozenset(
    {"steps", "patience", "save_every", "save_minutes", "log_every", "validate_every", "preview_every"}
    | {"device", "threads", "prefetch", "workers"}
)
"""Options that may differ when a run is resumed."""
