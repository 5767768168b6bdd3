"""Any function of space -> the mesh of its zero surface, piece by piece, within a given memory.

The pieces laid one after the other are the mesh that `extract_mesh` makes: the same vertices and faces,
byte for byte, however many pieces the memory asks for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import psutil
from jaxtyping import Float, Int

from isofield.errors import InputError
from isofield.extract.bricks import SIDE, Bricks
from isofield.extract.lattice import Lattice
from isofield.extract.layers import Layers
from isofield.extract.marching import Seam, march
from isofield.extract.project import place_vertices
from isofield.extract.refine import depth, refine_to
from isofield.extract.sampler import Sampler, no_surface
from isofield.extract.stages import Progress, Stages
from isofield.geometry import Box
from isofield.ops.query import query
from isofield.scene import Colour, Inside

WHOLE = 6_000
"""Bytes that a brick of a level that is refined at once takes at most; measured."""
PER_BRICK = 20_000
"""Bytes that a brick of the finest grid takes while its surface is made; measured."""
KEPT = 1_000
"""Bytes that are kept of a brick between visits; measured."""
BATCHES = 150_000_000
"""Bytes of temporaries that do not grow with the pieces; measured."""


@dataclass(frozen=True)
class Piece:
    """Some layers of a mesh."""

    vertices: Float[np.ndarray, "v 3"]
    colours: Float[np.ndarray, "v 3"] | None
    """RGB in [0, 1]."""
    faces: Int[np.ndarray, "f 3"]
    """Vertices by their number among those of all pieces; they are of this piece or the one before."""


def stream_mesh(
    inside: Inside,
    box: Box,
    *,
    resolution: int,
    memory: int,
    coarse: int | None = None,
    colour: Colour | None = None,
    project: int = 2,
    closed: bool = True,
    progress: Progress | None = None,
) -> Iterator[Piece]:
    """Zero surface of `inside` within the box, in the box's frame, along the x axis.

    There are no normals (six evaluations per vertex), and nothing that needs the whole mesh.

    Args:
        inside: Positive inside, zero on the surface; float32 points to values.
        box: Where to look.
        resolution: Cells along the longest edge of the box.
        memory: Bytes that the process may take, all that it holds already included.
        coarse: As in `extract_mesh`.
        colour: Asked at the vertices, if given.
        project: Evaluations per vertex that move it onto the surface.
        closed: As in `extract_mesh`.
        progress: Told how far the work is.

    Raises:
        InputError: The field never crosses zero or is not finite somewhere, or the memory is too little.
    """
    levels, search = depth(resolution, coarse)
    if not levels:
        raise InputError(f"{resolution} cells along an edge fit into any memory: leave the memory out")
    top = levels + search
    stages = Stages(progress, resolution, project, gradients=False)
    stages.plan([float((resolution >> top) ** 3), *(4 * stages.crossed / 4**k for k in reversed(range(top)))])
    sampler = Sampler(inside, Lattice.over(box, resolution, top), closed, stages.report)
    stages.enter("coarse grid")

    def finer(level: int, coarse: Bricks) -> None:
        missing = 4 * len(coarse.corners) * WHOLE - _room(memory)
        if missing > 0:
            raise InputError(_too_little(memory, missing))
        stages.enter(f"refining to {-(-resolution >> level)}")

    pyramid = refine_to(sampler, levels, search, 1, finer)
    stages.enter(f"refining to {resolution}")
    layers = Layers(sampler, pyramid, coarsest=levels == 1)
    parts = partition(layers.counts, _room(memory), memory)
    layers.settle(parts)
    if not sampler.low < 0 <= sampler.high:
        raise InputError(no_surface(sampler))
    stages.enter("surface")
    sampler.report = lambda share: None
    yield from _pieces(sampler, layers, parts, colour, project, stages)
    stages.enter("done")


def _room(memory: int) -> int:
    """Bytes that the process may still take."""
    return memory - BATCHES - psutil.Process().memory_info().rss


def partition(counts: Int[np.ndarray, " l"], room: int, memory: int = 0) -> list[range]:
    """Layers to work on at a time: as many as fit into so many bytes, those beside them included.

    Args:
        counts: Bricks of each layer.
        room: Bytes that are left.
        memory: What was given in all, for the message.

    Raises:
        InputError: A single one does not.
    """
    beside = np.concatenate([[0], counts, [0]])
    room -= KEPT * int(counts.sum())
    least = PER_BRICK * int((beside[:-2] + beside[1:-1] + beside[2:]).max(initial=0))
    if least > room:
        raise InputError(_too_little(memory, least - room))
    parts, start = [], 0
    for end in range(1, len(counts) + 1):
        bricks = int(beside[start : end + 3].sum())
        if end == len(counts) or PER_BRICK * bricks > room:
            parts.append(range(start, end))
            start = end
    return parts


def _too_little(memory: int, missing: int) -> str:
    # Coarser levels only hint at what finer ones will need: somewhat more than is missing now.
    enough = np.ceil(12.5 * (memory + missing) / 1e9) / 10
    given = f"{memory / 1e9:.3g} GB are too little for so fine a mesh"
    return f"{given}: give at least {enough:.1f}GB, or fewer cells"


def _pieces(
    sampler: Sampler, layers: Layers, parts: list[range], colour: Colour | None, project: int, stages: Stages
) -> Iterator[Piece]:
    """The surface of settled layers. Nothing of a piece stays but its seam."""
    seam = Sewn(Seam.none(), np.zeros(0, np.int64), np.zeros((0, 3)))
    made = 0
    for part in parts:
        surface = march(layers.grid(part), seam.edges)
        layers.forget()
        vertices = place_vertices(surface, sampler, project, seam.places)
        own = made + np.arange(len(vertices))
        faces = np.concatenate([own, seam.numbers]).astype(np.int32).take(surface.faces)
        edges, rows = surface.seam(part.stop * SIDE - 1)
        seam, made = Sewn(edges, own[rows], vertices[rows]), made + len(vertices)
        del surface, own
        yield Piece(vertices, _colours(colour, vertices), faces)
        del vertices, faces
        stages.report(part.stop / len(layers.layers))


@dataclass(frozen=True)
class Sewn:
    """Where the next piece goes on."""

    edges: Seam
    numbers: Int[np.ndarray, " s"]
    """Vertices on these edges, by their number among all."""
    places: Float[np.ndarray, "s 3"]


def _colours(colour: Colour | None, vertices: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"] | None:
    if colour is None or not len(vertices):
        return None
    return np.clip(query(colour, vertices), 0, 1).astype(np.float64)


def bytes_of(text: str) -> int:
    """How many bytes "2GB", "1.5 GB", "800MB" or "2e9" are; nobody means less than a megabyte.

    Raises:
        InputError: The text is no size.
    """
    units = {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "mib": 2.0**20, "gib": 2.0**30}
    found = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([a-z]*)\s*", text.lower())
    try:
        if found and 1e6 <= (size := float(found[1]) * units[found[2]]) < 1e18:
            return int(size)
    except (ValueError, KeyError):
        pass
    raise InputError(f"--memory {text} is not a size; give one like 2GB or 800MB")
