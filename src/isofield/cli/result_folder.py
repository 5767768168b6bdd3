"""Folders that `isofield reconstruct PHOTOS` wrote: recognised, told about, and opened."""

import json
import shlex
from pathlib import Path
from typing import Any

from isofield.cli.console import Console
from isofield.errors import InputError

SCENE, MESH, RECORD = "scene.safetensors", "mesh.glb", "run.json"


def is_result(folder: Path) -> bool:
    """Whether a folder holds a finished reconstruction of photos."""
    return (folder / SCENE).is_file() and (folder / RECORD).is_file()


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
