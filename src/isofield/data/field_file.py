"""Trained networks of the position in NPZ files: plain layers of a signed distance in [-1, 1]^3.

The format is that of Spelunking the Deep (Sharp and Jacobson 2022): arrays `0000.dense.A` (in x out) and
`0000.dense.b`, `0001.relu._`, `0002.dense.A` and so on, numbered in order, y = x A + b; negative inside.
"""

import os
import re
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from isofield.errors import InputError
from isofield.geometry import Box

Nonlinearity = Literal["relu", "elu", "sine", "tanh"]
_NAMES: dict[str, Nonlinearity] = {
    "relu": "relu",
    "elu": "elu",
    "sin": "sine",
    "sine": "sine",
    "tanh": "tanh",
}
_KEY = re.compile(r"^(\d+)\.([a-z_]+)\.(A|b|_)$")


@dataclass(frozen=True)
class Dense:
    """x -> x @ weight + bias."""

    weight: Float[np.ndarray, "i o"]
    bias: Float[np.ndarray, " o"]


@dataclass(frozen=True)
class FieldFile:
    """Network of a field that is positive inside, and where it is meaningful."""

    layers: tuple[Dense | Nonlinearity, ...]
    """From three channels to one, float32; the sign of the file's distance is already turned."""
    box: Box


def is_field_file(path: str | os.PathLike[str]) -> bool:
    """Whether the file is an archive that holds the first layer of a network; only its list is read."""
    if Path(path).suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(re.fullmatch(r"\d+\.dense\.[Ab]\.npy", name) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def read_field(path: str | os.PathLike[str]) -> FieldFile:
    """The network in the file.

    Raises:
        InputError: The file is damaged, or its layers do not make a network from 3 channels to 1.
    """
    layers: list[Dense | Nonlinearity] = []
    for number, (name, arrays) in sorted(_numbered(path).items()):
        if name == "dense":
            layers.append(_dense(arrays, number, path))
        elif name in _NAMES:
            layers.append(_NAMES[name])
        elif name != "squeeze_last":
            raise InputError(
                f"{path} has the step {name!r} (number {number}), which is unknown; steps are dense, "
                f"{', '.join(_NAMES)} and squeeze_last."
            )
    _check_chain([layer for layer in layers if isinstance(layer, Dense)], path)
    *before, last = layers
    if not isinstance(last, Dense):
        raise InputError(f"{path} ends with {last}, not with a dense layer.")
    return FieldFile((*before, Dense(-last.weight, -last.bias)), Box.cube(2.0))


def _numbered(path: str | os.PathLike[str]) -> dict[int, tuple[str, dict[str, np.ndarray]]]:
    """Name and arrays of each step."""
    steps: dict[int, tuple[str, dict[str, np.ndarray]]] = {}
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            for key in file.files:
                match = _KEY.match(key)
                if match is None:
                    raise InputError(
                        f"{path} has the key {key!r}, which is none of a network's (0000.dense.A)."
                    )
                name, arrays = steps.setdefault(int(match[1]), (match[2], {}))
                if name != match[2]:
                    raise InputError(
                        f"{path} has two steps with the number {int(match[1])}, {name} and {match[2]}."
                    )
                arrays[match[3]] = file[key]
    except InputError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:120]
        raise InputError(f"{path} cannot be read as NPZ: {reason}.") from error
    missing = set(range(len(steps))) - set(steps)
    if missing:
        raise InputError(f"{path} lacks step {min(missing)} of {max(steps) + 1}.")
    return steps


def _dense(arrays: dict[str, np.ndarray], number: int, path: object) -> Dense:
    where = f"{path}, layer {number:04d}.dense,"
    for key, axes in (("A", 2), ("b", 1)):
        if key not in arrays:
            raise InputError(f"{where} lacks its array {key}.")
        if arrays[key].ndim != axes or arrays[key].dtype.kind not in "fiu":
            raise InputError(
                f"{where} has an array {key} of shape {arrays[key].shape} and type {arrays[key].dtype}; "
                f"{'a matrix' if axes == 2 else 'a row'} of numbers is needed."
            )
        with np.errstate(over="ignore"):
            if not np.isfinite(arrays[key].astype(np.float32)).all():
                raise InputError(f"{where} has weights in {key} that are not finite.")
    weight, bias = arrays["A"].astype(np.float32), arrays["b"].astype(np.float32)
    if weight.shape[1:] != bias.shape:
        raise InputError(f"{where} has {weight.shape[1]} outputs in A and {len(bias)} in b.")
    return Dense(weight, bias)


def _check_chain(layers: list[Dense], path: object) -> None:
    if not layers:
        raise InputError(f"{path} has no dense layer.")
    inputs, outputs = len(layers[0].weight), layers[-1].weight.shape[1]
    if inputs != 3 or outputs != 1:
        raise InputError(
            f"{path} is a network from {inputs} channels to {outputs}; a field takes 3 (x, y, z) and gives 1."
        )
    for number, (one, other) in enumerate(pairwise(layers)):
        if one.weight.shape[1] != len(other.weight):
            raise InputError(
                f"{path} has {one.weight.shape[1]} outputs in its dense layer {number}, counted from zero, "
                f"but {len(other.weight)} inputs in the next."
            )
