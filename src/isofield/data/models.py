"""Where meshes come from: folders, globs and archives of models, each with an id and a category."""

import glob
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from isofield.data import catalogue
from isofield.data.painted import Painted, read_painted
from isofield.errors import InputError
from isofield.geometry.mesh import Mesh

SUFFIXES = {".obj", ".off", ".ply", ".stl", ".glb", ".gltf"}
ARCHIVES = {".zip", ".sh3f"}
GENERIC = {"model", "models", "mesh", "model_normalized", "scene"}
"""File and folder names that say nothing about the model."""


@dataclass(frozen=True)
class Model:
    """One mesh file and how it is called in the data set."""

    id: str
    category: str
    file: Path
    member: str | None = None
    """Path inside the archive `file`."""
    creator: str = ""
    licence: str = ""
    title: str = ""
    """What a catalogue calls it."""
    tags: str = ""
    """Words of the catalogue."""
    rotation: tuple[float, ...] | None = None
    """Nine numbers, row by row: turns the file's vertices upright."""

    @property
    def source(self) -> str:
        """File name, and the path inside the archive."""
        return self.file.name if self.member is None else f"{self.file.name}:{self.member}"

    def fingerprint(self) -> str:
        """Checksum of the mesh file, and of its rotation; archives know that of their members."""
        turned = "" if self.rotation is None else f"-{zlib.crc32(repr(self.rotation).encode()):08x}"
        if self.member is None:
            crc = 0
            with open(self.file, "rb") as stream:
                while block := stream.read(1 << 20):
                    crc = zlib.crc32(block, crc)
            return f"{crc:08x}{turned}"
        with zipfile.ZipFile(self.file) as archive:
            return f"{archive.getinfo(self.member).CRC:08x}{turned}"

    def read(self) -> Mesh:
        """The mesh, upright, in the units of its file.

        Raises:
            InputError: The file is damaged or holds no triangles.
        """
        with self._unpacked(neighbours=False) as path:
            mesh = _read(path)
        if self.rotation is None:
            return mesh
        return Mesh(mesh.vertices @ np.reshape(self.rotation, (3, 3)).T, mesh.faces)

    def read_painted(self) -> Painted:
        """The triangles with their materials, in the frame of `read`.

        Raises:
            InputError: The file is damaged.
        """
        with self._unpacked(neighbours=True) as path:
            painted = read_painted(path)
        return painted if self.rotation is None else painted.turned(np.reshape(self.rotation, (3, 3)))

    @contextmanager
    def _unpacked(self, neighbours: bool) -> Iterator[Path]:
        """The mesh as a file, with the files of its folder if they are asked for."""
        if self.member is None:
            yield self.file
            return
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(self.file) as archive:
            parent = PurePosixPath(self.member).parent
            near = [n for n in archive.namelist() if PurePosixPath(n).parent == parent and n[-1] != "/"]
            for name in near if neighbours else [self.member]:
                (Path(folder) / PurePosixPath(name).name).write_bytes(archive.read(name))
            yield Path(folder) / PurePosixPath(self.member).name


def _read(path: Path) -> Mesh:
    """The mesh without its colours; materials are not looked for."""
    from isofield.data.mesh import read_mesh

    mesh = read_mesh(path)
    if not len(mesh.faces):
        raise InputError(f"{path.name} holds no triangles")
    return Mesh(mesh.vertices, mesh.faces)


def find_models(inputs: Iterable[str | Path]) -> list[Model]:
    """Models in folders, archives, files and glob patterns, ordered by category and id.

    The category is the first folder below the input, or what the catalogue of the archive says.
    Ids come from the rest of the path; models that would share one get a checksum of their path.

    Raises:
        InputError: An input does not exist, is damaged, or there is no mesh at all.
    """
    found = [model for each in inputs for model in _find(str(each))]
    if not found:
        raise InputError(
            f"no mesh in {', '.join(map(str, inputs))}; give a folder, zip or pattern of"
            " OBJ, OFF, PLY, STL or GLB files"
        )
    return sorted(_unique(found), key=lambda m: (m.category, m.id))


def _find(text: str) -> Iterator[Model]:
    path = Path(text)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.is_file() and path.suffix.lower() in ARCHIVES:
        yield from _in_archive(path)
    elif path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path} is neither a mesh (OBJ, OFF, PLY, STL, GLB) nor a zip of meshes")
        yield Model(_name([path.stem]), _slug(path.absolute().parent.name), path)
    else:
        matches = sorted(Path(m) for m in glob.glob(text, recursive=True))
        if not matches:
            raise InputError(f"{text} does not exist and matches no file")
        yield from _below(_fixed_part(text), matches)


def _fixed_part(pattern: str) -> Path:
    """The folders of a glob pattern before the first wildcard."""
    parts = Path(pattern).parts
    wild = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:wild])


def _in_folder(root: Path) -> Iterator[Model]:
    yield from _below(root, sorted(root.rglob("*")))


def _below(root: Path, paths: Iterable[Path]) -> Iterator[Model]:
    """Models at the paths; the first folder below the root is the category."""
    for path in paths:
        suffix = path.suffix.lower()
        if suffix in ARCHIVES and path.is_file():
            yield from _in_archive(path)
        elif suffix in SUFFIXES and path.is_file():
            parts = path.relative_to(root).with_suffix("").parts
            category, rest = parts[0], parts[1:]
            if all(part.lower() in GENERIC for part in rest):  # the root is the category already
                category, rest = root.absolute().name, parts
            yield Model(_name(rest), _slug(category), path)


def _in_archive(path: Path) -> Iterator[Model]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(n for n in archive.namelist() if PurePosixPath(n).suffix.lower() in SUFFIXES)
            entries = catalogue.read(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} is not a readable zip archive: {error}") from error
    for member in members:
        parts = PurePosixPath(member).with_suffix("").parts
        entry = entries.get(member)
        category = entry.category if entry else (parts[0] if len(parts) > 1 else path.stem)
        rest = parts if entry else (parts[1:] or parts)
        model = Model(_name(rest), _slug(category), path, member)
        if entry:
            model = replace(
                model, creator=entry.creator, licence=entry.licence, title=entry.name, tags=entry.tags,
                rotation=entry.rotation,
            )  # fmt: skip
        yield model


def _name(parts: Iterable[str]) -> str:
    """Path parts as one word, without generic names and repetitions."""
    kept: list[str] = []
    for part in parts:
        if part.lower() not in GENERIC and (not kept or kept[-1].lower() != part.lower()):
            kept.append(part)
    return "-".join(_word(p) for p in kept) or "model"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._") or "x"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "models"


def _unique(models: list[Model]) -> Iterator[Model]:
    count: dict[str, int] = {}
    for model in models:
        count[model.id] = count.get(model.id, 0) + 1
    for model in models:
        if count[model.id] == 1:
            yield model
        else:
            mark = zlib.crc32(str(model.member or model.file).encode())
            yield replace(model, id=f"{model.id}-{mark:08x}")
