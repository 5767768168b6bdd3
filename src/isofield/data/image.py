"""Picture files -> arrays, and photos made to look like the pictures that networks learned from."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from isofield.errors import InputError


def read_image(path: str | os.PathLike[str]) -> Float[np.ndarray, "h w 3"]:
    """RGB in [0, 1], float32, upright as its EXIF says; white where it is transparent.

    Raises:
        InputError: The file is missing or is no picture.
    """
    rgba = np.asarray(opened(path).convert("RGBA"), np.float32) / 255
    return on_white(rgba)


def opened(path: str | os.PathLike[str]) -> Any:
    """The picture as PIL has it, decoded and upright.

    Raises:
        InputError: The file is missing or is no picture.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing.")
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no picture that can be read; give a PNG, JPEG or WebP.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is a damaged picture: {error}.") from error


def on_white(rgba: Float[np.ndarray, "h w 4"]) -> Float[np.ndarray, "h w 3"]:
    """Colours over a white ground."""
    return rgba[:, :, :3] * rgba[:, :, 3:] + (1 - rgba[:, :, 3:])
