"""Pieces of the page, and the script library inside it."""

import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from io import BytesIO


def fill(template: str, parts: Mapping[str, str]) -> str:
    """The template with each `<!--name-->` replaced by the HTML of that name."""
    for name, text in parts.items():
        template = template.replace(f"<!--{name}-->", text)
    return template


@cache
def resource(name: str) -> str:
    """A file of this package, as text."""
    return files("isofield.report").joinpath(name).read_text(encoding="utf-8")


@cache
def three_js() -> str:
    """The three.js core (MIT licence) out of the viewer page that trimesh ships.

    The bundle comes first in the page's script; the controls and loaders behind it are not needed.
    """
    archive = files("trimesh").joinpath("resources/templates/viewer.zip").read_bytes()
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        page = opened.read("viewer.html.template").decode("utf-8")
    script = page[page.index("<script>") + len("<script>") :]
    return script[: script.index("(function(){const _changeEvent")]
