"""Files that survive a power cut: complete on the disk before they take their name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isofield.data.atomic import atomic_write


@contextmanager
def durable_write(path: Path) -> Iterator[Path]:
    """A temporary name to write to, as `atomic_write` gives, synced before and after the move."""
    with atomic_write(path) as part:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
    with suppress(OSError):  # not every system can sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
