"""Official config files: yaml with inheritance, or json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isofield.errors import InputError


def read_config(path: Path) -> dict[str, Any]:
    """An official yaml file with what it inherits from, or a json file.

    Raises:
        InputError: The file or one it inherits from is missing or not a mapping.
    """
    import yaml

    try:
        text = path.read_text()
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"the config {path} cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError):
        raise InputError(
            f"the config {path} is not valid {'JSON' if path.suffix == '.json' else 'YAML'}"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"the config {path} is not a mapping")
    parent = content.pop("inherit_from", None)
    return _merged(read_config(_inherited(path, parent)), content) if parent else content


def _inherited(path: Path, parent: str) -> Path:
    """The parent's path, which official files give from the root of their repository."""
    for folder in [Path(), *path.resolve().parents]:
        if (folder / parent).is_file():
            return folder / parent
    raise InputError(f"the config {path} inherits from {parent}, which isn't there")


def _merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
