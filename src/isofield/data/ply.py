"""PLY files: ascii, binary of either byte order, any properties, lists included (Turk 1994).

The parser is ours because plyfile is GPL and trimesh reads no plain vertex tables. Binary tables are
views of the mapped file, so that nothing is copied before it is needed.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isofield.data.numbers import parse_numbers
from isofield.errors import InputError

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
    "int64": "i8", "uint64": "u8",
}  # fmt: skip
ORDER = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
LONGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class Property:
    """One column: a number, or a list of numbers with its length in front."""

    name: str
    type: str
    length: str | None = None
    """Type of the length of a list."""


@dataclass(frozen=True)
class Element:
    """One table of the file."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def has_lists(self) -> bool:
        return any(p.length for p in self.properties)


@dataclass(frozen=True)
class Header:
    """What the file says about itself."""

    order: str
    """Byte order of numpy, or nothing for ascii."""
    elements: tuple[Element, ...]
    offset: int
    """Where the data begins."""

    def count(self, name: str) -> int:
        """Claimed rows of an element; 0 without it."""
        return next((e.count for e in self.elements if e.name == name), 0)


@dataclass(frozen=True)
class Table:
    """Rows of one element."""

    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    lists: Mapping[str, tuple[Int[np.ndarray, " n"], np.ndarray]] = field(default_factory=dict)
    """Name -> (length of each list, all values in a row)."""


def read_header(path: str | os.PathLike[str]) -> Header:
    """The header, checked.

    Raises:
        InputError: It is not the header of a PLY file.
    """
    with Path(path).open("rb") as file:
        head = file.read(LONGEST_HEADER)
    end = re.search(rb"(?:^|[\r\n])end_header[ \t]*(\r\n|\n|\r)", head)
    if not head.startswith(b"ply") or end is None:
        raise InputError(f"{path} has no complete PLY header: it should end with a line 'end_header'.")
    lines = head[: end.start()].decode("ascii", "replace").splitlines()[1:]
    order = "?"
    elements: list[tuple[str, int, list[Property]]] = []
    for words in (line.split() for line in lines):
        match words:
            case [] | ["comment" | "obj_info", *_]:
                pass
            case ["format", form, *_] if form in ORDER:
                order = ORDER[form]
            case ["element", name, count] if count.isdecimal():
                elements.append((name, int(count), []))
            case ["property", "list", length, kind, name] if length in TYPES and kind in TYPES and elements:
                elements[-1][2].append(Property(name, TYPES[kind], TYPES[length]))
            case ["property", kind, name] if kind in TYPES and elements:
                elements[-1][2].append(Property(name, TYPES[kind]))
            case _:
                raise InputError(
                    f"{path} has a line in its PLY header that means nothing: {' '.join(words)[:60]!r}."
                )
    if order == "?":
        raise InputError(f"{path} does not say in its PLY header whether it is ascii or binary.")
    return Header(order, tuple(Element(n, c, tuple(p)) for n, c, p in elements), end.end())


def read_ply(path: str | os.PathLike[str], wanted: tuple[str, ...] = ("vertex", "face")) -> dict[str, Table]:
    """The wanted tables by name; tables behind the last of them are not looked at.

    Raises:
        InputError: The file is cut off, or not a PLY file.
    """
    header = read_header(path)
    source = _Text(path, header) if header.order == "" else _Binary(path, header)
    tables: dict[str, Table] = {}
    for element in header.elements:
        if all(name in tables or header.count(name) == 0 for name in wanted):
            break
        table = source.read(element)
        if element.name in wanted:
            tables[element.name] = table
    return {name: tables.get(name, Table()) for name in wanted}


def _cut_off(path: object, element: Element, rows: int) -> InputError:
    what = {"vertex": "points", "face": "faces"}.get(element.name, f"rows of {element.name!r}")
    return InputError(
        f"{path} is cut off: its header promises {element.count} {what}, but only {rows} are there; "
        "copy or export the file again."
    )


