"""Reader of data sets in the layout of Occupancy Networks, the official ShapeNet one included.

    ROOT/metadata.yaml                     {category: {id, name}}
    ROOT/<category>/{train,val,test}.lst   model ids, one a line
    ROOT/<category>/<id>/points.npz        points (n 3), occupancies packed or not, loc, scale
                        /points_surface.npz
                        /pointcloud.npz    points, normals, loc, scale
                        /model.binvox      voxels (Choy et al. 2016)
                        /img_choy2016      000.jpg .. 023.jpg and cameras.npz

Points are in the unit box: x_unit = (x - loc) / scale.
"""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from isofield.data.binvox import read_binvox
from isofield.data.cameras import CAMERAS, FOLDER, camera_over_unit
from isofield.data.image import read_image
from isofield.data.splits import SPLITS
from isofield.errors import InputError
from isofield.geometry import Box
from isofield.geometry.camera import Camera
from isofield.geometry.similarity import Similarity
from isofield.observation import PointCloud, Voxels

TIE_NOISE = 1e-4
"""Standard deviation of the noise that frees float16 points from their raster, as in the official loader."""


@dataclass(frozen=True)
class Occupied:
    """Points in the unit box and what is known about them."""

    points: Float[np.ndarray, "n 3"]
    inside: Bool[np.ndarray, " n"]
    hidden: Bool[np.ndarray, " n"] | None = None
    """Free points in voids that nothing outside can see; None where the file doesn't say."""


@dataclass(frozen=True)
class Item:
    """One model of a data set; files are read when asked for."""

    category: str
    id: str
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.category}/{self.id}"

    @property
    def voxel_file(self) -> Path:
        """Where the official layout keeps the 32^3 voxels; the file may be missing."""
        return self.folder / "model.binvox"

    def occupied(
        self, file: str = "points.npz", noise: float = 0.0, seed: int | np.random.Generator = 0
    ) -> Occupied:
        """Points with their occupancies, float32.

        Args:
            file: `points.npz` for uniform points, `points_surface.npz` for those near the surface.
            noise: Standard deviation added to float16 points; the official value is `TIE_NOISE`.
            seed: Of the noise.

        Raises:
            InputError: The file is missing or damaged, or lacks a key.
        """
        path = self.folder / file
        arrays = _load(path, ("points", "occupancies"), optional=("hidden",))
        points = _rows(arrays["points"], path, "points")
        if noise > 0 and points.dtype == np.float16:
            draw = np.random.default_rng(seed)
            points = points.astype(np.float32) + noise * draw.standard_normal(points.shape)
        inside = _bits(arrays["occupancies"], len(points), path, "occupancies")
        hidden = _bits(arrays["hidden"], len(points), path, "hidden") if "hidden" in arrays else None
        return Occupied(points.astype(np.float32), inside, hidden)

    def cloud(self, file: str = "pointcloud.npz", with_normals: bool = True) -> PointCloud:
        """Surface points with normals, float64, in the unit box; much sooner without normals.

        Raises:
            InputError: The file is missing or damaged, or lacks a key.
        """
        path = self.folder / file
        arrays = _load(path, ("points",), optional=("normals",) if with_normals else ())
        points = _rows(arrays["points"], path, "points").astype(np.float64)
        if "normals" not in arrays:
            return PointCloud(points)
        normals = _rows(arrays["normals"], path, "normals").astype(np.float64)
        if len(normals) != len(points):
            raise InputError(f"{path}: {len(normals)} normals do not fit {len(points)} points")
        return PointCloud(points, normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))

    def scan(self, count: int, noise: float, seed: int = 0, with_normals: bool = False) -> PointCloud:
        """A sparse noisy draw of the cloud, as systems are measured on; the same for the same seed.

        Args:
            count: Points, all different unless the cloud has fewer.
            noise: Standard deviation in units of the longest edge of the object's box.
            seed: Mixed with the model's name, so that models differ in their noise.
            with_normals: Keep the normals of the cloud.

        Raises:
            InputError: As `cloud`.
        """
        cloud = self.cloud(with_normals=with_normals)
        draw = np.random.default_rng(zlib.crc32(f"{seed}/{self.name}".encode()))
        seen = cloud[draw.choice(len(cloud), count, replace=count > len(cloud))]
        points = seen.points + noise * draw.standard_normal(seen.points.shape)
        return PointCloud(points, seen.normals)

    def voxels(self) -> Voxels:
        """The 32^3 voxels, over the unit box whatever their file says.

        Raises:
            InputError: The file is missing or damaged.
        """
        return Voxels(read_binvox(self.voxel_file).occupied, Box.cube())

    def views(self) -> int:
        """How many pictures there are."""
        return sum(1 for _ in (self.folder / FOLDER).glob("[0-9]*.[jp][pn]g"))

    def image(self, view: int = 0) -> Float[np.ndarray, "h w 3"]:
        """A picture as it is stored, RGB in [0, 1], float32; white where it is transparent.

        Raises:
            InputError: The file is missing or damaged.
        """
        stem = self.folder / FOLDER / f"{view:03d}"
        path = next((p for p in (stem.with_suffix(".jpg"), stem.with_suffix(".png")) if p.is_file()), None)
        if path is None:
            raise InputError(f"{stem}.jpg is missing; isofield prepare renders pictures of meshes")
        return read_image(path)

    def camera(self, view: int = 0) -> Camera:
        """The camera of a picture, over the unit box.

        Raises:
            InputError: The file is missing or damaged, or has no such view.
        """
        frame = self.world_from_unit("points.npz")
        path = self.folder / FOLDER / CAMERAS
        arrays = _load(path, (f"world_mat_{view}", f"camera_mat_{view}"))
        return camera_over_unit(
            arrays[f"world_mat_{view}"], arrays[f"camera_mat_{view}"], frame.translation, frame.scale
        )

    def world_from_unit(self, file: str = "pointcloud.npz") -> Similarity:
        """The way back to the frame of the original mesh.

        Raises:
            InputError: The file is missing or damaged, or lacks `loc` or `scale`.
        """
        path = self.folder / file
        arrays = _load(path, ("loc", "scale"))
        loc, scale = (
            np.asarray(arrays["loc"], np.float64).reshape(-1),
            np.asarray(arrays["scale"], np.float64),
        )
        if loc.shape != (3,) or scale.size != 1 or not float(scale.reshape(-1)[0]) > 0:
            raise InputError(f"{path}: loc must be three numbers and scale one above zero")
        return Similarity(scale=float(scale.reshape(-1)[0]), translation=loc)


