"""Files that are either complete or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isofield.errors import InputError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name in the folder of `path`; what is there at the end takes the place of `path`.

    When the body fails, the previous file stays and the temporary one goes. The temporary
    name ends like the final one, so that writers who look at the extension feel at home.

    Raises:
        InputError: The folder is missing, or it cannot be written to.
    """
    target = Path(path)
    temporary = _reserve(target)
    try:
        yield temporary
        _move(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _reserve(target: Path) -> Path:
    """An empty file beside the target, with the permissions a new file gets here."""
    folder = target.parent
    if not folder.is_dir():
        raise InputError(f"{target} cannot be written: there is no folder {folder}; create it first.")
    if target.is_dir():
        raise InputError(f"{target} cannot be written: it is a folder; give the name of a file.")
    if target.exists() and not os.access(target, os.W_OK):
        raise InputError(f"{target} cannot be written: the file is read-only; choose another name.")
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{target.stem}-", suffix=target.suffix)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}; choose another folder.") from error
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(name, 0o666 & ~mask)  # mkstemp makes files that only their owner reads
    os.close(handle)
    return Path(name)


def _move(temporary: Path, target: Path) -> None:
    try:
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from error
