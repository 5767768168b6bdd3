"""What `reconstruct` was given: points, a picture, voxels, or a field that is a shape already."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from isofield.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from isofield.observation import Photo, PointCloud, Voxels
    from isofield.scene import Scene

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
WEIGHTS = ".safetensors"
"""Networks that know one shape or scene by heart are shapes already."""
Kind = Literal["points", "image", "voxels", "field"]


@dataclass(frozen=True)
class Seen:
    """The content of an input file."""

    kind: Kind
    observation: "PointCloud | Photo | Voxels | None" = None
    """What a system reconstructs from; None for fields."""
    scene: "Scene | None" = None
    """What needs no system."""
    warnings: list[str] = field(default_factory=list)
    """Sentences about what may spoil the result."""

    @property
    def cloud(self) -> "PointCloud | None":
        """What was seen as points, if that can be said: voxels have points on their surface."""
        from isofield.observation import PointCloud, Voxels

        if isinstance(self.observation, Voxels):
            return self.observation.surface()
        return self.observation if isinstance(self.observation, PointCloud) else None

    @property
    def image(self) -> "Float[np.ndarray, 'h w 3'] | None":
        """The picture that was seen."""
        from isofield.observation import Photo

        return self.observation.image if isinstance(self.observation, Photo) else None


def kind_of(path: Path) -> Kind:
    """What a file holds, by its name and for npz by its content."""
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return "image"
    if suffix == ".binvox":
        return "voxels"
    if suffix == WEIGHTS:
        return "field"
    if suffix == ".npz":
        from isofield.data.field_file import is_field_file

        return "field" if is_field_file(path) else "points"
    return "points"


def see(path: Path, seed: int) -> Seen:
    """The content of the file.

    Raises:
        InputError: It is not readable; one sentence says why.
    """
    readers: dict[Kind, Callable[[Path, int], Seen]] = {
        "points": _points,
        "image": _image,
        "voxels": _voxels,
        "field": _field,
    }
    kind = kind_of(path)
    return readers[kind](path, seed)


def _points(path: Path, seed: int) -> Seen:
    from isofield.data import read_point_file, require_surface

    file, said = read_point_file(path, seed=seed), []
    if file.dropped:
        said.append(
            f"{file.dropped:,} of {file.claimed:,} points have no finite coordinates and were left out"
        )
    if file.mesh is not None:
        said.append(f"{path} is a mesh; {len(file.cloud):,} points were drawn from its surface")
    require_surface(file.cloud, path)
    return Seen("points", file.cloud, warnings=said)


def _image(path: Path, seed: int) -> Seen:
    from isofield.data.photo import read_photo

    photo, said = read_photo(path)
    return Seen("image", photo, warnings=said)


def _voxels(path: Path, seed: int) -> Seen:
    from isofield.data.binvox import read_binvox

    voxels = read_binvox(path)
    if not voxels.occupied.any():
        raise InputError(
            f"{path}: all {voxels.occupied.size:,} voxels are empty, so there is no shape in them"
        )
    return Seen("voxels", voxels)


def _field(path: Path, seed: int) -> Seen:
    if path.suffix.lower() == WEIGHTS:
        from isofield.systems.stored import known_scene

        return Seen("field", scene=known_scene(path))
    from isofield.systems.field_file import read_scene

    return Seen("field", scene=read_scene(path))


def concerns(cloud: "PointCloud") -> list[str]:
    """Sentences about what in the input's statistics suggests a poor result."""
    import numpy as np

    found = []
    if len(cloud) < 300:
        found.append(f"{len(cloud)} points are few: expect the outline of the shape, no detail")
    extent = np.ptp(cloud.points, axis=0)
    if extent.min() < 1e-3 * extent.max():
        found.append("the points lie almost in a plane: try --open for a surface without thickness")
    return found


def uncoloured(seen: Seen, system: str) -> str:
    """Why there are no colours, if there are none, in words that end a sentence."""
    if seen.kind == "points":
        assert seen.cloud is not None
        if seen.cloud.colours is None:
            return "the points have none"
        return f"{system} does not pass on those of the points; indicator and gauss do"
    reasons = {
        "image": f"{system} finds the shape alone",
        "voxels": "voxels have none",
        "field": "the file holds a shape alone",
    }
    return reasons[seen.kind]
