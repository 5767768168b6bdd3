"""Points as text: XYZ, TXT, CSV, PTS, ASC, with or without a header, separated by whatever was at hand."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data.columns import cloud_from_columns, cloud_from_numbers
from isofield.data.numbers import parse_numbers
from isofield.errors import InputError
from isofield.observation import PointCloud

BLOCK = 32 << 20
"""Bytes of text parsed at a time: bounds the memory beyond the numbers themselves."""
COMMENTS = (b"#", b"//", b"%", b"!")
ALIASES = {
    "easting": "x", "e": "x", "northing": "y", "n": "y", "elevation": "z", "height": "z", "altitude": "z",
    "pos_x": "x", "pos_y": "y", "pos_z": "z", "position_x": "x", "position_y": "y", "position_z": "z",
    "coord_x": "x", "coord_y": "y", "coord_z": "z", "rf": "red", "gf": "green", "bf": "blue",
    "normalx": "nx", "normaly": "ny", "normalz": "nz", "n_x": "nx", "n_y": "ny", "n_z": "nz",
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How the rows of one file look."""

    delimiter: str
    """One of ' ', ',', ';' and tab."""
    decimal_comma: bool
    columns: int
    names: tuple[str, ...] | None
    """From the header, in our words."""
    skip: int
    """Bytes before the first row of numbers."""


def read_text(path: str | os.PathLike[str]) -> PointCloud:
    """All points of a text file, those of NaN included; a million rows a second or two.

    Columns are named by the header if there is one (CloudCompare's `//X Y Z R G B` too), else
    told by their values. Empty fields count as NaN.

    Raises:
        InputError: It is not a table of numbers with at least three columns.
    """
    layout = read_layout(path)
    rows = np.concatenate([_rows(block, layout, path) for block in _blocks(path, layout.skip)])
    if layout.names is None:
        return cloud_from_numbers(rows, path)
    return cloud_from_columns({name: rows[:, i] for i, name in enumerate(layout.names)}, path)


def read_layout(path: str | os.PathLike[str]) -> Layout:
    """What the beginning of the file tells about all of it.

    Raises:
        InputError: There are no rows of numbers at the beginning of the file.
    """
    with Path(path).open("rb") as file:
        head = file.read(1 << 16)
    lines = head.splitlines(keepends=True)
    if len(head) == 1 << 16:
        lines = lines[:-1]  # the last one is probably cut
    if head.lower().lstrip().startswith(b"ncols"):
        raise InputError(f"{path} is an ESRI grid of heights, not a list of points; export it as XYZ.")
    header, at = None, 0
    for i, line in enumerate(lines):
        words = _fields(line)
        # The count that opens a PTS file is no row; a row has at least two numbers.
        if len(words) > 1 and all(map(_is_number, words)):
            return _layout(path, lines[i:], header, at)
        if line.strip() and any(c.isalpha() for c in line.decode("latin-1")):
            header = line
        at += len(line)
    raise InputError(f"{path} holds no rows of numbers; a text file of points has x y z in each row.")


def _layout(path: object, lines: list[bytes], header: bytes | None, skip: int) -> Layout:
    sample = [line for line in lines[:200] if line.strip() and not line.lstrip().startswith(COMMENTS)]
    text = b"".join(sample)
    counts = {d: min(line.count(d.encode()) for line in sample) for d in ";\t,"}
    delimiter = next((d for d in ";\t," if counts[d]), " ")
    decimal_comma = delimiter in ";\t " and b"," in text and b"." not in text
    columns = len(_split(sample[0], delimiter))
    if columns < 3:
        raise InputError(f"{path} has {columns} columns; points need at least three: x, y and z.")
    return Layout(delimiter, decimal_comma, columns, _names(header, columns), skip)


def _fields(line: bytes) -> list[str]:
    return re.split(r"[;,\s]+", line.decode("latin-1").strip().strip(";,"))


def _split(line: bytes, delimiter: str) -> list[str]:
    text = line.decode("latin-1").strip()
    return (
        text.split()
        if delimiter == " "
        else [word.strip() for word in text.strip(delimiter).split(delimiter)]
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _names(header: bytes | None, columns: int) -> tuple[str, ...] | None:
    """Names of the columns, if the line above the numbers has as many words as they have."""
    if header is None:
        return None
    text = header.decode("latin-1").strip().lstrip("#/%!").strip()
    parts = re.split(r"[;,\t]", text) if re.search(r"[;,\t]", text) else text.split()
    words = [re.sub(r"[\"'\s]|\(.*?\)|\[.*?\]", "", part).lower() for part in parts]
    names = tuple(ALIASES.get(word, word) for word in words)
    return names if len(names) == columns and {"x", "y", "z"} <= set(names) else None


def _blocks(path: str | os.PathLike[str], skip: int) -> Iterator[bytes]:
    """The text from `skip` on, in pieces that end with a line."""
    with Path(path).open("rb") as file:
        file.seek(skip)
        rest = b""
        while data := file.read(BLOCK):
            data = rest + data
            cut = data.rfind(b"\n") + 1
            rest = data[cut:]
            if cut:
                yield data[:cut]
        if rest.strip():
            yield rest


def _rows(block: bytes, layout: Layout, path: object) -> Float[np.ndarray, "n k"]:
    if any(mark in block for mark in COMMENTS):
        lines = [line for line in block.splitlines() if not line.lstrip().startswith(COMMENTS)]
        block = b"\n".join(re.split(rb"#|//|%|!", line, maxsplit=1)[0] for line in lines)
    clean = _plain(block, layout)
    numbers = parse_numbers(clean, path)
    count = clean.count(b"\n") + (not clean.endswith(b"\n"))
    if len(numbers) == count * layout.columns:
        return numbers.reshape(-1, layout.columns)
    return _checked_rows(clean, numbers, layout, path)


def _plain(block: bytes, layout: Layout) -> bytes:
    """The same rows with white space between numbers that have decimal points."""
    if layout.decimal_comma:
        block = block.replace(b",", b".")
    if layout.delimiter == " ":
        return block
    mark = layout.delimiter.encode()
    empty = rb"(?<=" + mark + rb")[ ]*(?=" + mark + rb")"
    if re.search(mark + rb" *" + mark, block):
        block = re.sub(empty, b"nan", block)
    return block.replace(mark, b" ")


def _checked_rows(
    clean: bytes, numbers: Float[np.ndarray, " m"], layout: Layout, path: object
) -> Float[np.ndarray, "n k"]:
    """Rows of a text that has blank lines; names the first row that is too short or too long."""
    widths = [len(line.split()) for line in clean.splitlines()]
    for row, width in enumerate(widths, 1):
        if width not in (0, layout.columns):
            raise InputError(
                f"{path} has {width} numbers in row {row} of its data, but {layout.columns} in the first; "
                "is the file complete?"
            )
    return numbers.reshape(-1, layout.columns)
