"""Several shapes into one folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.console import Console
    from isofield.scene import Scene


def check_folder_writable(folder: Path) -> None:
    """Nothing, if the folder is there or can be made.

    Raises:
        InputError: It is a file, or cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder for the meshes with --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made: {error.strerror}") from None


def write_shape(path: Path, scene: "Scene", resolution: int, console: "Console") -> bool:
    """Whether the scene has a surface, whose mesh is written then; a shapeless one is only told."""
    from isofield.data import write_mesh
    from isofield.extract import extract_mesh

    if not 8 <= resolution <= 4096:
        raise InputError(f"--resolution {resolution} is out of range; give 8 to 4096 cells")
    assert scene.inside is not None
    try:
        mesh = extract_mesh(scene.inside, scene.box, resolution=resolution, normals="faces")
    except InputError as error:
        console.warn(f"{path.name} is left out: {error}")
        return False
    write_mesh(path, mesh.transformed(scene.world_from_scene))
    return True
