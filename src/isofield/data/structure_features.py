"""Pictures -> SIFT features in a database of COLMAP: the first step from photos to cameras.

Pixels are decoded here, not by COLMAP, so that features lie where our readers see them: on the stored pixels,
whatever EXIF says about turns. Pictures are shrunk first; features are stored over the full size.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from isofield.data.develop import shrunk

LONGEST = 1000
"""Pixels along the longest edge of the pictures that features are looked for in: one second each."""
SMALL = 64
"""Pixels along the longest edge of pictures that are only tried."""
MOST = 2048
"""Features per picture, the largest first; some have two orientations and count once."""
GUESS = 1.2
"""Focal length in longest edges, where EXIF says nothing: 45 degrees."""
MODEL = "OPENCV"
"""Focal lengths, middle, two numbers of radial and two of tangential distortion: what `Lens` takes out."""

Advance = Callable[[float, str], None]
"""Called with the share that is done, in [0, 1], and words about what is being done."""


@dataclass(frozen=True)
class Looked:
    """One picture as features see it."""

    grey: UInt8[np.ndarray, "h w"]
    opaque: Bool[np.ndarray, "h w"] | None
    """Where something is shown; None is everywhere."""
    size: tuple[int, int]
    """Width and height of the file."""


def look(path: Path, longest: int = LONGEST) -> Looked:
    """The picture in grey, shrunk.

    Raises:
        OSError: The file is damaged or no picture; so do ValueError and SyntaxError.
    """
    from PIL import Image

    with Image.open(path) as image:
        size = image.size
        small = shrunk(*size, longest)
        image.draft("L", small)  # JPEG decodes at half or quarter size, much faster
        opaque = None
        if "A" in image.getbands() or "transparency" in image.info:
            opaque = np.asarray(image.convert("RGBA").getchannel("A").resize(small)) > 127
        if image.mode.startswith("I;16"):
            grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        else:
            grey = image.convert("L")
        return Looked(np.ascontiguousarray(grey.resize(small, Image.Resampling.LANCZOS)), opaque, size)


def fault_of(path: Path) -> str | None:
    """What is wrong with a picture that can't be decoded, in words that end a sentence; None: nothing."""
    try:
        look(path, SMALL)
    except (OSError, ValueError, SyntaxError) as error:
        return fault_in(error)
    return None


def fault_in(error: Exception) -> str:
    """What an error of `look` says, in words that end a sentence."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):  # whose own words repeat the path
        return "no picture that can be read"
    return str(error).removesuffix(".") or type(error).__name__


def film_length(path: Path) -> float | None:
    """Millimetres that the focal length would have on 35 mm film, by EXIF."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            length = float(image.getexif().get_ifd(0x8769).get(0xA405) or 0)
    except (TypeError, ValueError, SyntaxError):
        return None
    return length if 0 < length < 2000 else None


def focal_of(path: Path, size: tuple[int, int]) -> float | None:
    """Pixels; a picture on 35 mm film is 43.27 mm across its corners."""
    length = film_length(path)
    return None if length is None else length * math.hypot(*size) / 43.27


def write_features(
    database: Any, pictures: Sequence[Path], advance: Callable[[float], None], threads: int
) -> dict[str, str]:
    """Fills the database with cameras, pictures and their features; what is there already is kept.

    Pictures of one size and one focal length share a camera. Numbers follow the order of the pictures, so
    that the same pictures give the same database.

    Returns:
        The names of pictures that cannot be decoded, with what is wrong with them.
    """
    damaged: dict[str, str] = {}
    cameras: dict[tuple[tuple[int, int], float | None], int] = {}
    done = {image.image_id for image in database.read_all_images()}

    def seen(number: int) -> tuple[Any, Looked, float | None] | str | None:
        if number + 1 in done:
            return None
        try:
            looked = look(pictures[number])
            return _features(looked), looked, focal_of(pictures[number], looked.size)
        except (OSError, ValueError, SyntaxError) as error:
            return fault_in(error)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for number, found in enumerate(pool.map(seen, range(len(pictures)))):
                advance((number + 1) / len(pictures))
                if isinstance(found, str):
                    damaged[pictures[number].name] = found
                elif found is not None:
                    features, looked, focal = found
                    camera = _camera(database, cameras, looked.size, focal)
                    _write(database, number + 1, pictures[number].name, camera, features)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return damaged


def _features(looked: Looked) -> tuple[Float[np.ndarray, "n 4"], Any]:
    """Places over the full size, scales and orientations; descriptors."""
    import pycolmap

    options = pycolmap.FeatureExtractionOptions()
    options.num_threads, options.use_gpu = 1, False
    options.sift.max_num_features = MOST
    extractor = pycolmap.FeatureExtractor.create(options, pycolmap.Device.cpu)
    keypoints, descriptors = extractor.extract_from_uint8_array(looked.grey)
    places = pycolmap.keypoints_to_matrix(keypoints)
    high, wide = looked.grey.shape
    if looked.opaque is not None and len(places):
        column, row = np.clip(places[:, :2].astype(int), 0, [wide - 1, high - 1]).T
        kept = looked.opaque[row, column]
        places, descriptors.data = places[kept], descriptors.data[kept]
    grow = np.array([looked.size[0] / wide, looked.size[1] / high], np.float32)
    return np.concatenate([places[:, :2] * grow, places[:, 2:3] * grow.mean(), places[:, 3:]], 1), descriptors


def _camera(database: Any, cameras: dict[Any, int], size: tuple[int, int], focal: float | None) -> int:
    """The number of the camera with this size and focal length, a new one if it has to be."""
    import pycolmap

    if not cameras:
        for camera in database.read_all_cameras():
            stated = camera.mean_focal_length() if camera.has_prior_focal_length else None
            cameras[(camera.width, camera.height), _rounded(stated)] = camera.camera_id
    key = size, _rounded(focal)
    if key not in cameras:
        number = len(cameras) + 1
        length = GUESS * max(size) if focal is None else focal
        camera = pycolmap.Camera.create_from_model_name(number, MODEL, length, *size)
        camera.has_prior_focal_length = focal is not None
        database.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=number)
        rig.add_ref_sensor(camera.sensor_id)
        database.write_rig(rig, use_rig_id=True)
        cameras[key] = number
    return cameras[key]


def _rounded(focal: float | None) -> float | None:
    return None if focal is None else round(focal, 3)


def _write(database: Any, number: int, name: str, camera: int, features: tuple[Any, Any]) -> None:
    """All of a picture or nothing."""
    import pycolmap

    with pycolmap.DatabaseTransaction(database):
        image = pycolmap.Image(name=name, camera_id=camera, image_id=number)
        database.write_image(image, use_image_id=True)
        frame = pycolmap.Frame(frame_id=number, rig_id=camera)
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)
        database.write_keypoints(number, features[0])
        database.write_descriptors(number, features[1])
