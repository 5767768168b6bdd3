"""Weights: one safetensors file that names its system and config. Nothing is unpickled."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from isofield.errors import InputError
from isofield.training.durable import durable_write

FORMAT = 1


@dataclass(frozen=True)
class Weights:
    """What a weights file holds."""

    system: str
    """Name in the catalogue SYSTEMS."""
    config: dict[str, Any]
    """Fields of the system's config."""
    tensors: dict[str, Tensor]
    """The system's state dict."""


def save_weights(path: Path, system: str, config: Any, tensors: Mapping[str, Tensor]) -> None:
    """Write the file whole or not at all; `config` is a dataclass or plain JSON values.

    The same weights give the same bytes: all metadata lives under one key, as safetensors
    writes several keys in random order.
    """
    plain = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    record = json.dumps({"format": FORMAT, "system": system, "config": plain}, sort_keys=True)
    flat = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with durable_write(Path(path)) as part:
        part.write_bytes(save(flat, {"isofield": record}))


def own_system(path: Path) -> str | None:
    """Name of the system that a weights file of isofield holds; None for any other file."""
    try:
        return load_weights(path).system
    except InputError:
        return None


def load_weights(path: Path) -> Weights:
    """System name, config and tensors of a weights file.

    Raises:
        InputError: The file is missing, damaged, not ours, or of a later version.
    """
    path = Path(path)
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("isofield")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"there is no weights file {path}") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error})") from None
    if text is None:
        raise InputError(
            f"{path} was not written by isofield; use `isofield convert` for official checkpoints"
        )
    record = json.loads(text)
    if record["format"] > FORMAT:
        raise InputError(f"{path} has format {record['format']}, newer than {FORMAT}; update isofield")
    return Weights(record["system"], record["config"], tensors)
