"""The run folder: what was asked, what happened, what came out; reloads from itself alone.

RUN/config.json           system, its config, data, options, versions
RUN/metrics.jsonl         one line per logged step or validation
RUN/weights.safetensors   the result so far
RUN/best.safetensors      the result when the validation found it best
RUN/state/                the last two resume states
RUN/previews/, RUN/events/
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isofield.errors import InputError
from isofield.training.durable import durable_write
from isofield.training.options import FREE


@dataclass(frozen=True)
class RunFolder:
    """One training on the disk."""

    path: Path
    config: dict[str, Any]
    """Plain JSON values: `system`, `config`, `data`, `options`, `versions`."""
    restart: bool = False
    """Start over; the old folder is renamed, never deleted."""

    @property
    def state(self) -> Path:
        """Folder of the resume states."""
        return self.path / "state"

    @property
    def weights(self) -> Path:
        """File of the result so far."""
        return self.path / "weights.safetensors"

    @property
    def best(self) -> Path:
        """File of the weights that the validation found best; there once it measured any."""
        return self.path / "best.safetensors"

    @property
    def metrics(self) -> Path:
        """File of the logged numbers."""
        return self.path / "metrics.jsonl"

    @property
    def is_used(self) -> bool:
        """More lies in the folder than a process leaves that is killed before it writes config.json."""
        return self.path.is_dir() and any(
            entry.name != "state" and not entry.name.startswith(".config-") for entry in self.path.iterdir()
        )

    def check(self) -> None:
        """Nothing, if the folder is free, holds this very run, or a run to be started over.

        Raises:
            InputError: Something else is there, and the message names the first difference, or nothing can
                be written there.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; name a folder for the run")
        file = self.path / "config.json"
        if self.is_used and not file.exists():
            raise InputError(
                f"{self.path} is not empty and holds no run (no config.json); choose another folder"
            )
        if self.restart or not self.is_used:
            self._check_place()
            return
        try:
            old = json.loads(file.read_text())
        except ValueError:
            raise InputError(f"{file} is not JSON; use --restart to start over") from None
        for key, was, now in differences(old, json.loads(json.dumps(self.config))):
            if key.startswith("data."):
                raise InputError(
                    f"{file} holds another training, of other data or an earlier state of {key[5:]};"
                    " use another folder, or --restart to start over"
                )
            raise InputError(
                f"{file} holds another training: {key} was {json.dumps(was)} and now is {json.dumps(now)};"
                " use the same value, another folder, or --restart to start over"
            )

    def _check_place(self) -> None:
        """Nothing, if what is there of the path takes a folder, as far as can be told without making one."""
        there = next(folder for folder in (self.path, *self.path.absolute().parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            reason = "takes no files" if there.is_dir() else "is a file"
            raise InputError(f"{self.path} can't be written: {there} {reason}; choose another folder")

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Create or take over the folder; until the end it belongs to this process alone.

        Raises:
            InputError: As `check` does, or another training is running there.
        """
        self.check()
        if self.restart and self.is_used:
            with self._locked():
                pass  # nobody works in it
            self.path.rename(_unused(self.path))
        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path} can't be written: {error.strerror}; choose another folder"
            ) from None
        with self._locked():
            for folder in (self.path, self.state):
                for part in folder.glob(".*-*"):  # what a killed process was writing
                    part.unlink()
            with durable_write(self.path / "config.json") as part:
                part.write_text(json.dumps(self.config, indent=2) + "\n")
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock dies with its process, however that ends."""
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        self.state.mkdir(exist_ok=True)
        with open(self.state / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"another training is running in {self.path}; wait for it or stop it"
                ) from None
            yield

    def forget_after(self, step: int) -> None:
        """Drop the metrics beyond the step, and a line that was cut off."""
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text().splitlines():
            with suppress(ValueError):
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        with durable_write(self.metrics) as part:
            part.write_text("".join(kept))


def differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, old and new value wherever two configs differ in what decides the result."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*new, *(name for name in old if name not in new)]:
            if (key, name) == ("", "versions") or (key == "options" and name in FREE):
                continue
            inner = f"{key}.{name}" if key else name
            yield from differences(old.get(name), new.get(name), inner)
    elif old != new:
        yield key, old, new


def _unused(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (
        path.with_name(f"{path.name}-until-{stamp}{tail}") for tail in ("", *(f"-{i}" for i in range(2, 99)))
    )
    return next(name for name in names if not os.path.lexists(name))
