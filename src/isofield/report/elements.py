"""Shape elements as ellipsoids: one deviation of each Gaussian, in the frame of the mesh."""

import colorsys
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from isofield.geometry import Mesh, Similarity

GOLDEN = 0.618034
"""Share of the colour circle between one element and the next: neighbours differ."""


def ellipsoids(found: Mapping[str, Any]) -> Mesh | None:
    """One mesh of all ellipsoids, a colour for each element and its mirror image; None without elements.

    Args:
        found: Record of a reconstruction, with the elements in its notes.
    """
    elements = found.get("notes", {}).get("elements")
    if not elements:
        return None
    from trimesh.creation import icosphere

    ball = icosphere(subdivisions=2)
    around, count = np.asarray(ball.vertices), len(ball.vertices)
    centres, radii, turns, colours = _all(elements)
    vertices = centres[:, None] + (around * radii[:, None]) @ turns.swapaxes(1, 2)
    normals = (around / np.maximum(radii, 1e-9)[:, None]) @ turns.swapaxes(1, 2)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    outwards = ball.faces[None] + count * np.arange(len(centres))[:, None, None]
    mirrored = np.linalg.det(turns) < 0  # a reflection turns triangles inside out
    outwards[mirrored] = outwards[mirrored][..., ::-1]
    mesh = Mesh(
        vertices.reshape(-1, 3),
        outwards.reshape(-1, 3),
        normals.reshape(-1, 3),
        colours.repeat(count, axis=0),
    )
    return mesh.transformed(_world_from_scene(found))


def in_words(elements: Mapping[str, Any]) -> str:
    """How many elements there are."""
    mirrored = elements["symmetric"]
    more = f", {mirrored} of them mirrored along {elements['axis']}" if mirrored else ""
    return f"{len(elements['centres'])}{more}"


def _all(
    elements: Mapping[str, Any],
) -> tuple[
    Float[np.ndarray, "e 3"], Float[np.ndarray, "e 3"], Float[np.ndarray, "e 3 3"], Float[np.ndarray, "e 3"]
]:
    """Centres, radii, rotations and colours, mirrored elements last."""
    centres, radii, turns = (np.asarray(elements[name]) for name in ("centres", "radii", "rotations"))
    hues = (GOLDEN * np.arange(len(centres))) % 1
    colours = np.array([colorsys.hls_to_rgb(hue, 0.62, 0.55) for hue in hues])
    side = np.ones(3)
    side["xyz".index(elements["axis"])] = -1
    first = slice(elements["symmetric"])
    return (
        np.concatenate([centres, centres[first] * side]),
        np.concatenate([radii, radii[first]]),
        np.concatenate([turns, turns[first] * side[:, None]]),
        np.concatenate([colours, colours[first]]),
    )


def _world_from_scene(found: Mapping[str, Any]) -> Similarity:
    known = found.get("normalisation", {}).get("world_from_scene")
    if known is None:
        return Similarity()
    return Similarity(known["scale"], np.asarray(known["rotation"]), np.asarray(known["translation"]))
