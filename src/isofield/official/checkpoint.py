"""Tensors of official PyTorch checkpoints, read without executing anything in them."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isofield.errors import InputError

MAGIC = (b"PK", b"\x80")
"""How files begin that PyTorch wrote: zip archives, and pickles before those."""


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Contents of a `.pt` file: a dictionary of tensors, plain values and more dictionaries.

    Only these are built; a file that asks for any other Python object is refused.

    Raises:
        InputError: The file is missing, empty, cut off, not a checkpoint, or holds pickled objects.
    """
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty; download or copy it again")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        with torch.serialization.safe_globals(_numpy_scalars()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) and ("global" in str(error).lower() or "class" in str(error)):
            raise InputError(
                f"{path} holds pickled Python objects beside its tensors, which is code of its author's; "
                "it is not loaded. Ask for a file that holds the state dict only"
            ) from None
        raise _unreadable(path) from None
    except (RuntimeError, EOFError, OSError, LookupError, ValueError, AttributeError, TypeError):
        raise _unreadable(path) from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not the dictionary of a checkpoint")
    return dict(content)


def state_dict_in(content: Mapping[str, Any], path: Path | None = None) -> dict[str, Tensor]:
    """The network's tensors in a checkpoint's content, by their official names.

    Reads `{'model': tensors, ...}` as the Occupancy Networks family writes it as well as bare
    state dicts; the prefix `module.` of a DataParallel wrapper is dropped.

    Raises:
        InputError: There are no tensors where they should be.
    """
    where = "" if path is None else f"{path}: "
    tensors = content.get("model", content)
    if not isinstance(tensors, Mapping) or not tensors:
        raise InputError(f"{where}'model' holds no state dict")
    for key, value in tensors.items():
        if not isinstance(value, Tensor):
            raise InputError(
                f"{where}{key!r} is a {type(value).__name__}, not a tensor; this is no state dict, which is"
                " nothing but the tensors of one network, alone or as 'model'"
            )
    return {str(key).removeprefix("module."): value for key, value in tensors.items()}


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """The network's tensors in a file; raises InputError as `load_checkpoint` and `state_dict_in` do."""
    return state_dict_in(load_checkpoint(path), path)


def _numpy_scalars() -> list[Any]:
    """What a checkpoint needs to hold `loss_val_best` as a numpy number: harmless, and common.

    numpy moved the constructor from numpy.core to numpy._core; files know the old name.
    """
    scalar = np.float64(0).__reduce__()[0]
    kinds = [np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType]
    return [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")] + [
        np.dtype,
        *kinds,
    ]


def _unreadable(path: Path) -> InputError:
    """What is wrong with a file that PyTorch does not read: it is something else, or not whole."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if not any(name.endswith("data.pkl") for name in names):
            return InputError(
                f"{path} is no PyTorch checkpoint: it is an archive with {', '.join(names[:3])}"
            )
    with open(path, "rb") as file:
        if not file.read(4).startswith(MAGIC):
            return InputError(f"{path} is no PyTorch checkpoint")
    return InputError(
        f"{path} is not a complete PyTorch checkpoint; it may be cut off: download or copy it again"
    )
