"""A mesh with its texture as OBJ: three files that belong together."""

from pathlib import Path

import numpy as np

from isofield.data.atomic import atomic_write
from isofield.data.precision import needs_double
from isofield.errors import InputError
from isofield.geometry import Mesh


def companions(path: Path) -> tuple[Path, Path]:
    """Material and picture of an OBJ file, beside it."""
    return path.with_suffix(".mtl"), path.with_suffix(".texture.png")


def write_textured_obj(path: Path, mesh: Mesh) -> None:
    """Writes `NAME.obj`, `NAME.mtl` and `NAME.texture.png`; the OBJ comes last and names the others.

    Vertices stay as they are: OBJ counts places in the picture by themselves, so a closed mesh is closed
    in the file, too. Colours of vertices are left out.

    Raises:
        InputError: A file cannot be written, or a name has white space, which OBJ cannot quote.
        ValueError: The mesh has no texture.
    """
    if mesh.texture is None:
        raise ValueError("a mesh without texture is written by write_mesh")
    material, picture = companions(path)
    if any(character.isspace() for character in path.name):
        raise InputError(f"{path}: OBJ files cannot name materials with white space; choose another name")
    from PIL import Image

    with atomic_write(picture) as temporary:
        Image.fromarray(mesh.texture.image).save(temporary, format="PNG")
    with atomic_write(material) as temporary:
        temporary.write_text(
            f"newmtl surface\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture.name}\n",
            encoding="utf-8",
        )
    with atomic_write(path) as temporary:
        temporary.write_bytes(_obj(mesh, material.name))


def _obj(mesh: Mesh, material: str) -> bytes:
    """Vertices, places in the picture with v upwards, normals, and faces that number each of them."""
    assert mesh.texture is not None
    _, places, corners = mesh.texture.along_seams(mesh.faces)
    number = "%.16g" if needs_double(mesh.vertices) else "%.9g"
    parts = [f"mtllib {material}\n".encode(), _rows(f"v {number} {number} {number}", mesh.vertices)]
    parts.append(_rows("vt %.7g %.7g", np.stack([places[:, 0], 1 - places[:, 1]], axis=1)))
    indices = [mesh.faces, corners]
    if mesh.normals is not None:
        parts.append(_rows("vn %.6g %.6g %.6g", mesh.normals))
        indices.append(mesh.faces)
    corner = "/".join(["%d"] * len(indices))
    faces = np.stack(indices, axis=2).reshape(len(mesh.faces), -1) + 1  # per corner vertex, place, normal
    return b"".join((*parts, b"usemtl surface\n", _rows(f"f {corner} {corner} {corner}", faces)))


def _rows(row: str, values: np.ndarray) -> bytes:
    return ((row + "\n") * len(values) % tuple(values.reshape(-1).tolist())).encode()
