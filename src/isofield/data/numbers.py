"""Text -> numbers, fast and strict."""

import warnings

import numpy as np
from jaxtyping import Float

from isofield.errors import InputError


def parse_numbers(text: bytes, source: object) -> Float[np.ndarray, " n"]:
    """All numbers of a text whose separators are white space; about 8 million a second.

    Raises:
        InputError: Something there is not a number.
    """
    text = text.strip()
    if not text:
        return np.empty(0)  # numpy would answer [-1.]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # older numpy only warns and stops
            return np.fromstring(text, dtype=np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        raise InputError(_complaint(text, source)) from None


def _complaint(text: bytes, source: object) -> str:
    for number, line in enumerate(text.splitlines(), 1):
        for word in line.split():
            try:
                float(word)
            except ValueError:
                shown = word[:20].decode("ascii", "replace")
                return f"{source} has {shown!r} where a number should be, in row {number} of its data."
    return f"{source} holds text that cannot be read as numbers."
