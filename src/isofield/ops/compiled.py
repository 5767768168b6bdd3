"""Loops compiled by numba, where it is installed (the extra `photos`)."""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """The loop in machine code, made at the first call and kept in a cache; it releases the GIL."""
    return njit(fastmath=True, nogil=True, error_model="numpy", cache=True)(inspect.unwrap(function))


def inlined(function: Callable[..., Any]) -> Any:
    """A part of compiled loops."""
    return njit(fastmath=True, nogil=True, error_model="numpy", inline="always")(inspect.unwrap(function))
