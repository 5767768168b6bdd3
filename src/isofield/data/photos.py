"""Folders of photos with cameras -> views, whatever program wrote the cameras down.

transforms.json, transforms_train.json ...     NeRF-Blender, instant-ngp, nerfstudio   (transforms.py)
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from isofield.data import llff, matrix_npz
from isofield.data.colmap import colmap_models, read_colmap
from isofield.data.colmap_files import is_model
from isofield.data.develop import Developed, developed
from isofield.data.pictures import ENDINGS, DamagedPictureError
from isofield.data.shots import Shots, faults, listed
from isofield.data.transforms import read_transforms, transforms_of
from isofield.errors import InputError
from isofield.observation import Views

COLMAP_FILES = ("cameras", "images", "points3D")
LEAST = 3
"""Pictures to reconstruct from; two can be read and looked at."""
ENOUGH = f"give at least {LEAST}, better 20"
EMPTY = 1e-4
"""Share of a picture that must be opaque for it to show the object."""


def read_views(path: str | os.PathLike[str], longest: int | None = None) -> tuple[Views, list[str]]:
    """The pictures with their cameras, straight and shrunk, and sentences about what was found.

    Args:
        path: A folder of photos with cameras, or the file of cameras itself.
        longest: Pixels along the longest edge, at most; None keeps the size.

    Raises:
        InputError: There are no cameras that we read, fewer than two pictures, or something does not fit.
    """
    _, views, said = read_shots(path, longest)
    return views, said


def read_shots(path: str | os.PathLike[str], longest: int | None = None) -> tuple[Shots, Views, list[str]]:
    """As `read_views`, and the shots that are left: one for each of the views.

    Raises:
        InputError: As `read_views`.
    """
    shots = find_shots(path)
    _demand_two_places(path, shots)
    shots, made = _developed(shots, longest)
    _demand_two_places(path, shots)
    said = [*about(shots), *shots.said]
    views = _views(shots, made)
    if views.masks is not None:
        dark = [i for i, mask in enumerate(views.masks) if mask.mean() < EMPTY]
        if len(dark) > len(views) - 2:
            raise InputError(f"{path}: the masks are all black, so no picture shows the object.")
        if dark:
            said.append(
                f"{len(dark)} pictures have an all-black mask: {listed([views.names[i] for i in dark])}"
            )
    return shots, views, said


def too_few(views: Views) -> str | None:
    """Why nothing can be reconstructed from so few pictures; None where they are enough."""
    learnt = len(views) - sum(views.held_out or [])
    if learnt >= LEAST:
        return None
    count = "one picture is" if learnt == 1 else f"{learnt} pictures are"
    besides = " besides those held out" if len(views) > learnt else ""
    return f"{count} too few{besides} to see depth: {ENOUGH}"


def _developed(shots: Shots, longest: int | None) -> tuple[Shots, list[Developed]]:
    """The shots without damaged ones, and their pictures."""
    whole, made, damaged = [], [], dict(shots.damaged)
    for shot in shots.shots:
        try:
            made.append(developed(shot, longest))
        except DamagedPictureError as error:
            which = "" if error.path == shot.image else f"{error.path.parent.name}/{error.path.name}: "
            damaged[shot.name] = which + error.fault
        else:
            whole.append(shot)
    return replace(shots, shots=whole, damaged=damaged), made


def _demand_two_places(path: str | os.PathLike[str], shots: Shots) -> None:
    """Depth is seen from two places or more.

    Raises:
        InputError: There are fewer.
    """
    count = len(shots.shots)
    if count < 2:
        gone = [f"missing: {listed(shots.missing)}"] if shots.missing else []
        gone += [f"damaged: {faults(shots.damaged)}"] if shots.damaged else []
        number = ("no picture", "one picture")[count]
        more = "".join(f"; {words}" for words in gone)
        raise InputError(f"{path} has {number} with a camera; {ENOUGH}{more}.")
    poses = [shot.camera_from_world for shot in shots.shots]
    centres = np.stack([-pose[:, :3].T @ pose[:, 3] for pose in poses])
    if np.ptp(centres, axis=0).max() <= 1e-9 * np.abs(centres).max():
        raise InputError(
            f"{path}: all cameras stand at the same place, from which nothing can be seen in depth;"
            " take pictures from different places."
        )


def find_shots(path: str | os.PathLike[str]) -> Shots:
    """The pictures and cameras of a folder or file, unread.

    Raises:
        InputError: Nothing is there that we read.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"{place} does not exist.")
    found = [(names, read) for names, read in _found(place) if names]
    if not found:
        count = len(pictures_in(place))
        raise InputError(
            f"{place} has {f'{count} pictures but ' if count else ''}no cameras that we read:"
            " a transforms.json, a COLMAP model in sparse/0, a cameras.npz or a poses_bounds.npy."
        )
    names, read = found[0]
    shots = read(names)
    others = [str(others[0].relative_to(place)) for others, _ in found[1:]]
    if others:
        shots = replace(
            shots, said=[*shots.said, f"other cameras are there and left alone: {listed(others)}"]
        )
    return shots


