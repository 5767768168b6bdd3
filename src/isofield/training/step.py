"""One training in progress: what a step does, what is saved, what comes back.

loss = sum(system.losses(batch))  ->  gradient  ->  AdamW  ->  average
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from isofield.errors import InputError
from isofield.system import System
from isofield.training.averages import Ema, Smoothed
from isofield.training.options import TrainOptions
from isofield.training.run_folder import RunFolder
from isofield.training.schedule import learning_rate
from isofield.training.source import BatchSource, to_device
from isofield.training.state import load_state, save_state, seed_step
from isofield.training.weights import save_weights


class Losses(nn.Module):
    """A system's losses as a module's forward, where DDP and mixed precision take hold."""

    def __init__(self, system: System, precision: str) -> None:
        super().__init__()
        self.system = system
        self.precision = precision

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """The named terms in float32."""
        device = next(self.system.parameters()).device.type
        half = torch.autocast(device, torch.bfloat16) if self.precision == "bf16" else nullcontext()
        with half:
            return {name: term.float() for name, term in self.system.losses(batch).items()}


@dataclass
class Training:
    """One training in progress."""

    system: System
    batches: BatchSource
    run: RunFolder
    options: TrainOptions
    accelerator: Accelerator
    losses: nn.Module = field(init=False)
    optimiser: torch.optim.Optimizer = field(init=False)
    ema: Ema | None = field(init=False)
    step: int = 0
    """Steps done."""
    skipped: int = 0
    """Steps in a row that had no finite loss."""
    smoothed: Smoothed = field(default_factory=Smoothed)
    initial: float | None = None
    """Smoothed loss once the warm-up was over: what learning must beat."""
    attempt: int = 0
    """How often the first weights have been drawn anew."""
    best: float | None = None
    """Largest measure of a validation so far, by what the system is judged by."""
    stopping: bool = False
    """Some rank was told to stop."""

    def __post_init__(self) -> None:
        self.system.to(self.accelerator.device).train()
        groups = parameter_groups(self.system, self.options.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, betas=self.options.betas, fused=True)
        self.losses = self.accelerator.prepare(Losses(self.system, self.options.precision))
        self.ema = None if self.options.ema is None else Ema(self.system, self.options.ema)

    def advance(self, batch: Any, stop: bool = False) -> None:
        """Take one step; a step without finite loss and gradient changes nothing but the count."""
        seed_step(self.options.seed, self.step, self.accelerator.process_index)
        rate = learning_rate(self.step, self.options)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("pace", 1.0)
        self.optimiser.zero_grad(set_to_none=True)
        terms = self.losses(to_device(batch, self.accelerator.device))
        self.accelerator.backward(torch.stack(list(terms.values())).sum())
        norm = nn.utils.clip_grad_norm_(self.system.parameters(), self.options.clip or inf)
        told = torch.tensor(float(stop), device=self.accelerator.device)
        shared = torch.stack([*(term.detach() for term in terms.values()), told])
        *means, stops = self.accelerator.reduce(shared, "mean").tolist()
        values = dict(zip(terms, means, strict=True))
        # gradient and means are the same on all ranks, so all of them decide alike
        if isfinite(sum(means)) and isfinite(norm.item()):
            self.optimiser.step()
            if self.ema:
                self.ema.update(self.step)
            self.skipped = 0
            self.smoothed.update({**values, "loss": sum(means), "gradient": norm.item()})
        else:
            self.skipped += 1
        self.step += 1
        self.stopping = stops > 0

    def restore(self) -> None:
        """Continue from the newest state in the run folder, if there is one."""
        try:
            found = load_state(self.run.state, self.system, self.optimiser, self.ema)
        except (RuntimeError, KeyError) as error:
            raise InputError(
                f"the state in {self.run.state} doesn't fit this version of the system ({error});"
                " use --restart to start over"
            ) from None
        if found:
            self.step, numbers = found
            self.skipped, self.initial = numbers["skipped"], numbers["initial"]
            self.smoothed.sums, self.smoothed.weight = numbers["sums"], numbers["weight"]
            self.best, self.attempt = numbers.get("best"), numbers.get("attempt", 0)

    def save(self) -> None:
        """Write the state and the weights so far."""
        numbers = {
            "skipped": self.skipped,
            "initial": self.initial,
            "sums": self.smoothed.sums,
            "weight": self.smoothed.weight,
            "best": self.best,
            "attempt": self.attempt,
        }
        save_state(self.run.state, self.step, self.system, self.optimiser, self.ema, numbers)
        with self.result():
            self._write(self.run.weights)

    def keep_best(self, values: Mapping[str, float]) -> bool:
        """Whether a validation measured more than any before; if so, its weights are the best ones.

        Call it inside `result()`, and `save` soon after: a state that knows the measure without the file
        would never write it, while a file that is ahead of the state is written again.
        """
        measure = values.get(self.system.judged_by, -inf)
        if not isfinite(measure) or (self.best is not None and measure <= self.best):
            return False
        self.best = measure
        self._write(self.run.best)
        return True

    def _write(self, path: Path) -> None:
        config = self.run.config
        save_weights(path, config["system"], config["config"], self.system.state_dict())

    @contextmanager
    def result(self) -> Iterator[System]:
        """The system as it would be used: averaged weights, evaluation mode."""
        with self.ema.applied() if self.ema else nullcontext():
            self.system.eval()
            try:
                yield self.system
            finally:
                self.system.train()


def parameter_groups(system: System, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels with decay, biases and gains without; then what has a pace of its own."""
    paces = system.paces
    parameters = [p for p in system.parameters() if p.requires_grad and p not in paces]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    apart = [{"params": [p], "weight_decay": 0.0, "pace": pace} for p, pace in paces.items()]
    return [*(group for group in groups if group["params"]), *apart]
