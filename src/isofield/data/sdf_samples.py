"""Files of points with their signed distances, as DeepSDF keeps them.

    <root>/SdfSamples/<dataset>/<class>/<id>.npz     pos (n 4), neg (m 4): x, y, z, signed distance
    split.json                                       {dataset: {class: [id, ...]}}

Positions are in the unit ball of the shape: its box centred, its farthest point at 1 / 1.03.
`isofield prepare --sdf` writes the same arrays as `sdf.npz` beside a model's other samples.
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data.atomic import atomic_write
from isofield.data.chosen import chosen
from isofield.data.manifest import Manifest
from isofield.data.shapenet import Item, is_dataset, items
from isofield.errors import InputError

FILE = "sdf.npz"
"""Beside a model's other samples."""
SAMPLES = "SdfSamples"
UNKNOWN = "no distances"
"""How the reason begins that a model's entry in the manifest has for its lack of them."""


@dataclass(frozen=True)
class SdfSamples:
    """Points of one shape; x, y, z and the signed distance, float32."""

    outside: Float[np.ndarray, "n 4"]
    """Distances above zero."""
    inside: Float[np.ndarray, "m 4"]
    """Distances of zero and below."""

    def drawn(self, draw: np.random.Generator, count: int) -> Float[np.ndarray, "k 4"]:
        """Half of the rows from either side, with replacement."""
        half = count // 2
        sides = (self.outside, half), (self.inside, count - half)
        return np.concatenate([rows[draw.integers(len(rows), size=size)] for rows, size in sides])


def read_sdf_samples(path: Path) -> SdfSamples:
    """The points of a file, without rows that hold NaN.

    Raises:
        InputError: The file is missing or damaged, or has no usable rows on one of the sides.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing")
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("pos", "neg") if key in file.files}
            keys = file.files
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    return SdfSamples(*(_rows(arrays, key, keys, path) for key in ("pos", "neg")))


def _rows(
    arrays: dict[str, np.ndarray], key: str, keys: Sequence[str], path: Path
) -> Float[np.ndarray, "n 4"]:
    if key not in arrays:
        raise InputError(f"{path} has no key {key!r}; it has {', '.join(keys) or 'none'}")
    rows = arrays[key]
    if rows.ndim != 2 or rows.shape[1] != 4 or rows.dtype.kind != "f":
        raise InputError(
            f"{path}, key {key!r}: expected rows of four floats (x, y, z, distance),"
            f" found {rows.dtype} {rows.shape}"
        )
    rows = rows[~np.isnan(rows).any(axis=1)].astype(np.float32)
    if not len(rows):
        where = "outside" if key == "pos" else "inside"
        raise InputError(f"{path}, key {key!r} has no point {where} the shape; leave it out of the split")
    return rows


def write_sdf_samples(
    path: Path,
    points: Float[np.ndarray, "n 3"],
    sdf: Float[np.ndarray, " n"],
    loc: Float[np.ndarray, "3"],
    scale: float,
) -> None:
    """Write the points in the official arrays, to a file that is there whole or not at all.

    Args:
        path: Of the file.
        points: In the unit ball.
        sdf: Their distances.
        loc: Middle of the ball in the model's own frame, as in the other samples' files.
        scale: Its radius there.
    """
    rows = np.concatenate([points, sdf[:, None]], axis=1).astype(np.float32)
    outside = rows[:, 3] > 0
    frame = {"loc": np.asarray(loc, np.float64), "scale": np.asarray(scale, np.float64)}
    with atomic_write(path) as part, open(part, "wb") as stream:
        np.savez(stream, allow_pickle=False, pos=rows[outside], neg=rows[~outside], **frame)


def sdf_files(root: Path, split: str = "", only: Sequence[str] = ()) -> dict[str, Path]:
    """Files of the shapes to train on, by their names, in order.

    Args:
        root: A data set of `isofield prepare --sdf`, whose training part is taken; an official folder that
            holds `SdfSamples`; or that folder itself.
        split: Official list of an official folder's shapes, here or in the folder; all of them if empty.
        only: Shapes of a data set that a catalogue calls by one of these words (`chosen`); all if empty.

    Raises:
        InputError: The folder holds no such files, the list can't be read, or one of its files is missing.
    """
    if is_dataset(root):
        if split:
            raise InputError(f"{root} has split lists of its own; leave out split={split}")
        manifest = Manifest.read(root)
        models = [
            item for item in chosen(root, items(root, "train"), only) if not _is_unknown(manifest, item)
        ]
        return _there(
            {item.name: item.folder / FILE for item in models}, "isofield prepare with --sdf adds it"
        )
    if only:
        raise InputError(f"{root} has no names to choose by; leave out only={','.join(only)}, or give split")
    folder = root / SAMPLES if (root / SAMPLES).is_dir() else root
    if split:
        path = next((p for p in (Path(split), root / split) if p.is_file()), None)
        if path is None:
            raise InputError(f"there is no split {split}, neither here nor in {root}")
        return _there({name: folder / f"{name}.npz" for name in read_split(path)}, f"{path} asks for it")
    found = {
        path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.glob("*/*/*.npz"))
    }
    if not found:
        raise InputError(
            f"{root} holds no signed distances: neither {SAMPLES}/<dataset>/<class>/<id>.npz nor what"
            " isofield prepare --sdf writes"
        )
    return found


def _is_unknown(manifest: Manifest | None, item: Item) -> bool:
    """Whether the preparation found that the model's distances can't be told."""
    entry = manifest.entries.get((item.category, item.id)) if manifest else None
    return entry is not None and UNKNOWN in entry.reason and not (item.folder / FILE).is_file()


def _there(files: dict[str, Path], hint: str) -> dict[str, Path]:
    missing = [path for path in files.values() if not path.is_file()]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(f"{missing[0]}{more} is missing; {hint}")
    return files


def read_split(path: Path) -> list[str]:
    """Names `dataset/class/id` in an official list, in its order.

    Raises:
        InputError: It is no such list, or an empty one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no split list: {error}") from error
    try:
        names = [
            f"{dataset}/{category}/{each}"
            for dataset, categories in content.items()
            for category, ids in categories.items()
            for each in ids
        ]
    except (AttributeError, TypeError):
        raise InputError(f"{path} is no split list of the form {{dataset: {{class: [ids]}}}}") from None
    if not names:
        raise InputError(f"{path} lists no shapes")
    return names