def has_cameras(path: str | os.PathLike[str]) -> bool:
    """Whether a folder or file looks like photos with cameras; nothing is read yet."""
    return any(names for names, _ in _found(Path(path)))


def camera_files(path: str | os.PathLike[str]) -> list[Path]:
    """The files that say how the cameras stood, of the convention that `read_views` takes; [] if none do."""
    names = next((names for names, _ in _found(Path(path)) if names), [])
    return [
        file
        for name in names
        for file in (sorted(name.iterdir()) if name.is_dir() else [name])
        if not name.is_dir() or file.stem in COLMAP_FILES
    ]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder that holds nothing else, or of its folder `images`."""
    place = folder / "images" if (folder / "images").is_dir() else folder
    if not place.is_dir():
        return []
    files = [path for path in sorted(place.iterdir()) if path.is_file() and not path.name.startswith(".")]
    pictures = [path for path in files if path.suffix.lower() in ENDINGS]
    return pictures if len(pictures) == len(files) else []


def _found(place: Path) -> list[tuple[list[Path], Callable[[list[Path]], Shots]]]:
    """Files or folders of each convention, with what reads them."""
    if place.is_file():
        is_model_file = (
            place.suffix in (".bin", ".txt") and place.stem in COLMAP_FILES and is_model(place.parent)
        )
        json, models = [p for p in [place] if p.suffix == ".json"], [place.parent] if is_model_file else []
        npz, npy = ([p for p in [place] if p.suffix == end and module.is_ours(p)]
                    for end, module in ((".npz", matrix_npz), (".npy", llff)))  # fmt: skip
    else:
        json, models = transforms_of(place), colmap_models(place)
        npz = [p for p in (place / name for name in matrix_npz.NAMES) if p.is_file()]
        npy = [p for p in [place / llff.NAME] if p.is_file()]
    return [
        (json, read_transforms),
        (models, read_colmap),
        (npz, lambda paths: matrix_npz.read_matrices(paths[0])),
        (npy, lambda paths: llff.read_llff(paths[0])),
    ]


def about(shots: Shots) -> list[str]:
    """What was recognised, and what is missing or damaged."""
    said = [f"cameras: {shots.convention}"]
    if shots.missing:
        names, total = listed(shots.missing), len(shots.shots) + len(shots.missing)
        said.append(f"{len(shots.missing)} of {total} listed pictures are missing and left out: {names}")
    if shots.damaged:
        total = len(shots.shots) + len(shots.damaged)
        names = faults(shots.damaged)
        said.append(f"{len(shots.damaged)} of {total} pictures cannot be read and are left out: {names}")
    return said


def _views(shots: Shots, made: list[Developed]) -> Views:
    masks = depths = held_out = None
    if any(one.mask is not None for one in made):
        masks = [np.ones(one.image.shape[:2], np.float32) if one.mask is None else one.mask for one in made]
    if any(one.depth is not None for one in made):
        depths = [
            np.zeros(one.image.shape[:2], np.float32) if one.depth is None else one.depth for one in made
        ]
    if any(shot.held_out is not None for shot in shots.shots):
        held_out = [bool(shot.held_out) for shot in shots.shots]
    return Views(
        images=[one.image for one in made],
        cameras=[one.camera for one in made],
        names=[shot.name for shot in shots.shots],
        masks=masks,
        depths=depths,
        held_out=held_out,
        points=shots.points,
    )