class _Binary:
    """Reads tables one after the other from the mapped bytes."""

    def __init__(self, path: object, header: Header) -> None:
        self.path, self.order, self.at = path, header.order, header.offset
        size = os.path.getsize(str(path))
        self.bytes = np.memmap(str(path), np.uint8, "r") if size else np.empty(0, np.uint8)

    def read(self, element: Element) -> Table:
        if not element.count or not element.properties:
            return Table()
        return self._read_lists(element) if element.has_lists else self._read_fixed(element)

    def _read_fixed(self, element: Element) -> Table:
        dtype = np.dtype([(f"f{i}", self.order + p.type) for i, p in enumerate(element.properties)])
        rows = self._rows(element, dtype)
        return Table({p.name: rows[f"f{i}"] for i, p in enumerate(element.properties)})

    def _rows(self, element: Element, dtype: np.dtype) -> np.ndarray:
        there = (len(self.bytes) - self.at) // dtype.itemsize
        if there < element.count:
            raise _cut_off(self.path, element, there)
        end = self.at + element.count * dtype.itemsize
        rows = self.bytes[self.at : end].view(dtype)
        self.at = end
        return rows

    def _read_lists(self, element: Element) -> Table:
        """Lists are nearly always of one length: believe the first row, check all the others."""
        lengths = self._lengths(element, self.at)
        if lengths is None:
            raise _cut_off(self.path, element, 0)
        fields: list[tuple[Any, ...]] = []
        for i, p in enumerate(element.properties):
            if p.length:
                fields.append((f"n{i}", self.order + p.length))
            fields.append((f"f{i}", self.order + p.type, (lengths[i],) if p.length else ()))
        dtype = np.dtype(fields)
        if dtype.itemsize * element.count <= len(self.bytes) - self.at:
            rows = self.bytes[self.at : self.at + element.count * dtype.itemsize].view(dtype)
            if all((rows[f"n{i}"] == lengths[i]).all() for i, p in enumerate(element.properties) if p.length):
                self.at += element.count * dtype.itemsize
                return _table(element, rows, lengths)
        return self._walk(element)

    def _lengths(self, element: Element, at: int) -> list[int] | None:
        """Length of each list of the row at `at`, 1 for plain numbers; None if the file ends before."""
        result = []
        for p in element.properties:
            n = 1
            if p.length:
                size = np.dtype(p.length).itemsize
                if at + size > len(self.bytes):
                    return None
                n = int(self.bytes[at : at + size].view(self.order + p.length)[0])
                at += size
            at += n * np.dtype(p.type).itemsize
            if n < 0 or at > len(self.bytes):
                return None
            result.append(n)
        return result

    def _walk(self, element: Element) -> Table:
        """Row by row, for lists of mixed lengths."""
        starts = np.empty((len(element.properties), 0), np.int64)
        found_starts: list[list[int]] = []
        found_lengths: list[list[int]] = []
        at = self.at
        sizes = [np.dtype(p.type).itemsize for p in element.properties]
        heads = [np.dtype(p.length).itemsize if p.length else 0 for p in element.properties]
        for row in range(element.count):
            lengths = self._lengths(element, at)
            if lengths is None:
                raise _cut_off(self.path, element, row)
            where = []
            for head, size, n in zip(heads, sizes, lengths, strict=True):
                where.append(at + head)
                at += head + size * n
            found_starts.append(where)
            found_lengths.append(lengths)
        self.at = at
        starts, counts = np.array(found_starts), np.array(found_lengths)
        columns, lists = {}, {}
        for i, p in enumerate(element.properties):
            values = self._gather(starts[:, i], counts[:, i], np.dtype(self.order + p.type))
            if p.length:
                lists[p.name] = (counts[:, i], values)
            else:
                columns[p.name] = values
        return Table(columns, lists)

    def _gather(self, starts: np.ndarray, counts: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Values of runs of bytes, one run after the other."""
        sizes = counts * dtype.itemsize
        offset = np.repeat(starts - np.r_[0, np.cumsum(sizes)[:-1]], sizes)
        return self.bytes[offset + np.arange(sizes.sum())].view(dtype)


class _Text:
    """Reads tables one after the other from the numbers of an ascii file."""

    def __init__(self, path: object, header: Header) -> None:
        self.path, self.at = path, 0
        with Path(str(path)).open("rb") as file:
            file.seek(header.offset)
            self.numbers = parse_numbers(file.read(), path)

    def read(self, element: Element) -> Table:
        if not element.count or not element.properties:
            return Table()
        if element.has_lists:
            return self._read_lists(element)
        width = len(element.properties)
        there = (len(self.numbers) - self.at) // width
        if there < element.count:
            raise _cut_off(self.path, element, there)
        rows = self.numbers[self.at : self.at + element.count * width].reshape(-1, width)
        self.at += element.count * width
        return Table({p.name: _typed(rows[:, i], p.type) for i, p in enumerate(element.properties)})

    def _read_lists(self, element: Element) -> Table:
        starts, counts = [], []
        at, end = self.at, len(self.numbers)
        numbers = self.numbers
        for row in range(element.count):
            where, lengths = [], []
            for p in element.properties:
                n = 1
                if p.length:
                    n = int(numbers[at]) if at < end and 0 <= numbers[at] <= end else -1
                    at += 1
                if n < 0 or at + n > end:
                    raise _cut_off(self.path, element, row)
                where.append(at)
                lengths.append(n)
                at += n
            starts.append(where)
            counts.append(lengths)
        self.at = at
        return self._collect(element, np.array(starts), np.array(counts))

    def _collect(self, element: Element, starts: np.ndarray, counts: np.ndarray) -> Table:
        columns, lists = {}, {}
        for i, p in enumerate(element.properties):
            n = counts[:, i]
            index = np.repeat(starts[:, i] - np.r_[0, np.cumsum(n)[:-1]], n) + np.arange(n.sum())
            values = _typed(self.numbers[index], p.type)
            if p.length:
                lists[p.name] = (n, values)
            else:
                columns[p.name] = values
        return Table(columns, lists)


def _typed(values: Float[np.ndarray, " n"], kind: str) -> np.ndarray:
    """Bytes stay bytes, so that their scale is known; all else is fine as it is."""
    return np.clip(np.nan_to_num(values), 0, 255).astype(np.uint8) if kind == "u1" else values


def _table(element: Element, rows: np.ndarray, lengths: list[int]) -> Table:
    columns, lists = {}, {}
    for i, p in enumerate(element.properties):
        if p.length:
            lists[p.name] = (np.full(len(rows), lengths[i]), np.ascontiguousarray(rows[f"f{i}"]).reshape(-1))
        else:
            columns[p.name] = rows[f"f{i}"]
    return Table(columns, lists)
