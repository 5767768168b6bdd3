"""Files that a verb reads and writes, looked at before any work."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from isofield.errors import InputError


@dataclass(frozen=True)
class Paths:
    """Where a reconstruction goes: report and record lie beside the mesh."""

    mesh: Path
    report: Path
    record: Path
    companions: tuple[Path, ...] = ()
    """Material and picture of a textured OBJ."""

    @classmethod
    def beside(cls, mesh: Path, textured: bool = False) -> "Paths":
        from isofield.data.textured_obj import companions

        others = companions(mesh) if textured and mesh.suffix.lower() == ".obj" else ()
        return cls(mesh, mesh.with_suffix(".report.html"), mesh.with_suffix(".run.json"), others)


class _WouldWriteError(Exception):
    """Ends a rehearsal of writing: the folder takes files, and the old one stays."""


def check_readable(path: Path) -> None:
    """Nothing, if there is such a file.

    Raises:
        InputError: There is none, or it is a folder.
    """
    if not path.exists():
        raise InputError(f"there is no file {path}")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the file with the points")


def check_writable(output: Path, scan: Path, textured: bool = False) -> Paths:
    """Where everything goes, if it can be written there without touching the scan.

    Raises:
        InputError: The format is unknown, the folder takes no files, a folder has the name of one of
            the files, or the scan would be overwritten.
    """
    from isofield.data import MESH_FORMATS, atomic_write

    if output.suffix.lower() not in MESH_FORMATS:
        known = ", ".join(MESH_FORMATS)
        raise InputError(
            f"{output}: meshes are not written as {output.suffix or 'nothing'}; choose one of {known}"
        )
    paths = Paths.beside(output, textured)
    for path in (paths.mesh, *paths.companions):
        if path.exists() and path.samefile(scan):
            raise InputError(f"{path} is the scan itself and would be overwritten; choose another name")
    for path in (paths.mesh, *paths.companions, paths.report, paths.record):
        with suppress(_WouldWriteError), atomic_write(path):
            raise _WouldWriteError
    return paths
