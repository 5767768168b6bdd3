"""The lineages of official checkpoints: which module recognises a file, and reads it.

Each module of the table offers the four functions of `Lineage`. A new lineage is one such module
and one line of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor

from isofield.errors import InputError
from isofield.official.checkpoint import load_checkpoint, state_dict_in
from isofield.official.config import read_config
from isofield.system import System
from isofield.training.weights import own_system

OTHER_SUFFIXES = (".npy", ".txt", ".occnet")
"""Of files that PyTorch didn't write."""
LINEAGES: dict[str, str] = {
    "nerf": "isofield.official.nerf",
    "idr": "isofield.official.idr",
    "imnet": "isofield.official.imnet",
    "atlasnet": "isofield.official.atlasnet",
    "deepsdf": "isofield.official.deepsdf",
    "dvr": "isofield.official.dvr",
    "onet": "isofield.official.onet",
    "voxel_decoder": "isofield.official.voxel_decoder",
    "psgn": "isofield.official.psgn",
    "convonet": "isofield.official.convonet_config",
    "ldif": "isofield.official.ldif",
}
"""system -> module; the first that recognises a checkpoint reads it."""


@dataclass(frozen=True)
class Checkpoint:
    """What one path holds."""

    path: Path
    """A file, or the folder of an experiment."""
    content: Mapping[str, Any]
    """Of a file that PyTorch wrote; empty for others."""

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read without executing anything in it; raises InputError as `load_checkpoint` does."""
        other = path.is_dir() or path.suffix in OTHER_SUFFIXES
        return cls(path, {} if other else load_checkpoint(path))

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """Tensors by official name; none where the content is no state dict."""
        try:
            return state_dict_in(self.content)
        except InputError:
            return {}


@dataclass(frozen=True)
class Choices:
    """What a user says of a checkpoint, where its tensors do not."""

    config: Path | None = None
    """Official config file."""
    planes: tuple[str, ...] = ()
    """Planes of a ConvONet that share the U-Net."""
    crops: bool = False
    """Whether a ConvONet was trained on crops of rooms."""

    def refuse(self, why: str) -> None:
        """Nothing, if nothing was chosen; raises InputError with the reason."""
        if self.config or self.planes or self.crops:
            raise InputError(f"{why}; leave out --config, --planes and --crops")

    def refuse_planes(self, why: str) -> None:
        """Nothing, if nothing of a ConvONet was chosen; raises InputError with the reason."""
        if self.planes or self.crops:
            raise InputError(f"{why}; leave out --planes and --crops")

    @property
    def content(self) -> dict[str, Any] | None:
        """Of the config, None without one; raises InputError if it can't be read."""
        return None if self.config is None else read_config(self.config)


@runtime_checkable
class Lineage(Protocol):
    """What the modules of the table offer."""

    def recognises(self, file: Checkpoint) -> bool:
        """Whether the file's entries and keys are those of this lineage."""

    def system_of(self, file: Checkpoint, choices: Choices) -> System:
        """The system with the official weights, in evaluation mode; raises InputError with the reason."""

    def describe(self, config: Any) -> str:
        """What kind of network it is, in a few words."""

    def assumed(self, config: Any) -> str:
        """The same, with what stands in no tensor."""


def lineage(name: str) -> Lineage:
    """The module that knows the official files of a system."""
    return cast(Lineage, import_module(LINEAGES[name]))


def converted(path: Path, choices: Choices) -> tuple[str, System]:
    """Name and network of an official checkpoint.

    Raises:
        InputError: No lineage recognises it, something doesn't fit, or a choice is wrong.
    """
    if path.suffix == ".safetensors" and (own := own_system(path)):
        raise InputError(f"{path} has isofield's own weights of {own} already; use it as it is")
    file = Checkpoint.read(path)
    for name in LINEAGES:
        known = lineage(name)
        if known.recognises(file):
            try:
                return name, known.system_of(file, choices)
            except InputError as error:
                words = str(error)
                raise InputError(words if str(path) in words else f"{path}: {words}") from None
    if file.content:
        state_dict_in(file.content, path)
    raise InputError(f"{path} holds no network that isofield knows; it knows {', '.join(LINEAGES)}")