def categories(root: Path) -> list[str]:
    """Categories in order: folders that hold a split list.

    Raises:
        InputError: The folder does not exist or is no data set.
    """
    if not root.is_dir():
        raise InputError(f"there is no data set {root}")
    found = sorted(
        p.name for p in root.iterdir() if p.is_dir() and any((p / f"{s}.lst").is_file() for s in SPLITS)
    )
    if not found:
        raise InputError(
            f"{root} is not a data set: no folder in it holds a train.lst, val.lst or test.lst;"
            " isofield prepare makes one from meshes"
        )
    return found


def is_dataset(root: Path) -> bool:
    """Whether a folder looks like a data set."""
    return root.is_dir() and any(root.glob("*/*.lst"))


def items(
    root: Path, split: str | None = None, only: Sequence[str] = (), none_ok: bool = False
) -> list[Item]:
    """Models of a split, or of all, by category and in the order of their lists.

    Args:
        root: Folder of the data set.
        split: `train`, `val`, `test` or any list that is there; None for all.
        only: Categories to take; none for all.
        none_ok: A split without models is an answer.

    Raises:
        InputError: The folder is no data set, or a category or the split is missing.
    """
    known = categories(root)
    unknown = [c for c in only if c not in known]
    if unknown:
        raise InputError(f"{root} has no category {unknown[0]!r}; it has {', '.join(known)}")
    splits = SPLITS if split is None else (split,)
    result = [
        Item(category, name, root / category / name)
        for category in (only or known)
        for part in splits
        for name in list_ids(root / category / f"{part}.lst", missing_ok=split is None)
    ]
    if not result and not none_ok:
        raise InputError(f"{root} has no model in {'any split' if split is None else f'its {split} split'}")
    return result


def list_ids(path: Path, missing_ok: bool = False) -> list[str]:
    """Names in a list; official files end in an empty line, which is none."""
    if not path.is_file():
        if missing_ok:
            return []
        raise InputError(f"{path} is missing; it lists the models of the split")
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _load(path: Path, keys: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Arrays of an npz file by name."""
    if not path.is_file():
        raise InputError(f"{path} is missing")
    try:
        # np.load leaves a file that it cannot read open
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            for key in keys:
                if key not in file.files:
                    raise InputError(f"{path} has no key {key!r}; it has {', '.join(file.files) or 'none'}")
            return {key: file[key] for key in (*keys, *optional) if key in file.files}
    except InputError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged: {error}") from error


def _rows(array: np.ndarray, path: Path, key: str) -> np.ndarray:
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind != "f":
        raise InputError(
            f"{path}, key {key!r}: expected n rows of three floats, found {array.dtype} {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{path}, key {key!r}: some numbers are not finite")
    return array


def _bits(array: np.ndarray, count: int, path: Path, key: str) -> Bool[np.ndarray, " n"]:
    """Labels as booleans, whether packed eight to a byte or one each."""
    flat = array.reshape(-1)
    if len(flat) == count:
        return flat.astype(np.float32) >= 0.5 if flat.dtype.kind == "f" else flat.astype(bool)
    if flat.dtype == np.uint8 and len(flat) == (count + 7) // 8:
        return np.unpackbits(flat)[:count].astype(bool)
    raise InputError(f"{path}, key {key!r}: {len(flat)} values of {flat.dtype} do not fit {count} points")
