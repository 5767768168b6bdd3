"""What training says: a progress line, metrics.jsonl, TensorBoard events where it is installed."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Tells how far the training is."""

    def update(self, step: int, loss: float, rate: float) -> None:
        """After each step: smoothed loss and learning rate."""
        ...

    def say(self, text: str) -> None:
        """One line that stays."""
        ...


class PlainProgress:
    """A line every `every` seconds, for logs and pipes."""

    def __init__(self, start: int, steps: int, every: float = 30.0) -> None:
        self.start, self.steps, self.every = start, steps, every
        self.began = time.monotonic()
        self.spoke = self.began - every + 5  # the first line comes early

    def update(self, step: int, loss: float, rate: float) -> None:
        """After each step: smoothed loss and learning rate."""
        now = time.monotonic()
        if now - self.spoke >= self.every or step == self.steps:
            self.spoke = now
            speed = (step - self.start) / max(now - self.began, 1e-9)
            left = clock((self.steps - step) / max(speed, 1e-9))
            self.say(
                f"step {step}/{self.steps}  loss {loss:.5f}  lr {rate:.2e}  {speed:.2f} it/s  left {left}"
            )

    def say(self, text: str) -> None:
        """One line that stays."""
        print(text, file=sys.stderr, flush=True)


class RichProgress:
    """A moving bar for terminals."""

    def __init__(self, bar: Any, start: int, steps: int) -> None:
        self.bar, self.start = bar, start
        self.task = bar.add_task(
            "training", total=steps, completed=start, loss="", rate="", speed="", left=""
        )
        self.began = time.monotonic()
        self.steps = steps

    def update(self, step: int, loss: float, rate: float) -> None:
        """After each step: smoothed loss and learning rate."""
        speed = (step - self.start) / max(time.monotonic() - self.began, 1e-9)
        left = clock((self.steps - step) / max(speed, 1e-9))
        words = {"loss": f"{loss:.5f}", "rate": f"{rate:.2e}", "speed": f"{speed:.2f}", "left": left}
        self.bar.update(self.task, completed=step, **words)

    def say(self, text: str) -> None:
        """One line that stays."""
        self.bar.console.print(text, markup=False, highlight=False)


class Silence:
    """Says nothing: other ranks, --quiet."""

    def update(self, step: int, loss: float, rate: float) -> None:
        """After each step: smoothed loss and learning rate."""

    def say(self, text: str) -> None:
        """One line that stays."""


@contextmanager
def progress_line(start: int, steps: int, quiet: bool = False) -> Iterator[Progress]:
    """A bar on a terminal, lines elsewhere, nothing when quiet; all on stderr."""
    if quiet:
        yield Silence()
    elif not sys.stderr.isatty():
        yield PlainProgress(start, steps)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        shown = {"loss": "loss {}", "rate": "lr {}", "speed": "{} it/s", "left": "left {}"}
        text = "  ".join(words.format(f"{{task.fields[{name}]}}") for name, words in shown.items())
        with Progress(
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn(text),
            console=Console(stderr=True),
            refresh_per_second=2,
        ) as bar:
            yield RichProgress(bar, start, steps)


def clock(seconds: float) -> str:
    """Seconds in the form 1:02:03."""
    minutes, rest = divmod(round(min(seconds, 1e9)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Metrics:
    """Appends to metrics.jsonl and, if it is installed, to TensorBoard's event files."""

    def __init__(self, file: Path, events: Path, step: int) -> None:
        self.file = open(file, "a")  # noqa: SIM115 - closed by close()
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board: Any = SummaryWriter(str(events), purge_step=step + 1)
        except ImportError:
            self.board = None

    def write(self, kind: str, step: int, values: dict[str, float], **more: Any) -> None:
        """One line of numbers after `step` steps."""
        plain = {name: value if isfinite(value) else None for name, value in values.items()}
        self.file.write(json.dumps({"kind": kind, "step": step, **plain, **more}) + "\n")
        self.file.flush()
        if self.board:
            for name, value in values.items():
                self.board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Finish the files."""
        self.file.close()
        if self.board:
            self.board.close()
