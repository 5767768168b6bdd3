"""A photo as networks saw pictures in training: one object on white, cut to a square.

Networks that reconstruct from one picture learned from renders: white background, the object in
the middle, as large as it fits. A photo is brought close to that, and what cannot be mended is said.
"""

import os

import numpy as np
from jaxtyping import Bool, Float

from isofield.data.image import on_white, opened
from isofield.observation import Photo

FILL = 0.86
"""Share of the square's edge that the object takes, as in the renders."""
EVEN = 0.06
"""Largest deviation from the border's median colour that still counts as background."""


def read_photo(path: str | os.PathLike[str]) -> tuple[Photo, list[str]]:
    """The picture, squared on white, and sentences about what is unlike the training's renders.

    Where the file is transparent, the object is what is not. Else an even border tells the background's
    colour, and what has that colour and touches the border becomes white. Without either the picture is
    only made square.

    Raises:
        InputError: The file is missing, or is no picture.
    """
    rgba = np.asarray(opened(path).convert("RGBA"), np.float32) / 255
    image, said = on_white(rgba), []
    if rgba[:, :, 3].min() < 0.5:
        mask = rgba[:, :, 3] >= 0.5
    else:
        background = around(image)
        if background is None:
            said.append(
                f"{path}: the background is not of one colour, while the network knows objects on white only:"
                " cut the object out (a PNG with transparent background) for a better result"
            )
            return Photo(padded(image)), said
        mask = ~background
        image = np.where(mask[:, :, None], image, 1.0).astype(np.float32)
    if not mask.any():
        said.append(f"{path}: no object stands out from the background")
        return Photo(padded(image)), said
    said += [f"{path}: {sentence}" for sentence in concerns(mask)]
    return Photo(framed(image, mask)), said


def around(image: Float[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"] | None:
    """What has the border's colour and hangs together with it; None if the border is uneven."""
    from scipy.ndimage import label

    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    colour = np.median(border, axis=0)
    if (np.abs(border - colour).max(axis=1) > EVEN).mean() > 0.1:
        return None
    alike = np.abs(image - colour).max(axis=2) <= EVEN
    parts, _ = label(alike)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.isin(parts, np.setdiff1d(edge, 0))


def concerns(mask: Bool[np.ndarray, "h w"]) -> list[str]:
    """What about the object's outline is unlike the renders."""
    found = []
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    if any(side.mean() > 0.02 for side in sides):
        found.append("the object is cut off by the picture's edge, which the network never saw")
    if mask.mean() < 0.02:
        found.append("the object is very small in the picture: expect little detail")
    return found


def framed(image: Float[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "s s 3"]:
    """A white square around the object's middle, of which the object takes `FILL`."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    low = np.array([rows[0], columns[0]])
    high = np.array([rows[-1], columns[-1]]) + 1
    side = max(2, round(float((high - low).max()) / FILL))
    start = (low + high - side) // 2
    square = np.ones((side, side, 3), np.float32)
    first, last = np.maximum(start, 0), np.minimum(start + side, image.shape[:2])
    a, b = first - start, last - start
    square[a[0] : b[0], a[1] : b[1]] = image[first[0] : last[0], first[1] : last[1]]
    return square


def padded(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "s s 3"]:
    """The whole picture in the middle of a white square."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.ones((side, side, 3), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square
