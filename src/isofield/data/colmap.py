"""COLMAP projects: a sparse model beside a folder of pictures.

PROJECT/sparse/0/   cameras, images, points3D: .bin or .txt (colmap_files.py states the convention)
       /images/     the pictures; others in it were not registered
       /masks/      optional: NAME or NAME.png, black is not the object
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.data.colmap_files import Model, Registered, is_model, read_model
from isofield.data.pictures import ENDINGS
from isofield.data.shots import Shot, Shots, listed, sound_lens
from isofield.errors import InputError


def colmap_models(folder: Path) -> list[Path]:
    """Folders of models in a project, or the folder itself if it is one."""
    places = [folder, *(folder / name for name in ("sparse", "colmap", "colmap/sparse"))]
    inner = [p for place in places if place.is_dir() for p in sorted(place.iterdir()) if p.is_dir()]
    return [place for place in dict.fromkeys([*places, *inner]) if is_model(place)]


def read_colmap(folders: list[Path]) -> Shots:
    """The largest of the models, with the pictures beside it.

    Raises:
        InputError: A file is damaged, or there is no folder of pictures.
    """
    models = [read_model(folder) for folder in folders]
    best = max(range(len(models)), key=lambda i: len(models[i].images))
    model, folder = models[best], folders[best]
    said = []
    if len(models) > 1:
        said.append(
            f"{len(models)} models are there; the largest is {folder}, with {len(model.images)} pictures"
        )
    pictures = _pictures(folder, model)
    shots: list[Shot] = []
    missing: list[str] = []
    for image in sorted(model.images, key=lambda one: one.name):
        path = pictures / image.name
        if path.is_file():
            shots.append(_shot(folder, model, image, path))
        else:
            missing.append(image.name)
    left = unregistered(pictures, model)
    if left:
        said.append(f"{len(left)} pictures have no camera: COLMAP did not register {listed(left)}")
    points = model.points if len(model.points) else None
    return Shots("COLMAP, axes right, down, forward", shots, points, missing, said=said)


def unregistered(pictures: Path, model: Model) -> list[str]:
    """Pictures of the folder that the model does not place."""
    known = {image.name for image in model.images}
    names = [str(p.relative_to(pictures)) for p in sorted(pictures.rglob("*")) if p.suffix.lower() in ENDINGS]
    return [name for name in names if name not in known]


def _shot(folder: Path, model: Model, image: Registered, path: Path) -> Shot:
    where = f"{folder}, picture {image.name}"
    lens = model.lenses.get(image.camera)
    if lens is None:
        raise InputError(f"{where} has the camera {image.camera}, which is not among the cameras.")
    pose = np.concatenate([turn_of(where, image.quaternion), image.translation[:, None]], axis=1)
    return Shot(path, sound_lens(where, lens), pose, mask=_mask(path))


def turn_of(where: str, quaternion: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3 3"]:
    """The rotation of a quaternion w, x, y, z of any length.

    Raises:
        InputError: It is zero or not finite.
    """
    length = float(np.linalg.norm(quaternion))
    if not (np.isfinite(length) and length > 0):
        raise InputError(f"{where}: the rotation of the camera is singular.")
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _pictures(folder: Path, model: Model) -> Path:
    """The folder, at or above the model, that has most of its pictures."""
    above = [folder, *folder.parents[:3]]
    places = [base / name for base in above for name in ("images", "image", "input", ".")]
    sample = model.images[:: max(1, len(model.images) // 20)]
    counts = [sum((place / image.name).is_file() for image in sample) for place in places]
    if not any(counts):
        raise InputError(f"{folder} lists pictures such as {_first(model)}, but no folder images has them.")
    return places[int(np.argmax(counts))]


def _first(model: Model) -> str:
    return model.images[0].name if model.images else "none"


def _mask(image: Path) -> Path | None:
    folder = image.parent.parent
    names = (image.name, f"{image.name}.png", f"{image.stem}.png")
    tries = [folder / place / name for place in ("masks", "mask") for name in names]
    return next((path for path in tries if path.is_file()), None)
