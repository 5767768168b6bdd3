"""Any function of space -> the mesh of its zero surface."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from isofield.errors import InputError
from isofield.extract.components import Keep, keep_parts
from isofield.extract.lattice import Lattice
from isofield.extract.marching import march
from isofield.extract.project import field_normals, place_vertices
from isofield.extract.refine import refine
from isofield.extract.sampler import Sampler, no_surface
from isofield.extract.simplify import simplify
from isofield.geometry import Box, Mesh
from isofield.ops.query import query
from isofield.scene import Colour, Inside

Progress = Callable[[str, float], None]
"""Called with the name of the stage and the share of the whole extraction that is done."""
SEARCHED = 32
"""Cells along an edge of the grid that is searched for parts."""
DENSE = 128
"""Most cells along an edge of a grid that is evaluated everywhere."""


def extract_mesh(
    inside: Inside,
    box: Box,
    *,
    resolution: int = 128,
    coarse: int | None = None,
    colour: Colour | None = None,
    keep: Keep = "all",
    faces: int | None = None,
    normals: Literal["field", "faces"] | None = "field",
    project: int = 2,
    closed: bool = True,
    progress: Progress | None = None,
) -> Mesh:
    """Zero surface of `inside` within the box, in the box's frame.

    Closed, 2-manifold, counter-clockwise seen from outside and the same bytes every time, for
    every finite field. Values of exactly zero count as inside. Memory and evaluations grow with
    the surface, not with the volume.

    Args:
        inside: Positive inside, zero on the surface; float32 points to values.
        box: Where to look.
        resolution: Cells along the longest edge of the box.
        coarse: Cells along the longest edge of the grid that is evaluated everywhere, at most
            128. If None, a grid of about 32 is searched, of which only those nodes are evaluated
            where the slopes seen on one of 16 could lead to another sign. Parts that are not connected
            to others and thinner than about one such cell may be missed.
        colour: Asked at the final vertices, if given.
        keep: "all" parts, the "largest" solid, or those with at least this share of the area.
        faces: Simplify to about this many.
        normals: From the field's gradient, from the faces (for fields without a useful gradient),
            or none.
        project: Evaluations per vertex that move it onto the surface.
        closed: Everything on and beyond the border of the box is outside, so shapes that leave
            the box are capped there; otherwise the surface ends open at the border.
        progress: Told how far the work is.

    Raises:
        InputError: The field never crosses zero, or is not finite somewhere.
        ValueError: An argument is out of range; the message says which.
    """
    search = coarse is None
    coarse = coarse or SEARCHED
    _check(box, resolution, coarse)
    levels = max(0, round(np.log2(resolution / coarse)))
    while -(-resolution >> levels) > DENSE:
        levels += 1
    search &= resolution >= SEARCHED // 2
    top = levels + search
    stages = Stages(progress, top, resolution, project, normals == "field")
    sampler = Sampler(inside, Lattice.over(box, resolution, top), closed, stages.report)

    stages.enter("coarse grid")
    grid = refine(
        sampler, levels, search, lambda level: stages.enter(f"refining to {-(-resolution >> level)}")
    )
    surface = march(grid)
    del grid
    if not len(surface.faces):
        raise InputError(no_surface(sampler))
    stages.enter("surface")
    mesh = keep_parts(Mesh(place_vertices(surface, sampler, project), surface.faces), keep)
    if faces is not None:
        simplified = simplify(mesh, faces)
        mesh = simplified.mesh
        if simplified.note:
            warnings.warn(simplified.note, stacklevel=2)
    stages.enter("normals")
    if normals is not None:
        mesh = replace(
            mesh, normals=field_normals(mesh, sampler) if normals == "field" else mesh.vertex_normals()
        )
    if colour is not None:
        mesh = replace(mesh, colours=np.clip(query(colour, mesh.vertices), 0, 1).astype(np.float64))
    stages.enter("done")
    return mesh


def _check(box: Box, resolution: int, coarse: int) -> None:
    if not (np.isfinite(box.extent).all() and (box.extent > 0).all()):
        raise ValueError(f"the box from {box.low.tolist()} to {box.high.tolist()} has no volume")
    if resolution < 2:
        raise ValueError(f"the resolution is at least 2 cells, not {resolution}")
    if not 2 <= coarse <= DENSE:
        raise ValueError(f"the coarse grid has between 2 and {DENSE} cells along an edge, not {coarse}")


class Stages:
    """Turns progress within stages into a share of all work, by the evaluations each will need.

    A surface crosses some 3 n^2 cells of an n^3 grid; splitting to n evaluates about four times
    that, each step of projection one point per vertex, normals six.
    """

    def __init__(
        self, progress: Progress | None, levels: int, resolution: int, project: int, gradients: bool
    ) -> None:
        self.progress = progress
        crossed = 3.0 * resolution**2
        work = [float((resolution >> levels) ** 3)] + [4 * crossed / 4**k for k in reversed(range(levels))]
        work += [(project + 1) * crossed, 6 * crossed if gradients else crossed]
        self.ends = np.cumsum([0.0, *work]) / sum(work)
        self.stage, self.name, self.done = -1, "", 0.0

    def enter(self, name: str) -> None:
        self.stage, self.name = self.stage + 1, name
        self._tell(0.0)

    def report(self, share: float) -> None:
        """`share` of the current stage is done."""
        self._tell(share)

    def _tell(self, share: float) -> None:
        if self.progress:
            begin, end = self.ends[self.stage], self.ends[min(self.stage + 1, len(self.ends) - 1)]
            # Following the surface begins anew several times within a stage.
            self.done = max(self.done, float(begin + share * (end - begin)))
            self.progress(self.name, self.done)
