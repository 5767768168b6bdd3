"""What a person sees while a verb works: stages with a time to go, warnings, one table at the end.

Everything on the way goes to stderr, results to stdout, so that output can be piped. On a
terminal a bar appears when the work takes longer than two seconds; elsewhere each finished stage is
a plain line, and a long one says every so often how far it is. `NO_COLOR` is respected (by rich).
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

PATIENCE = 2.0
"""Seconds of work before a bar appears; before that it would only flicker."""

SILENCE = 20.0
"""Seconds of a stage without a word where there is no bar."""

Advance = Callable[[float], None]
"""Called with the share of the stage that is done, in [0, 1]."""


class Progress(Protocol):
    """An `Advance` that also hears how it goes, in a few words."""

    def __call__(self, share: float, detail: str = "") -> None: ...


class Stages:
    """A sequence of stages whose lengths are guessed beforehand and corrected on the way."""

    def __init__(self, guesses: Mapping[str, float], clock: Callable[[], float] = time.perf_counter) -> None:
        """Start the clock.

        Args:
            guesses: Name -> expected seconds, in order; only their ratios matter later on.
            clock: Seconds from anywhere; tests bring their own.
        """
        self.guesses = dict(guesses)
        self.timings: dict[str, float] = {}
        self.current: str | None = None
        self.detail = ""
        self._clock = clock
        self._share = 0.0
        self._entered = clock()

    def enter(self, name: str) -> None:
        self.current, self.detail, self._share, self._entered = name, "", 0.0, self._clock()
        self.guesses.setdefault(name, 0.0)

    def advance(self, share: float, detail: str = "") -> None:
        """The current stage has come this far; going back is ignored."""
        self._share, self.detail = min(max(share, self._share), 1.0), detail

    def leave(self) -> float:
        """Seconds that the stage took; its guess becomes that truth."""
        assert self.current is not None
        seconds = self._clock() - self._entered
        self.timings[self.current] = self.timings.get(self.current, 0.0) + seconds
        self.current = None
        return seconds

    def remaining(self) -> float:
        """Seconds to go: guesses for what is left, scaled by how wrong the finished ones were."""
        done = sum(self.guesses.get(name, 0.0) for name in self.timings)
        spent = sum(self.timings.values())
        pace = spent / done if done > 0 else 1.0
        left = sum(g for name, g in self.guesses.items() if name not in self.timings and name != self.current)
        return pace * left + self._current_left(pace)

    def fraction(self) -> float:
        """Share of all the time that has passed."""
        elapsed = self.elapsed()
        total = elapsed + self.remaining()
        return elapsed / total if total > 0 else 0.0

    def elapsed(self) -> float:
        running = self._clock() - self._entered if self.current is not None else 0.0
        return sum(self.timings.values()) + running

    def _current_left(self, pace: float) -> float:
        if self.current is None:
            return 0.0
        spent = self._clock() - self._entered
        if self._share > 0.02:
            return spent * (1 - self._share) / self._share
        # A stage that outlives its guess without a word has, as far as we know, a tenth left.
        return max(pace * self.guesses[self.current] - spent, 0.1 * spent)


class Console:
    """Speaks to whoever typed the command; keeps warnings and timings for the record."""

    def __init__(
        self, guesses: Mapping[str, float] | None = None, *, json: bool = False, quiet: bool = False
    ) -> None:
        self.stages = Stages(guesses or {})
        self.warnings: list[str] = []
        self.json = json
        self.quiet = quiet
        self._silent = quiet or json
        self._spoke = 0.0
        self._bar: _Bar | None = None

    @property
    def timings(self) -> dict[str, float]:
        """Seconds per finished stage."""
        return self.stages.timings

    def expect(self, name: str, seconds: float) -> None:
        """A better guess for a stage to come, now that more is known."""
        self.stages.guesses[name] = seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """Announce a stage; yields the function to call with its finished share and, if any, words."""
        if self._bar is None and not self._silent and sys.stderr.isatty():
            self._bar = _Bar(self.stages)
        self.stages.enter(name)
        self._spoke = time.monotonic()
        try:
            yield self._advance
        except BaseException:
            self.close()
            raise
        seconds = self.stages.leave()
        if not self._silent and not sys.stderr.isatty():
            print(f"{name}: {seconds:.1f} s", file=sys.stderr)

    def _advance(self, share: float, detail: str = "") -> None:
        self.stages.advance(share, detail)
        if self._bar is None and not self._silent and time.monotonic() - self._spoke >= SILENCE:
            self._spoke = time.monotonic()
            print(f"{self.stages.current}: {share:.0%}{detail and ', ' + detail}", file=sys.stderr)

    def warn(self, sentence: str) -> None:
        """Keep a warning for the record, and say it unless told to be silent."""
        self.warnings.append(sentence)
        self.note(sentence)

    def note(self, sentence: str) -> None:
        """Say what is good to know and nothing to worry about, unless told to be silent."""
        if not self._silent:
            self._say(f"note: {sentence}")

    def finish(self, title: str, rows: Mapping[str, str], record: Mapping[str, object]) -> None:
        """End with one table for people, or one JSON object for programs."""
        self.close()
        if self.json:
            print(json.dumps(record))
        elif not self.quiet:
            print_table(title, rows)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, sentence: str) -> None:
        if self._bar is not None and self._bar.say(sentence):
            return
        print(sentence, file=sys.stderr)


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """Two columns on stdout: ruled on a terminal, plain `name  value` lines elsewhere."""
    if not sys.stdout.isatty():
        width = max(map(len, rows), default=0)
        print("\n".join(f"{name:<{width}}  {value}" for name, value in rows.items()))
        return
    from rich import box
    from rich.console import Console as Rich
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title, title_justify="left", show_header=False, box=box.SIMPLE_HEAD, title_style="bold"
    )
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(Text(name), Text(value))
    Rich().print(table)


class _Bar:
    """A bar on stderr that shows itself after `PATIENCE` seconds."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._timer.start()

    def say(self, sentence: str) -> bool:
        """Print above the bar; False when there is none yet."""
        if self._live is None:
            return False
        self._live.console.print(sentence, markup=False, highlight=False)
        return True

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._live is not None:
                self._live.stop()
                self._live = None

    def _show(self) -> None:
        from rich.console import Console as Rich
        from rich.live import Live

        with self._lock:
            if not self._closed:
                live = Live(
                    get_renderable=self._draw, console=Rich(stderr=True), transient=True, refresh_per_second=5
                )
                live.start()
                self._live = live

    def _draw(self) -> "Table":
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        stages = self._stages
        row = Table.grid(padding=(0, 1))
        row.add_row(
            f"[bold]{stages.current or 'done'}[/]",
            ProgressBar(total=1.0, completed=stages.fraction(), width=32),
            f"{_clock(stages.elapsed())}, {_clock(stages.remaining())} to go",
            stages.detail,
        )
        return row


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60}:{whole % 60:02d} min"
