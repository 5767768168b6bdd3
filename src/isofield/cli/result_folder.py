"""Folders that `isofield reconstruct PHOTOS` wrote: recognised, told about, and opened."""

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from isofield.cli.console import Console
from isofield.errors import InputError

SCENE, MESH, RECORD, REPORT = "scene.safetensors", "mesh.glb", "run.json", "report.html"


def is_result(folder: Path) -> bool:
    """Whether a folder holds a finished reconstruction of photos."""
    return (folder / SCENE).is_file() and (folder / RECORD).is_file()


@contextmanager
def results_in(folder: Path, photos: Path) -> Iterator[None]:
    """Makes the folder for the results, and takes away again what was made for nothing.

    Cameras that were found stay, since the next run begins with them; so does what an interrupted run goes
    on from. What a fault has ended would end so again.

    Raises:
        InputError: The folder can't be made, or is that of the photos.
    """
    if folder.is_file():
        raise InputError(f"{folder} is a file; give -o the name of a folder")
    if folder.exists() and folder.samefile(photos):
        raise InputError(f"{folder} is the folder of the photos; give the results one of their own")
    is_new, cameras = not folder.exists(), folder / "cache" / "cameras"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from None
    try:
        yield
    except InputError:
        if (cameras / "pictures.json").is_file() and not (cameras / "found.json").is_file():
            shutil.rmtree(cameras)
        raise
    finally:
        for place in (folder / "cache", folder / "views", *([folder] if is_new else [])):
            with suppress(OSError):  # it is not there, or not empty
                place.rmdir()


def scene_in(folder: Path) -> Path:
    """The file with the scene.

    Raises:
        InputError: There is none.
    """
    if not (folder / SCENE).is_file():
        raise InputError(
            f"{folder} is a folder without {SCENE}; give a folder that `isofield reconstruct PHOTOS` wrote,"
            " a mesh or a weights file"
        )
    return folder / SCENE


def read_run(folder: Path) -> dict[str, Any]:
    """The record of the run that wrote the folder; empty if there is none that can be read."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_result(folder: Path, console: Console) -> int:
    """Prints what was reconstructed, from what, and how to take pictures of it; always 0."""
    run = read_run(folder)
    views, mesh, command = (run.get(name) or {} for name in ("views", "mesh", "command"))
    rows = {"kind": "a scene that isofield reconstructed from photos"}
    if command:
        rows["made by"] = shlex.join(map(str, command))
    if "finished" in run:
        rows["finished"] = str(run["finished"])
    if "psnr" in views:
        kept = "held-out photos" if views.get("held_out") else "photos it learnt from"
        rows["views"] = f"{views['psnr']:.1f} dB on {views.get('pictures')} {kept}"
    if "faces" in mesh:
        closed = "closed" if mesh.get("is_closed") else "not closed"
        rows["mesh"] = f"{folder / MESH}, {mesh['faces']:,} faces, {closed}"
    following = shlex.join(["isofield", "render", str(folder / SCENE), "-o", "film.gif"])
    rows["other mesh"] = shlex.join(["isofield", "reconstruct", str(folder / SCENE), "-o", "mesh.ply"])
    rows["next"] = following
    console.finish(
        str(folder), rows, {"path": str(folder), "kind": "scene", "words": rows, "next": following}
    )
    return 0
