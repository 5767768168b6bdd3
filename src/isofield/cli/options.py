"""Options that every verb shares: its arguments end with a field `common` of this type."""

import os
import sys
from dataclasses import dataclass

from isofield.errors import InputError


@dataclass(frozen=True)
class Options:
    """The same for every verb."""

    json: bool = False
    """Print one JSON object on stdout, for programs; nothing else goes there."""
    quiet: bool = False
    """Print nothing but errors."""
    threads: int = 0
    """Processor threads to use; 0 uses all that this process may use."""
    seed: int = 0
    """Seed of every random draw."""

    @property
    def thread_count(self) -> int:
        """Threads that will be used."""
        return self.threads if self.threads > 0 else _available()

    def apply(self) -> None:
        """Limit the numeric libraries to the threads asked for, before they are imported.

        Waiting threads sleep instead of spinning: where another program uses the processors, too,
        spinning took three times as long here.

        Raises:
            InputError: A negative number of threads.
        """
        if self.threads < 0:
            raise InputError(f"--threads {self.threads} is impossible; give a number, or 0 for all")
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if self.threads <= 0:
            return
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(self.threads)
        if "torch" in sys.modules:
            import torch

            torch.set_num_threads(self.threads)


def _available() -> int:
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit() and int(limit) > 0:
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
