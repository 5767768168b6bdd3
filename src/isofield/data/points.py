"""Any file with points in it -> a point cloud. Content decides, the extension has to agree."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isofield.data.arrays import read_npy, read_npz
from isofield.data.columns import cloud_from_columns, finite_rows
from isofield.data.las import read_las
from isofield.data.pcd import read_pcd
from isofield.data.ply import read_header, read_ply
from isofield.data.text import read_text
from isofield.errors import InputError
from isofield.geometry import Mesh
from isofield.observation import PointCloud

SAMPLES = 100_000
"""Points drawn from the faces of a mesh."""
MESHES = ("obj", "off", "stl", "glb", "gltf")
TEXTS = ("xyz", "txt", "csv", "pts", "asc", "xyzrgb", "xyzn", "tsv", "dat")
KINDS = ("ply", "pcd", *TEXTS, "npy", "npz", "las", "laz", *MESHES)
"""Extensions we read."""


@dataclass(frozen=True)
class PointFile:
    """What a file holds, and what had to be left out of it."""

    cloud: PointCloud
    kind: str
    """Format in words: 'PLY', 'text', 'OBJ mesh'."""
    claimed: int
    """Points in the file, those that are not finite included; vertices of a mesh."""
    dropped: int
    """Points left out because a coordinate is NaN or infinite."""
    mesh: Mesh | None = None
    """The mesh, if the points were drawn from its faces."""


def read_points(path: str | os.PathLike[str], count: int = SAMPLES, seed: int = 0) -> PointCloud:
    """The points of a file, float64, in its own frame and units; normals and colours if it has them.

    Points that are not finite are left out (`read_point_file` counts them); duplicates stay. A mesh
    gives `count` points drawn from its faces by area, with the normals of the faces.

    Raises:
        InputError: The file cannot be read, or there is no finite point in it; one sentence says why.
    """
    return read_point_file(path, count, seed).cloud


def read_point_file(path: str | os.PathLike[str], count: int = SAMPLES, seed: int = 0) -> PointFile:
    """As `read_points`, with the kind of file and the count of points left out."""
    path = Path(path)
    form = format_of(path)
    if form in MESHES or (form == "ply" and read_header(path).count("face")):
        return _from_mesh(path, form, count, seed)
    cloud = _reader(form)(path)
    if not len(cloud):
        raise InputError(f"{path} holds no points.")
    finite = finite_rows(cloud.points)
    dropped = len(cloud) - int(finite.sum())
    if dropped == len(cloud):
        raise InputError(f"{path} holds {len(cloud)} points, but none has finite coordinates: all are NaN.")
    kind = "text" if form == "text" else form.upper()
    return PointFile(cloud[finite] if dropped else cloud, kind, len(cloud), dropped)


def _reader(form: str) -> Callable[[Path], PointCloud]:
    readers = {"ply": _from_ply, "pcd": read_pcd, "text": read_text, "npy": read_npy, "npz": read_npz}
    return readers.get(form, read_las)


def _from_ply(path: Path) -> PointCloud:
    if not read_header(path).count("vertex"):
        raise InputError(f"{path} holds no points.")
    return cloud_from_columns(read_ply(path, ("vertex",))["vertex"].columns, path)


def _from_mesh(path: Path, form: str, count: int, seed: int) -> PointFile:
    from isofield.data.mesh import read_mesh
    from isofield.geometry.sampling import draw_on_surface, surface_at

    mesh = read_mesh(path)
    if not len(mesh.faces):  # an OBJ or OFF can be a bare list of vertices
        return PointFile(
            PointCloud(mesh.vertices, mesh.normals, mesh.colours), form.upper(), len(mesh.vertices), 0
        )
    try:
        face, weights = draw_on_surface(mesh, count, seed)
    except ValueError as error:
        raise InputError(f"{path} has no surface to take points from: {error}.") from None
    points, normals = surface_at(mesh, face, weights)
    colours = None
    if mesh.colours is not None:
        colours = np.einsum("nk,nkc->nc", weights, mesh.colours[mesh.faces[face]])
    return PointFile(
        PointCloud(points, normals, colours), f"{form.upper()} mesh", len(mesh.vertices), 0, mesh
    )


PICTURES = ("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff")
"""Extensions that are known, but hold no points."""


def format_of(path: str | os.PathLike[str]) -> str:
    """Format of a file: 'ply', 'pcd', 'text', 'npy', 'npz', 'las', or the extension of a mesh.

    Raises:
        InputError: It cannot be opened, is empty, of no known format, or of another one than its name says.
    """
    path = Path(path)
    extension = path.suffix.lower().lstrip(".")
    said = "text" if extension in TEXTS else "las" if extension == "laz" else extension
    head, size = _head(path)
    looks = _sniff(head)
    if extension in PICTURES:
        raise InputError(f"{path} is a picture, no points: `isofield reconstruct` makes a shape of it.")
    if extension not in KINDS:
        hint = f"it looks like {_word(looks)}; rename it" if looks else f"known are {', '.join(KINDS)}"
        raise InputError(f"{path} has an extension that says nothing about its format; {hint}.")
    if _agree(said, looks, head, size):
        return said
    if looks:
        raise InputError(
            f"{path} is named .{extension}, but its content looks like {_word(looks)}; rename it."
        )
    raise InputError(f"{path} is named .{extension}, but its content is not {_word(said)}; is it damaged?")


def _head(path: Path) -> tuple[bytes, int]:
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file; name a file in it.")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}.") from error
    if not head:
        raise InputError(f"{path} is empty.")
    return head, path.stat().st_size


def _sniff(head: bytes) -> str:
    """Format by the first bytes; nothing if they are of no kind we know."""
    signs = {
        b"ply\n": "ply", b"ply\r": "ply", b"# .PCD": "pcd", b"VERSION": "pcd", b"\x93NUMPY": "npy",
        b"PK\x03\x04": "npz", b"LASF": "las", b"glTF": "glb", b"OFF": "off", b"COFF": "off", b"NOFF": "off",
        b"CNOFF": "off", b"NCOFF": "off", b"STOFF": "off", b"solid": "stl",
    }  # fmt: skip
    for sign, form in signs.items():
        if head.startswith(sign):
            return form
    lines = [line.split() for line in head.splitlines()]
    if any(line[:1] == [b"FIELDS"] for line in lines):
        return "pcd"
    if any(line[:1] in ([b"v"], [b"mtllib"]) for line in lines):
        return "obj"
    if head.lstrip().startswith(b"{"):
        return "gltf"
    return "text" if _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    """Printable, with a number in it."""
    odd = any(byte < 9 or 13 < byte < 32 or byte == 127 for byte in head)
    return not odd and (any(48 <= byte < 58 for byte in head) or b"nan" in head.lower())


def _agree(said: str, looks: str, head: bytes, size: int) -> bool:
    if said == looks:
        return True
    if said == "stl":  # a binary STL begins with 80 bytes of anything, then its count of triangles
        return len(head) >= 84 and size == 84 + 50 * int.from_bytes(head[80:84], "little")
    return looks == "text" and said in ("obj", "off")  # long comments before the first vertex; no header line


def _word(form: str) -> str:
    return {"text": "a text table", "npz": "a ZIP or NPZ archive", "las": "LAS or LAZ"}.get(
        form, form.upper()
    )


def require_surface(cloud: PointCloud, source: object) -> None:
    """Nothing, if the points can lie on a surface.

    Raises:
        InputError: There are fewer than ten points, or they all coincide or lie on one line.
    """
    n = len(cloud)
    if n < 10:
        raise InputError(
            f"{source} holds {n} point{'s' * (n != 1)}; a surface needs at least ten, better thousands."
        )
    centred = cloud.points - cloud.points.mean(axis=0)
    size = np.abs(centred).max()
    if not size > 1e-12 * max(1.0, np.abs(cloud.points).max()):
        raise InputError(f"{source} holds {n} points, all at the same place, so there is no surface.")
    spread = np.linalg.svd((centred / size).T @ (centred / size), compute_uv=False)
    if spread[1] <= 1e-14 * spread[0]:
        raise InputError(f"{source} holds {n} points, all on one line, so there is no surface.")
