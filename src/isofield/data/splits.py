"""Which part of a data set a model belongs to: decided by its id alone."""

import zlib
from collections.abc import Iterable
from pathlib import Path

SPLITS = ("train", "val", "test")


def split_of(name: str) -> str:
    """`test` and `val` for a tenth of all ids each, by CRC-32; no other model plays a part."""
    share = zlib.crc32(name.encode()) / 2**32
    return "test" if share < 0.1 else "val" if share < 0.2 else "train"


def write_lists(folder: Path, ids: Iterable[str]) -> None:
    """`train.lst`, `val.lst` and `test.lst` of one category, one id a line, in order."""
    lists: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name in sorted(ids):
        lists[split_of(name)].append(name)
    for split, names in lists.items():
        (folder / f"{split}.lst").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
