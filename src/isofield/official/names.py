"""Renaming between official state dicts and ours, both ways, by a table of patterns."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from isofield.errors import InputError

Network = TypeVar("Network", bound=nn.Module)
LEAVES = "weight|bias|running_mean|running_var|num_batches_tracked"


@dataclass(frozen=True)
class Rename:
    """One layer, or with numbers {i}, {j} a family of layers, under its official name and ours."""

    official: str
    ours: str
    trailing: int = 0
    """Axes of size one at the end of the official weight: our linear layer is a convolution there."""


def ours_from_official(state: Mapping[str, Tensor], table: Iterable[Rename]) -> dict[str, Tensor]:
    """The tensors under our names.

    Raises:
        InputError: A key that the table doesn't know, by name.
    """
    table = list(table)
    renamed = {}
    for key, tensor in state.items():
        name, rule = _renamed(key, [(rule.official, rule.ours, rule) for rule in table])
        weight = rule.trailing and name.endswith(".weight")
        renamed[name] = tensor.reshape(tensor.shape[: tensor.ndim - rule.trailing]) if weight else tensor
    return renamed


def official_from_ours(state: Mapping[str, Tensor], table: Iterable[Rename]) -> dict[str, Tensor]:
    """The tensors under their official names and in their official shapes.

    Raises:
        InputError: A key that the table doesn't know, by name.
    """
    table = list(table)
    renamed = {}
    for key, tensor in state.items():
        name, rule = _renamed(key, [(rule.ours, rule.official, rule) for rule in table])
        weight = rule.trailing and name.endswith(".weight")
        renamed[name] = tensor.reshape(*tensor.shape, *[1] * rule.trailing) if weight else tensor
    return renamed


def load_named(network: Network, state: Mapping[str, Tensor], table: Iterable[Rename]) -> Network:
    """The network with official weights, in evaluation mode.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the network's.
    """
    table = list(table)
    ours = ours_from_official(state, table)
    check_complete(ours, network.state_dict(), table)
    network.load_state_dict(ours)
    return network.eval()


def check_complete(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], table: Iterable[Rename]
) -> None:
    """Nothing missing, nothing unexpected, every shape right; both under our names.

    Raises:
        InputError: Names the first key that doesn't fit, officially.
    """
    table = list(table)
    wrong = [key for key in expected if key not in state] or [key for key in state if key not in expected]
    if wrong:
        problem = "is missing" if wrong[0] in expected else "is not part of this network"
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InputError(
            f"key {_official(wrong[0], table)!r}{more} {problem}: file and config don't belong together"
        )
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            found, wanted = tuple(state[key].shape), tuple(tensor.shape)
            raise InputError(f"key {_official(key, table)!r} has shape {found}; the config asks for {wanted}")


def _official(key: str, table: list[Rename]) -> str:
    return _renamed(key, [(rule.ours, rule.official, rule) for rule in table])[0]


def _renamed(key: str, rules: list[tuple[str, str, Rename]]) -> tuple[str, Rename]:
    for source, target, rule in rules:
        pattern = re.escape(source).replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{j\}", r"(?P<j>\d+)")
        if match := re.fullmatch(rf"{pattern}\.(?P<leaf>{LEAVES})", key):
            groups = match.groupdict()
            return f"{target.format(**groups)}.{groups['leaf']}", rule
    raise InputError(f"key {key!r} is not part of this network")
