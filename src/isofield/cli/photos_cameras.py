"""Photos without cameras: what `isofield check` says about them, and how cameras are found on the way."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isofield.cli.console import Console
from isofield.cli.describe import number
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.data.shots import Shots
    from isofield.data.structure_features import Looked

STAGE = "find cameras"
FOUND = ("cameras were found for", "the cameras were found before")
"""Beginnings of sentences that tell of nothing wrong."""


def cameras_found(folder: Path, workspace: Path, console: Console, seed: int, threads: int) -> Path:
    """The COLMAP model of photos without cameras, for `read_views`; what is to be said is said.

    Raises:
        InputError: There are too few photos, they show too little in common, or pycolmap is missing.
    """
    from isofield.data.structure import find_cameras, photos_of, seconds_of

    console.expect(STAGE, sum(seconds_of(len(photos_of(folder)[0]), threads)))
    with console.stage(STAGE) as advance:
        model, said = find_cameras(folder, workspace, advance, seed=seed, threads=threads)
    for sentence in said:
        (console.note if sentence.startswith(FOUND) else console.warn)(sentence)
    return model


def input_files(photos: Path, shots: "Shots") -> list[Path]:
    """Files that a reconstruction depends on: cameras, if they were given, pictures, masks and depths."""
    from isofield.data.photos import camera_files

    given = camera_files(photos)
    used = [path for shot in shots.shots for path in (shot.image, shot.mask, shot.depth) if path is not None]
    if not given:  # links beside the cameras that were found
        used = [path.resolve() for path in used]
    return list(dict.fromkeys([*given, *used]))


def check_bare_photos(folder: Path, console: Console, threads: int) -> int:
    """Prints what is there and that cameras will be found; 0 even where pictures are damaged.

    Raises:
        InputError: There are too few to reconstruct anything.
    """
    from isofield.data.photos import ENOUGH, LEAST
    from isofield.data.shots import faults
    from isofield.data.structure import counted, photos_of, seconds_of

    with console.stage("read"):
        pictures, remarks = photos_of(folder)
        looked, damaged = _tried(pictures)
    if damaged:
        remarks = [*remarks, f"{counted(damaged)} damaged, and will be left out: {faults(damaged)}"]
    if len(looked) < LEAST:
        few = "one photo" if len(looked) == 1 else f"{len(looked) or 'no'} photos"
        raise InputError(f"{folder} has {few} that can be read; {ENOUGH}{_after(remarks)}.")
    following = shlex.join(["isofield", "reconstruct", str(folder), "-o", "scene"])
    rows = {
        "kind": "photos without cameras",
        "pictures": _sizes(len(pictures), looked),
        "focal length": _focal([path for path in pictures if path.name not in damaged]),
        "cameras": _how(sum(seconds_of(len(pictures), threads))),
        **{f"note {i + 1}": remark for i, remark in enumerate(remarks)},
        "next": following,
    }
    console.finish(str(folder), rows, {
        "path": str(folder), "kind": "photos", "has_cameras": False, "pictures": len(pictures),
        "damaged": list(damaged), "remarks": remarks, "words": rows, "next": following,
    })  # fmt: skip
    return 0


def _tried(pictures: Sequence[Path]) -> "tuple[list[Looked], dict[str, str]]":
    """Those that can be decoded, and what is wrong with the others, by name."""
    from isofield.data.structure_features import SMALL, fault_in, look

    looked, damaged = [], {}
    for path in pictures:
        try:
            looked.append(look(path, SMALL))
        except (OSError, ValueError, SyntaxError) as error:
            damaged[path.name] = fault_in(error)
    return looked, damaged


def _after(remarks: Sequence[str]) -> str:
    return "".join(f"; {remark}" for remark in remarks)


def _sizes(count: int, looked: "Sequence[Looked]") -> str:
    sizes = Counter(one.size for one in looked)
    if not sizes:
        return str(count)
    (width, height), _ = sizes.most_common(1)[0]
    others = len(sizes) - 1
    more = f" and {others} other size{'s' if others > 1 else ''}" if others else ""
    return f"{count}, {width} x {height}{more}"


def _focal(pictures: Sequence[Path]) -> str:
    """As EXIF states it."""
    from isofield.data.structure_features import film_length

    lengths = sorted({length for path in pictures if (length := film_length(path)) is not None})
    if not lengths:
        return "not stated, it is found with the cameras"
    ends = lengths[:: len(lengths) - 1] if len(lengths) > 1 else lengths
    return f"{' to '.join(number(length) for length in ends)} mm on 35 mm film"


def _how(seconds: float) -> str:
    """That cameras will be found, and in what time."""
    from isofield.data.structure import demand_pycolmap

    minutes = max(1, round(seconds / 60))
    words = "a minute" if minutes == 1 else f"{minutes} minutes"
    try:
        demand_pycolmap()
    except InputError as error:
        return f"none: {str(error).removesuffix('.')}"
    return f"none: `isofield reconstruct` finds them itself, in about {words}"
