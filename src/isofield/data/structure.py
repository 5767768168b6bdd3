"""Photos without cameras -> where each was taken from: structure from motion, by COLMAP (the extra `photos`).

WORKSPACE/pictures.json   what the work was begun with: names, sizes and times of the pictures
         /features.db     while it lasts; interrupted work goes on from there
         /images/         links to the pictures that have cameras; so /masks/
         /sparse/0/       the cameras and the points seen, as COLMAP writes them
         /found.json      written last: what is said about the result
"""

import json
import os
import shlex
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from isofield.data.atomic import atomic_write
from isofield.data.photos import ENOUGH
from isofield.data.pictures import ENDINGS
from isofield.data.shots import faults, listed, read_json
from isofield.data.structure_features import LONGEST, MODEL, MOST, Advance, fault_of, write_features
from isofield.data.structure_mapping import ALIKE, ALL, BESIDE, map_pictures, match, silent
from isofield.errors import InputError

VERSION = 1
"""Of the way cameras are found; another one finds them anew."""
COSTS = {"features": 1.1, "pair": 0.11, "camera": 0.3}
"""Processor seconds per picture, pair and picture, for the progress."""
PHONES = (".heic", ".heif", ".avif", ".dng")
"""Endings of pictures that we do not read."""
FEATURES = ("features.db", "features.db-wal", "features.db-shm", "pairs.txt")
"""Files that go when the cameras are found."""
MASKS = ("masks", "mask")
"""Folders beside `images`."""
ADVICE = (
    "take pictures from different places, each with two thirds of the last one still in it,"
    " in even light, of something that is not all of one colour"
)


def find_cameras(
    folder: str | os.PathLike[str],
    workspace: str | os.PathLike[str],
    advance: Advance | None = None,
    seed: int = 0,
    threads: int = 2,
) -> tuple[Path, list[str]]:
    """The folder of a COLMAP model of the photos, for `read_views`, and sentences about it.

    Nothing is written but in the workspace. A second call with the same pictures reads what the first one
    found; an interrupted one is continued. The same pictures and seed give the same cameras.

    Args:
        folder: Holds the photos, or has a folder `images` that does.
        workspace: A folder of our own, made if it is missing.
        advance: Hears how far the work is, and at what.
        seed: Of every random draw.
        threads: For features and comparisons.

    Raises:
        InputError: There are fewer than two photos, they show too little in common, or pycolmap is missing.
    """
    place, work = Path(folder), Path(workspace)
    pictures, said = photos_of(place)
    state = _state(pictures, seed)
    if (found := _found_before(work, state)) is not None:
        return work / "sparse" / "0", [*found, f"the cameras were found before, in {work}"]
    demand_pycolmap()
    _begin(work, state)
    said += _reconstructed(place, work, pictures, advance or (lambda share, words: None), seed, threads)
    with atomic_write(work / "found.json") as temporary:
        temporary.write_text(json.dumps({"said": said}, indent=1) + "\n", encoding="utf-8")
    _forget(work, *FEATURES)
    return work / "sparse" / "0", said


def photos_of(folder: Path) -> tuple[list[Path], list[str]]:
    """The photos in a folder or in its folder `images`, and sentences about files that are none.

    Raises:
        InputError: There are fewer than two.
    """
    place = folder / "images" if (folder / "images").is_dir() else folder
    if not place.is_dir():
        raise InputError(f"{folder} is no folder of photos.")
    files = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    photos = [path for path in files if path.suffix.lower() in ENDINGS]
    unread = [path.name for path in files if path.suffix.lower() in PHONES]
    words = f"{counted(unread)} of a kind that is not read, to be saved as JPEG: {listed(unread)}"
    if len(photos) < 2:
        raise InputError(f"{folder} {_alone(photos)}{f'; {words}' if unread else ''}.")
    return photos, [words] if unread else []


def _alone(photos: Sequence[Path]) -> str:
    """That there is no photo, or one: damaged, or good for a guess at the shape."""
    if not photos:
        return f"has no photo that can be read ({', '.join(ENDINGS)}); {ENOUGH}"
    (photo,) = photos
    if (fault := fault_of(photo)) is not None:
        return f"has one photo, which cannot be read: {photo.name} ({fault}); {ENOUGH}"
    guess = shlex.join(["isofield", "reconstruct", str(photo)])
    return (
        f"has one photo, and cameras are found from several that overlap: {ENOUGH};"
        f" or let a network guess the shape from this one ({guess})"
    )


def seconds_of(count: int, threads: int) -> tuple[float, float, float]:
    """How long features, comparisons and cameras of so many pictures take, about."""
    pairs = count * (count - 1) / 2 if count <= ALL else count * (BESIDE + ALIKE)
    return COSTS["features"] * count / threads, COSTS["pair"] * pairs / threads, COSTS["camera"] * count


def counted(names: Collection[str]) -> str:
    """One picture, or how many."""
    return "1 picture" if len(names) == 1 else f"{len(names)} pictures"


