"""The training loop of every system: batches in, weights out, exact to resume.

    for step:  loss = sum(system.losses(batch(step)))  ->  gradient  ->  AdamW  ->  average

Everything that happens in a step is a function of the state and of (seed, step): the batch,
the random numbers, the learning rate. So a run that was killed and started again ends in the
same weights as one that wasn't, and two ranks do what one does with the whole batch.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
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
from isofield.training.logs import Metrics, Progress, progress_line
from isofield.training.options import TrainOptions
from isofield.training.run_folder import RunFolder
from isofield.training.schedule import learning_rate
from isofield.training.source import BatchSource, HoldsOut, Previews, Validates, prefetched, to_device
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
            group["lr"] = rate
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

    def save(self) -> None:
        """Write the state and the weights so far."""
        numbers = {
            "skipped": self.skipped,
            "initial": self.initial,
            "sums": self.smoothed.sums,
            "weight": self.smoothed.weight,
        }
        save_state(self.run.state, self.step, self.system, self.optimiser, self.ema, numbers)
        with self.result():
            config = self.run.config
            save_weights(self.run.weights, config["system"], config["config"], self.system.state_dict())

    @contextmanager
    def result(self) -> Iterator[System]:
        """The system as it would be used: averaged weights, evaluation mode."""
        with self.ema.applied() if self.ema else nullcontext():
            self.system.eval()
            try:
                yield self.system
            finally:
                self.system.train()


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    step: int
    """Steps done in all: `options.steps`, or fewer after Ctrl-C or SIGTERM."""
    means: dict[str, float]
    """Smoothed loss, its terms and the norm of the gradient."""
    seconds: float
    """Wall time of this process's part."""


def train(
    system: System, batches: BatchSource, run: RunFolder, options: TrainOptions, quiet: bool = False
) -> Outcome:
    """Train the system to the end of `options.steps`, or until it is told to stop.

    Resumes whatever the run folder holds. The trained weights are in `run.weights`; `system`
    has them too at the end, in evaluation mode.

    Raises:
        InputError: The folder holds something else, or the loss was not finite for
            `options.patience` steps in a row.
    """
    began = time.monotonic()
    if options.threads:
        torch.set_num_threads(options.threads)
    accelerator = Accelerator(cpu=options.device == "cpu")
    main = accelerator.is_main_process
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_signals())
        if main:
            stack.enter_context(run.opened())
        accelerator.wait_for_everyone()
        training = Training(system, batches, run, options, accelerator)
        training.restore()
        if main:
            run.forget_after(training.step)
        metrics = Metrics(run.metrics, run.path / "events", training.step) if main else None
        if metrics:
            stack.callback(metrics.close)
        progress = stack.enter_context(progress_line(training.step, options.steps, quiet or not main))
        _loop(training, metrics, progress, stopped)
        if main:
            training.save()
        if training.ema:
            training.ema.exchange()
        system.eval()
    return Outcome(training.step, training.smoothed.means(), time.monotonic() - began)


def _loop(training: Training, metrics: Metrics | None, progress: Progress, stopped: threading.Event) -> None:
    options, accelerator = training.options, training.accelerator
    saved = time.monotonic()
    if training.step:
        progress.say(f"resuming after step {training.step}")
    ranks = accelerator.process_index, accelerator.num_processes
    with prefetched(
        training.batches,
        training.step,
        options.steps,
        *ranks,
        ahead=options.prefetch,
        workers=options.workers,
    ) as upcoming:
        for batch in upcoming:
            rate = learning_rate(training.step, options)
            training.advance(batch, stop=stopped.is_set())
            if training.skipped:
                _complain(training, progress)
            step, means = training.step, training.smoothed.means()
            progress.update(step, means.get("loss", inf), rate)
            if metrics:
                if due(step, options.log_every) or step == options.steps:
                    metrics.write("train", step, means, rate=rate)
                    _watch(training, progress)
                _look(training, metrics, progress)
                minutes = (time.monotonic() - saved) / 60
                if due(step, options.save_every) or (
                    options.save_minutes and minutes >= options.save_minutes
                ):
                    training.save()
                    saved = time.monotonic()
            if training.stopping:
                progress.say(f"stopped after step {step}; the same command resumes")
                return


def _complain(training: Training, progress: Progress) -> None:
    patience = training.options.patience
    progress.say(f"step {training.step}: the loss or its gradient is not finite, step skipped")
    if training.skipped >= patience:
        raise InputError(
            f"{training.run.path}: the loss was not finite for {patience} steps, the last one"
            f" {training.step};"
            " lower the learning rate or look at the data (the last good state is kept)"
        )


def _watch(training: Training, progress: Progress) -> None:
    """Warn when the loss stays where it started."""
    options, loss = training.options, training.smoothed.means().get("loss", inf)
    if training.step < options.warmup + 100 or not isfinite(loss):
        return
    if training.initial is None:
        training.initial = loss
    elif training.step % (20 * options.log_every) == 0 and loss > training.initial:
        progress.say(
            f"warning: after {training.step} steps the loss is {loss:.4f}, not below the"
            f" {training.initial:.4f} at the end of the warm-up: nothing is being learnt"
        )


def _look(training: Training, metrics: Metrics, progress: Progress) -> None:
    """Validation and previews, when they are due; neither disturbs the training."""
    options, step = training.options, training.step
    last = step == options.steps
    if options.validate_every and (last or due(step, options.validate_every)):
        with training.result() as system, torch.no_grad():
            values = {name: float(value) for name, value in _measures(system, training.batches).items()}
        if values:
            metrics.write("validation", step, values)
            progress.say(
                f"step {step}  " + "  ".join(f"{name} {value:.5f}" for name, value in values.items())
            )
    if options.preview_every and (last or due(step, options.preview_every)):
        try:
            with training.result() as system, torch.no_grad():
                _preview(system, training.batches, step, training.run.path / "previews")
        except Exception as error:  # a picture is never worth a training
            progress.say(f"step {step}: the preview failed: {type(error).__name__}: {error}")


def _measures(system: System, source: BatchSource) -> dict[str, float]:
    if isinstance(source, Validates):
        return source.validate(system)
    if isinstance(source, HoldsOut):
        from isofield.training.validation import mean_iou

        return mean_iou(system, source.held_out())
    return {}


def _preview(system: System, source: BatchSource, step: int, folder: Path) -> None:
    if isinstance(source, Previews):
        folder.mkdir(exist_ok=True)
        source.preview(system, step, folder)
    elif isinstance(source, HoldsOut):
        from isofield.training.validation import write_previews

        folder.mkdir(exist_ok=True)
        write_previews(system, source.held_out(), folder, step)


def due(step: int, every: int | None) -> bool:
    """Whether something that happens every so many steps happens after this one."""
    return bool(every) and step % (every or 1) == 0


def parameter_groups(system: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels with decay, biases and gains without."""
    parameters = [p for p in system.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that the step in hand is finished and saved."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    names = (signal.SIGINT, signal.SIGTERM)

    def stop(*_: Any) -> None:
        if event.is_set():  # asked twice: now
            raise KeyboardInterrupt
        event.set()

    before = {name: signal.signal(name, stop) for name in names}
    try:
        yield event
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
