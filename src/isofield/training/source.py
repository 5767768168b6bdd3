"""Where batches come from: pure functions of the step, prepared ahead in the background."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from isofield.data.occupancy import Known
from isofield.system import System


@runtime_checkable
class BatchSource(Protocol):
    """Batches by number; resuming needs no iterator state.

    The seed is the source's own. The global batch of a step is the same for every `world`;
    each rank gets an equal share of it, so that the mean over ranks is the mean over the batch.
    `batch` runs in background threads: it draws from its own generators, never the global ones.
    """

    def batch(self, step: int, rank: int, world: int) -> Any:
        """This rank's share of the step's batch, in whatever form `system.losses` takes."""
        ...


@runtime_checkable
class Validates(Protocol):
    """A source that measures the system on data it doesn't train on."""

    def validate(self, system: System) -> dict[str, float]:
        """Named measures of the system, which is in evaluation mode."""
        ...


@runtime_checkable
class Previews(Protocol):
    """A source that knows something to look at."""

    def preview(self, system: System, step: int, folder: Path) -> None:
        """Write files that show what the system does by now."""
        ...


@runtime_checkable
class HoldsOut(Protocol):
    """A source that keeps shapes aside; used where it has no `validate` or `preview` of its own."""

    def held_out(self) -> Sequence[Known]:
        """What was seen and what is true, the same every time."""
        ...


@contextmanager
def prefetched(
    source: BatchSource,
    start: int,
    stop: int,
    rank: int = 0,
    world: int = 1,
    ahead: int = 3,
    workers: int = 1,
) -> Iterator[Iterator[Any]]:
    """Batches of the steps [start, stop) in order, while the next ones are being prepared.

    An exception inside `source.batch` is raised where its batch would have come.
    """
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="batches")
    waiting: deque[Future[Any]] = deque()

    def batches() -> Iterator[Any]:
        for step in range(start, stop):
            first = step + len(waiting)
            for later in range(first, min(stop, step + 1 + max(0, ahead))):
                waiting.append(pool.submit(source.batch, later, rank, world))
            yield waiting.popleft().result()

    try:
        yield batches()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with all its tensors on the device; follows records, mappings, lists and tuples."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if is_dataclass(batch) and not isinstance(batch, type):
        names = [f.name for f in fields(batch) if f.init]
        return replace(batch, **{name: to_device(getattr(batch, name), device) for name in names})
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
