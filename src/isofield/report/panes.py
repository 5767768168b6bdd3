"""What the report shows side by side: what came in on the left, if it can be seen, and the mesh."""

import base64
import html
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from jaxtyping import Float

from isofield.geometry import Mesh
from isofield.report.contents import Contents, Pair
from isofield.report.pages import fill, resource
from isofield.report.viewer_data import MOST_POINTS

THUMB = 320
"""Pixels along the longer edge of pictures in pairs."""
MOST_PIXELS = 1024
"""Along the longer edge of a picture; what a pane shows at most on a screen of twice the usual density."""

ELEMENTS = '<label><input id="elements" type="checkbox"> elements</label>'
"""What shows the elements that a shape is made of, in place of its surface."""


def left_pane(contents: Contents) -> str:
    """Points that turn with the mesh, or else the picture that came in, or nothing."""
    if contents.cloud is not None:
        parts = {
            "note": fewer(min(len(contents.cloud), MOST_POINTS), len(contents.cloud), "points"),
            "colour": _colours(contents.cloud.colours is not None),
        }
        return fill(resource("pane_points.html"), parts)
    if contents.image is None:
        return ""
    height, width, _ = contents.image.shape
    shown = shrunk(contents.image)
    smaller = "" if shown is contents.image else f", shown at {shown.shape[1]} x {shown.shape[0]}"
    parts = {
        "source": png_uri(shown),
        "title": html.escape(contents.title, quote=True),
        "size": f'width="{shown.shape[1]}" height="{shown.shape[0]}"',
        "note": f"{width} x {height} pixels{smaller}",
    }
    return fill(resource("pane_picture.html"), parts)


def mesh_pane(contents: Contents, thin: Mesh) -> str:
    """The mesh, with the colourings that its report has something to say about."""
    distance = '<option value="distance">distance to points</option>' if contents.cloud is not None else ""
    parts = {
        "note": fewer(len(thin.faces), len(contents.mesh.faces), "faces"),
        "colour": _colours(thin.colours is not None),
        "distance": distance,
        "elements": ELEMENTS if "elements" in contents.found.get("notes", {}) else "",
    }
    return fill(resource("pane_mesh.html"), parts)


def photo_pairs(pairs: Sequence[Pair]) -> str:
    """Photos with the pictures of the scene from the same places."""
    if not pairs:
        return ""
    figures = "".join(
        f'<figure><img alt="photo" src="{png_uri(shrunk(pair.photo, THUMB))}">'
        f'<img alt="rendered" src="{png_uri(shrunk(pair.rendered, THUMB))}">'
        f"<figcaption>{html.escape(pair.name)}: {pair.psnr:.1f} dB</figcaption></figure>"
        for pair in pairs
    )
    return f'<section class="pairs"><h2>Photos, and the scene from the same places</h2>{figures}</section>'


def png_uri(image: Float[np.ndarray, "h w 3"]) -> str:
    """The picture as the address of a PNG that lies in the page itself."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def shrunk(image: Float[np.ndarray, "h w 3"], most: int = MOST_PIXELS) -> Float[np.ndarray, "i j 3"]:
    """The picture itself if neither edge is longer than `most`, else a smaller one."""
    from PIL import Image

    height, width, _ = image.shape
    scale = most / max(height, width)
    if scale >= 1:
        return image
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    whole = Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
    return np.asarray(whole.resize(size, Image.Resampling.LANCZOS), dtype=image.dtype) / 255


def fewer(shown: int, all_of_them: int, word: str) -> str:
    """How many are shown, of how many if not all."""
    return f"{shown:,} of {all_of_them:,} {word} shown" if shown < all_of_them else f"{all_of_them:,} {word}"


def _colours(there: bool) -> str:
    return '<option value="colour" selected>colours</option>' if there else ""