def _state(pictures: Sequence[Path], seed: int) -> dict[str, Any]:
    """Whatever the result depends on."""
    stats = [(path, path.stat()) for path in pictures]
    return {
        "version": VERSION,
        "settings": [LONGEST, MOST, MODEL, ALL, BESIDE, ALIKE, seed],
        "pictures": [[str(path.resolve()), stat.st_size, stat.st_mtime_ns] for path, stat in stats],
    }


def _found_before(work: Path, state: dict[str, Any]) -> list[str] | None:
    """What was said about these very pictures; None if they have to be looked at."""
    if not ((work / "found.json").is_file() and _is_begun(work, state)):
        return None
    with suppress(InputError):
        return [str(sentence) for sentence in read_json(work / "found.json").get("said", [])]
    return None


def _is_begun(work: Path, state: dict[str, Any]) -> bool:
    with suppress(InputError):
        return read_json(work / "pictures.json") == state
    return False


def demand_pycolmap() -> None:
    """Raises InputError if it is missing."""
    try:
        import pycolmap  # noqa: F401
    except ImportError as error:
        raise InputError(
            "finding the cameras of photos takes pycolmap: run pip install 'isofield[photos]',"
            " or bring cameras along, see `isofield check`."
        ) from error


def _begin(work: Path, state: dict[str, Any]) -> None:
    """The workspace, empty unless the same work was begun in it.

    Raises:
        InputError: It cannot be written to, or holds something that is not ours.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{work} cannot be made: {error.strerror}.") from error
    if any(work.iterdir()) and not (work / "pictures.json").is_file():
        raise InputError(
            f"{work} is where cameras would be kept, but holds other files; give another folder."
        )
    _forget(work, "found.json", "sparse", "images", "models", *MASKS)
    if not _is_begun(work, state):
        _forget(work, *FEATURES)
        with atomic_write(work / "pictures.json") as temporary:
            temporary.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def _forget(work: Path, *names: str) -> None:
    for path in (work / name for name in names):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _reconstructed(
    folder: Path, work: Path, pictures: Sequence[Path], advance: Advance, seed: int, threads: int
) -> list[str]:
    """Writes the model; sentences about it."""
    count = len(pictures)
    seconds = seconds_of(count, threads)
    starts = [sum(seconds[:k]) / sum(seconds) for k in range(4)]

    def step(stage: int, share: float, words: str) -> None:
        advance(starts[stage] + min(share, 1.0) * (starts[stage + 1] - starts[stage]), words)

    database = work / "features.db"
    with silent() as pycolmap, pycolmap.Database.open(database) as opened:
        damaged = write_features(
            opened, pictures, lambda share: step(0, share, "looking at pictures"), threads
        )
    said = []
    if damaged:
        said.append(f"{counted(damaged)} damaged and left out: {faults(damaged)}")
    if count - len(damaged) < 2:
        raise InputError(f"{folder} has too few photos whose cameras could be found: {said[0]}.")
    also = "".join(f"; {sentence}" for sentence in said)
    together = match(database, lambda share: step(1, share, "comparing pictures"), seed, threads)
    if not together:
        raise InputError(f"no two pictures in {folder} show the same place: {ADVICE}{also}.")
    models = map_pictures(
        database, work / "models", count, lambda placed: step(2, placed / count, "placing cameras"), seed
    )
    if not models:
        raise InputError(
            f"no cameras could be found for {folder}: its pictures show too little in common, or were taken"
            f" from one place; {ADVICE}{also}."
        )
    said += _kept(work, [path for path in pictures if path.name not in damaged], models)
    step(2, 1.0, "placing cameras")
    return said


def _kept(work: Path, pictures: Sequence[Path], models: dict[int, Any]) -> list[str]:
    """Keeps the model of most pictures; sentences about it."""
    best = max(models, key=lambda key: (models[key].num_reg_images(), models[key].num_points3D()))
    model = models[best]
    names = {image.name for image in model.images.values() if image.has_pose}
    placed = [path for path in pictures if path.name in names]
    left = [path.name for path in pictures if path.name not in names]
    (work / "sparse").mkdir()
    (work / "models" / str(best)).rename(work / "sparse" / "0")
    _link_pictures(work, placed)
    _forget(work, "models")
    said = [
        f"cameras were found for {len(placed)} of {len(pictures)} pictures, with {model.num_points3D():,}"
        f" places on surfaces, {model.compute_mean_reprojection_error():.2f} pixels off on average"
    ]
    if len(models) > 1:
        said.append(f"the pictures do not hang together: the largest of {len(models)} groups is taken")
    if left:
        said.append(
            f"{counted(left)} left out, with too little in common with the others: {listed(left, 20)}"
        )
    return said


def _link_pictures(work: Path, pictures: Sequence[Path]) -> None:
    """Pictures and their masks where `read_colmap` looks for them."""
    (work / "images").mkdir()
    for path in pictures:
        _link(path, work / "images" / path.name)
    if pictures[0].parent.name == "images":
        for name in MASKS:
            if (pictures[0].parent.parent / name).is_dir():
                _link(pictures[0].parent.parent / name, work / name)


def _link(path: Path, name: Path) -> None:
    """Where links are not allowed, a copy."""
    try:
        name.symlink_to(path.resolve())
    except OSError:
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, name)
