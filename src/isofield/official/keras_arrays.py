"""Lists of arrays that numpy has stored as an object array, read without executing anything in the file.

Such a file is an array header followed by a pickle, and a pickle is a program. This reader lets it call
numpy's own constructors of arrays and nothing else; a file that asks for more is refused.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from isofield.errors import InputError

ALLOWED = {
    (f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
"""What a pickled array needs: its frame, its type, and, from Python 2 on, its bytes as text."""


class ArraysOnly(pickle.Unpickler):
    """Builds arrays; any other name in the file ends it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        # numpy.core was renamed; its old name warns
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_arrays(path: Path) -> list[np.ndarray]:
    """The arrays of numeric type in an object array, in order.

    Raises:
        InputError: The file is no such array, damaged, or asks for other Python objects.
    """
    try:
        file = io.BytesIO(path.read_bytes())
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        content = ArraysOnly(file, encoding="latin1").load() if dtype.hasobject else None
    except pickle.UnpicklingError as error:
        if "not allowed" in str(error):
            raise InputError(
                f"{path} asks for {error}, which could be code of its author's; it is not loaded"
            ) from None
        raise _damaged(path) from None
    except (ValueError, EOFError, OSError, LookupError, AttributeError, TypeError):
        raise _damaged(path) from None
    rows = list(content.ravel()) if isinstance(content, np.ndarray) else content
    if not isinstance(rows, list) or not all(isinstance(r, np.ndarray) and r.dtype.kind == "f" for r in rows):
        raise InputError(f"{path} is no list of arrays of numbers, shape {shape}")
    return rows


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is no readable numpy file; it may be cut off: download or copy it again")
