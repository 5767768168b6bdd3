"""Sweet Home 3D furniture catalogues: category, creator and licence of each model in an .sh3f archive."""

import re
import zipfile
from dataclasses import dataclass

PROPERTIES = "PluginFurnitureCatalog.properties"


@dataclass(frozen=True)
class Entry:
    """What the catalogue says about one model."""

    name: str
    category: str
    creator: str
    licence: str
    tags: str = ""
    rotation: tuple[float, ...] | None = None
    """Nine numbers, row by row, that turn the model upright and to the front; None if it stands already."""


def read(archive: zipfile.ZipFile) -> dict[str, Entry]:
    """Catalogue entries by the path of their model; empty if the archive has no catalogue."""
    if PROPERTIES not in archive.namelist():
        return {}
    common, items = parse(archive.read(PROPERTIES).decode("latin-1"))
    licence = common.get("license", "")
    return {
        item["model"].lstrip("/"): Entry(
            item.get("name", ""),
            item.get("category", ""),
            item.get("creator", ""),
            licence,
            item.get("tags", ""),
            _rotation(item.get("modelRotation", "")),
        )
        for item in items.values()
        if "model" in item
    }


def _rotation(text: str) -> tuple[float, ...] | None:
    """Nine numbers if that is what the catalogue has."""
    try:
        numbers = tuple(float(word) for word in text.split())
    except ValueError:
        return None
    return numbers if len(numbers) == 9 else None


def parse(text: str) -> tuple[dict[str, str], dict[int, dict[str, str]]]:
    """Values of the whole catalogue, and of each numbered piece (`name#3=Chair`)."""
    common: dict[str, str] = {}
    items: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        match = re.match(r"\s*([A-Za-z]+)(?:#(\d+))?\s*[=:]\s*(.*?)\s*$", line)
        if not match:
            continue
        key, number, value = match.groups()
        value = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m.group(1), 16)), value)
        if number is None:
            common[key] = value
        else:
            items.setdefault(int(number), {})[key] = value
    return common, items
