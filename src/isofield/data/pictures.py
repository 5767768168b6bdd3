"""Pictures that have cameras -> arrays, pixel by pixel as stored.

EXIF turns are not applied: the programs that estimate cameras look at the stored pixels, too.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from isofield.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


class DamagedPictureError(InputError):
    """A file that should be a picture and can't be decoded; the other pictures may do without it.

    `fault` says what is wrong, in words that end a sentence.
    """

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"{path} is damaged: {fault}.")
        self.path, self.fault = path, fault


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height, from the file's head.

    Raises:
        DamagedPictureError: It is no picture.
        InputError: It is not there.
    """
    with _image(path) as image:
        return image.size


def read_rgba(path: Path) -> Float[np.ndarray, "h w 4"]:
    """Colours and opacity in [0, 1], float32; opacity 1 where the file has none.

    Raises:
        DamagedPictureError: It is no picture, or a damaged one.
        InputError: It is not there.
    """
    with _image(path) as image:
        if image.mode.startswith("I;16"):
            grey = _decoded(path, image, None)[..., None] / np.float32(65535)
            return np.concatenate([grey, grey, grey, np.ones_like(grey)], axis=2)
        return _decoded(path, image, "RGBA") / np.float32(255)


def read_mask(path: Path) -> Float[np.ndarray, "h w"]:
    """How white, or where there is transparency how opaque, each pixel is: in [0, 1].

    Raises:
        DamagedPictureError: It is no picture, or a damaged one.
        InputError: It is not there.
    """
    with _image(path) as image:
        if image.mode.startswith("I;16"):
            return _decoded(path, image, None) / np.float32(65535)
        if image.mode in ("RGBA", "LA"):
            opacity = _decoded(path, image, "RGBA")[..., 3] / np.float32(255)
            if opacity.min() < 1:
                return opacity
        return _decoded(path, image, "L") / np.float32(255)


def read_depth(path: Path, unit: float) -> Float[np.ndarray, "h w"]:
    """Depths of an .npy file or a 16-bit picture, times `unit`; zero where unknown.

    Raises:
        InputError: It cannot be read as such.
    """
    if path.suffix.lower() == ".npy":
        try:
            depth = np.load(path, allow_pickle=False).astype(np.float32).squeeze()
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no readable array of depths.") from error
    else:
        with _image(path) as image:
            depth = _decoded(path, image, None)
    if depth.ndim != 2:
        raise InputError(f"{path} has {depth.ndim} axes where depths have two.")
    return np.where(np.isfinite(depth), depth, 0).astype(np.float32) * np.float32(unit)


def _image(path: Path) -> Any:
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise InputError(f"{path} is missing.")
    try:
        return Image.open(path)
    except UnidentifiedImageError as error:
        raise DamagedPictureError(path, "no picture that can be read") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DamagedPictureError(path, str(error).removesuffix(".")) from error


def _decoded(path: Path, image: Any, mode: str | None) -> Float[np.ndarray, "h w *c"]:
    try:
        return np.asarray(image if mode is None else image.convert(mode), np.float32)
    except (OSError, ValueError, SyntaxError) as error:
        raise DamagedPictureError(path, str(error).removesuffix(".")) from error
