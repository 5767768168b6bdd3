"""The training loop of every system: batches in, weights out, exact to resume.

    for step:  loss = sum(system.losses(batch(step)))  ->  gradient  ->  AdamW  ->  average

Everything that happens in a step is a function of the state and of (seed, step): the batch,
the random numbers, the learning rate. So a run that was killed and started again ends in the
same weights as one that wasn't, and two ranks do what one does with the whole batch.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from isofield.errors import InputError
from isofield.system import System
from isofield.training.collapse import ATTEMPTS, begin_again, has_collapsed
from isofield.training.logs import Metrics, Progress, progress_line
from isofield.training.options import TrainOptions
from isofield.training.precision import has_bf16
from isofield.training.run_folder import RunFolder
from isofield.training.schedule import learning_rate
from isofield.training.source import BatchSource, HoldsOut, Previews, Validates, prefetched
from isofield.training.step import Training


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
        stopped = stack.enter_context(stop_signals(quiet))
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
        while not _loop(training, metrics, progress, stopped):
            begin_again(training)
        if main:
            training.save()
        if training.ema:
            training.ema.exchange()
        system.eval()
    return Outcome(training.step, training.smoothed.means(), time.monotonic() - began)


def _loop(training: Training, metrics: Metrics | None, progress: Progress, stopped: threading.Event) -> bool:
    """Steps until the end; False if they have to begin again with other weights."""
    options, accelerator = training.options, training.accelerator
    saved = time.monotonic()
    if training.step >= options.steps:
        progress.say(f"all {training.step} steps were done before: nothing is learned anew")
    elif training.step:
        progress.say(f"resuming after step {training.step}")
    if options.precision == "bf16" and not has_bf16(accelerator.device):
        progress.say("warning: bfloat16 is imitated on this processor, far slower than --precision float32")
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
            if has_collapsed(training.batches, step, means):
                if training.attempt + 1 < ATTEMPTS:
                    progress.say(
                        f"step {step}: no better than a constant answer; beginning again with other weights"
                    )
                    return False
                progress.say(f"warning: step {step}: no better than a constant answer, {ATTEMPTS} times")
            if metrics:
                if due(step, options.log_every) or step == options.steps:
                    metrics.write("train", step, means, rate=rate)
                    _watch(training, progress)
                improved = _look(training, metrics, progress)
                minutes = (time.monotonic() - saved) / 60
                late = bool(options.save_minutes) and minutes >= (options.save_minutes or 0)
                if improved or late or due(step, options.save_every):
                    training.save()
                    saved = time.monotonic()
            if training.stopping:
                progress.say(f"stopped after step {step}; the same command resumes")
                break
    return True


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


def _look(training: Training, metrics: Metrics, progress: Progress) -> bool:
    """Validation and previews, when they are due; neither disturbs the training.

    Whether the weights are the best ones so far, and the state has to be saved beside them.
    """
    options, step = training.options, training.step
    last = step == options.steps
    improved = False
    if options.validate_every and (last or due(step, options.validate_every)):
        with training.result() as system, torch.no_grad():
            values = {name: float(value) for name, value in _measures(system, training.batches).items()}
            improved = training.keep_best(values)
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
    return improved


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


@contextmanager
def stop_signals(quiet: bool = False) -> Iterator[threading.Event]:
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
        if not quiet:
            print("stopping when this step is done; once more stops at once", file=sys.stderr, flush=True)

    before = {name: signal.signal(name, stop) for name in names}
    try:
        yield event
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
