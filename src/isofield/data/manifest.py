"""The record of a preparation: every model with what became of it, and why."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isofield.data.atomic import atomic_write
from isofield.errors import InputError

NAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One model: where it came from, what was found and written."""

    id: str
    category: str
    source: str
    fingerprint: str
    """CRC-32 of the mesh file."""
    status: str
    """`ok`, `dropped` (a mesh that says nothing clear about inside) or `failed`."""
    reason: str = ""
    creator: str = ""
    licence: str = ""
    split: str = ""
    faces: int = 0
    inside: float = 0.0
    """Share of the cube of side 1.1."""
    ambiguous: float = 0.0
    """Volume of undecided winding number, in units of the inside volume."""
    repaired: float = 0.0
    """Share of the area whose faces were turned or drawn twice."""
    seconds: float = 0.0
    bytes: dict[str, int] = field(default_factory=dict)
    """Size of each file written; of the pictures' folder, that of the cameras."""
    title: str = ""
    """What a catalogue calls it."""
    tags: str = ""
    """Words of the catalogue."""
    views: int = 0
    """Pictures."""
    view_size: int = 0
    """Pixels along an edge of a picture."""
    sdf_points: int = 0
    """Points of known signed distance."""

    def is_finished(self, folder: Path, names: Sequence[str]) -> bool:
        """Whether what was written under these names is still there in full."""
        return all(
            (folder / name).is_file() and (folder / name).stat().st_size == size
            for name, size in self.bytes.items()
            if name in names
        )


@dataclass(frozen=True)
class Manifest:
    """The settings of a preparation and its entries by category and id."""

    settings: dict[str, Any]
    entries: dict[tuple[str, str], Entry]

    @classmethod
    def read(cls, folder: Path) -> "Manifest | None":
        """What an earlier run left; None if there was none.

        Raises:
            InputError: The file is damaged.
        """
        path = folder / NAME
        if not path.is_file():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            entries = [Entry(**each) for each in data["models"]]
            return cls(data["settings"], {(e.category, e.id): e for e in entries})
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); delete it to prepare again") from error

    def write(self, folder: Path) -> None:
        """Replace the file in one step, models in order."""
        models = [asdict(e) for _, e in sorted(self.entries.items())]
        data = {
            "version": VERSION,
            "settings": self.settings,
            "counts": counts(self.entries.values()),
            "models": models,
        }
        with atomic_write(folder / NAME) as path:
            path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    """How many models ended how; those that are fine also by split."""
    result = {"ok": 0, "dropped": 0, "failed": 0, "train": 0, "val": 0, "test": 0}
    for entry in entries:
        result[entry.status] += 1
        if entry.status == "ok":
            result[entry.split] += 1
    return result
