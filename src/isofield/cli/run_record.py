"""The record that every run leaves beside its output: enough to repeat it and to trust it."""

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RECORDED = ("isofield", "torch", "numpy", "scipy", "scikit-image", "trimesh", "libigl", "fast-simplification")
"""Packages whose version can change a result."""


def run_record(
    command: Sequence[str],
    *,
    seed: int,
    threads: int,
    timings: Mapping[str, float],
    warnings: Sequence[str] = (),
    inputs: Iterable[Path] = (),
    outputs: Iterable[Path] = (),
    **found: Any,
) -> dict[str, Any]:
    """What was run, on what, with what, and what came out, as plain JSON values.

    Args:
        command: The words as typed, after `isofield`.
        seed: Seed of every random draw.
        threads: Processor threads used.
        timings: Seconds per stage.
        warnings: Sentences that the user was shown.
        inputs: Files that were read; recorded with size and SHA-256.
        outputs: Files that were written; recorded likewise.
        **found: Further sections, such as `mesh` or `normalisation`.
    """
    return {
        "command": ["isofield", *command],
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "seed": seed,
        "threads": threads,
        "seconds": {name: round(seconds, 4) for name, seconds in timings.items()},
        "peak_memory_bytes": peak_memory(),
        "warnings": list(warnings),
        "inputs": [_file(path) for path in inputs],
        "outputs": [_file(path) for path in outputs],
        **found,
    }


def typed(verb: str, given: Sequence[str], holders: Iterable[Any], omit: Sequence[str] = ()) -> list[str]:
    """The words that give these arguments again; what is left at its default is not said.

    Args:
        verb: The first word.
        given: The words that follow it.
        holders: Dataclasses of options.
        omit: Fields that `given` says already.
    """
    said = [verb, *given]
    for holder in holders:
        for each in fields(holder):
            value = getattr(holder, each.name)
            if each.name in omit or is_dataclass(value) or value == each.default:
                continue
            said.append("--" + each.name.replace("_", "-"))
            if value is not True:
                said += map(str, value) if isinstance(value, tuple) else [str(value)]
    return said


def as_json(value: Any) -> Any:
    """Records, paths and tuples as the plain values that a JSON file would give back."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.loads(json.dumps(plain, default=str))


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write it as JSON; a half-written record never appears."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(record, indent=2, default=_plain) + "\n", encoding="utf-8")
    partial.replace(path)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def peak_memory() -> int | None:
    """Most bytes this process has held at once; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Linux counts kibibytes, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(path: Path) -> dict[str, Any]:
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}


def _plain(value: Any) -> Any:
    """Numpy numbers and arrays as JSON; anything else as its text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
