"""A picture as another camera, lamp and shelf might have shown the same object.

From few models a network learns their pictures by heart: their colours, and where in the frame they
stand. Neither tells the shape.
"""

import numpy as np
from jaxtyping import Float

GREY_SHARE = 0.3
"""Of the pictures that lose their colours altogether, at full strength."""
WHITE = 0.98
"""From here on a pixel is background, which stays white: so pictures are prepared for the network."""
MARGIN = 0.15
"""Of the picture's edge that may be seen around it, at full strength."""
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def widened(image: Float[np.ndarray, "h w 3"], strength: float) -> Float[np.ndarray, "hh ww 3"]:
    """The picture with its border drawn outwards, so that a part of it can show the object smaller."""
    margin = round(MARGIN * strength * min(image.shape[:2]))
    return np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")


def recoloured(
    image: Float[np.ndarray, "h w 3"], draw: np.random.Generator, strength: float
) -> Float[np.ndarray, "h w 3"]:
    """The object in other light: channels exchanged, saturation, contrast, brightness, or without colour.

    Args:
        image: RGB in [0, 1].
        draw: Of what happens to it.
        strength: From 0 (the picture as it is) to 1.
    """
    order = draw.permutation(3) if draw.random() < strength / 2 else np.arange(3)
    saturation, contrast, brightness = 1 + strength * draw.uniform(-0.5, 0.5, 3)
    gains = 1 + strength * draw.uniform(-0.2, 0.2, 3)
    if draw.random() < GREY_SHARE * strength:
        saturation = 0.0
    coloured = image[..., order] * gains
    grey = (coloured @ LUMINANCE)[..., None]
    shown = grey + saturation * (coloured - grey)
    middle = 0.5
    lit = np.clip(brightness * (middle + contrast * (shown - middle)), 0, 1)
    white = image.min(axis=-1, keepdims=True) > WHITE
    return np.where(white, image, lit).astype(np.float32)
