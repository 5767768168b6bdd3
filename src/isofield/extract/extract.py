"""Any function of space -> the mesh of its zero surface."""

import warnings
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from isofield.errors import InputError
from isofield.extract.bricks import Bricks
from isofield.extract.certified import certified_search
from isofield.extract.components import Keep, keep_parts
from isofield.extract.dual import dual
from isofield.extract.lattice import Lattice
from isofield.extract.marching import march
from isofield.extract.mise import mise_surface
from isofield.extract.polish import polish as follow
from isofield.extract.project import field_normals, place_vertices
from isofield.extract.refine import DENSE, SEARCHED, depth, refine
from isofield.extract.sampler import Sampler, no_surface
from isofield.extract.simplify import simplify
from isofield.extract.stages import Progress, Stages
from isofield.geometry import Box, Mesh
from isofield.ops.query import query
from isofield.scene import Colour, Inside


def extract_mesh(
    inside: Inside,
    box: Box,
    *,
    resolution: int = 128,
    coarse: int | None = None,
    mise: bool = False,
    certified: bool = False,
    sharp: bool = False,
    colour: Colour | None = None,
    keep: Keep = "all",
    faces: int | None = None,
    polish: int = 0,
    normals: Literal["field", "faces"] | None = "field",
    project: int | None = None,
    closed: bool = True,
    progress: Progress | None = None,
) -> Mesh:
    """Zero surface of `inside` within the box, in the box's frame.

    Closed, 2-manifold, counter-clockwise seen from outside and the same bytes every time, for
    every finite field. Values of exactly zero count as inside. Memory and evaluations grow with
    the surface, not with the volume (with `mise` the original's bookkeeping is dense).

    Args:
        inside: Positive inside, zero on the surface; float32 points to values.
        box: Where to look.
        resolution: Cells along the longest edge of the box.
        coarse: Cells along the longest edge of the grid that is evaluated everywhere, at most
            128. If None, a grid of about 32 is searched, of which only those nodes are evaluated
            where the slopes seen on one of 16 could lead to another sign. Parts that are not connected
            to others and thinner than about one such cell may be missed.
        mise: Search as the original code of Occupancy Networks does, from `coarse` cells (32) split
            until there are `resolution`, along each edge of the box: to compare with.
        certified: Search by bounds of the network instead of samples: no part that holds a node of the
            grid is missed. Needs a field with `layers` (`isofield.ops.steps.Layered`).
        sharp: Keep edges that are sharp in the field, by dual contouring: one vertex per cell and sheet,
            where the planes at the crossed edges meet. Closed and 2-manifold, too; faces may intersect.
        colour: Asked at the final vertices, if given.
        keep: "all" parts, the "largest" solid, or those with at least this share of the area.
        faces: Simplify to about this many.
        polish: Steps of RMSprop by which the paper refines the vertices of the simplified mesh, 30 there.
            Each costs five to ten evaluations per face; `isofield.extract.polish` says more.
        normals: From the field's gradient, from the faces (for fields without a useful gradient),
            or none.
        project: Evaluations per vertex that move it onto the surface; 2 if None, with `mise` always 0.
        closed: Everything on and beyond the border of the box is outside, so shapes that leave
            the box are capped there; otherwise the surface ends open at the border.
        progress: Told how far the work is.

    Raises:
        InputError: The field never crosses zero, is not finite somewhere, shows no layers to certify,
            or has no gradient to polish by.
        ValueError: An argument is out of range or does not go with another; the message says which.
    """
    request = Request(inside, box, resolution, coarse, mise, certified, sharp, project, polish, closed)
    request.check()
    stages = Stages(progress, resolution, request.steps, normals == "field", polish)
    mesh, sampler = request.surface(stages)
    mesh = _simplified(keep_parts(mesh, keep), faces)
    if polish:
        stages.enter("refinement")
        mesh = follow(mesh, inside, steps=polish, report=stages.report).mesh
    stages.enter("normals")
    if normals is not None:
        found = field_normals(mesh, sampler) if normals == "field" else mesh.vertex_normals()
        mesh = replace(mesh, normals=found)
    if colour is not None:
        mesh = replace(mesh, colours=np.clip(query(colour, mesh.vertices), 0, 1).astype(np.float64))
    stages.enter("done")
    return mesh


def _simplified(mesh: Mesh, faces: int | None) -> Mesh:
    if faces is None:
        return mesh
    simplified = simplify(mesh, faces)
    if simplified.note:
        warnings.warn(simplified.note, stacklevel=3)
    return simplified.mesh


@dataclass(frozen=True)
class Request:
    """How the surface is to be found; the fields are the arguments of `extract_mesh`."""

    inside: Inside
    box: Box
    resolution: int
    coarse: int | None
    mise: bool
    certified: bool
    sharp: bool
    project: int | None
    polish: int
    closed: bool

    @property
    def steps(self) -> int:
        """Evaluations per vertex that move it onto the surface."""
        return (0 if self.mise else 2) if self.project is None else self.project

    def check(self) -> None:
        """Nothing, if the arguments are possible together; raises ValueError."""
        box, coarse = self.box, self.coarse or SEARCHED
        if not (np.isfinite(box.extent).all() and (box.extent > 0).all()):
            raise ValueError(f"the box from {box.low.tolist()} to {box.high.tolist()} has no volume")
        if self.resolution < 2:
            raise ValueError(f"the resolution is at least 2 cells, not {self.resolution}")
        if not 2 <= coarse <= DENSE:
            raise ValueError(
                f"the coarse grid has between 2 and {DENSE} cells along an edge, not {self.coarse}"
            )
        if self.polish < 0:
            raise ValueError(f"the vertices are refined in 0 or more steps, not {self.polish}")
        if self.mise and self.certified:
            raise ValueError("mise and certified are two ways to search; choose one")
        if self.mise and self.sharp:
            raise ValueError("mise reads its mesh by marching cubes; leave out sharp")
        if self.mise and (self.steps or not self.closed):
            raise ValueError("mise interpolates linearly and caps at the box: leave out project and closed")
        if self.certified and self.coarse is not None:
            raise ValueError("certified extraction has no coarse grid: leave out coarse")

    def surface(self, stages: Stages) -> tuple[Mesh, Sampler]:
        """The bare mesh, and what evaluates its field."""
        if self.mise:
            return mise_surface(self.inside, self.box, self.resolution, self.coarse or SEARCHED, stages)
        grid, sampler = (
            certified_search(self.inside, self.box, self.resolution, self.closed, stages)
            if self.certified
            else self._searched(stages)
        )
        stages.enter("surface")
        if self.sharp:
            mesh = dual(grid, sampler, self.steps)
        else:
            surface = march(grid)
            del grid
            mesh = Mesh(place_vertices(surface, sampler, self.steps), surface.faces.astype(np.int64))
        if not len(mesh.faces):
            raise InputError(no_surface(sampler))
        return mesh, sampler

    def _searched(self, stages: Stages) -> tuple[Bricks, Sampler]:
        """The grid around what a coarse one shows, predicted from level to level."""
        levels, search = depth(self.resolution, self.coarse)
        top = levels + search
        stages.plan(
            [
                float((self.resolution >> top) ** 3),
                *(4 * stages.crossed / 4**k for k in reversed(range(top))),
            ]
        )
        sampler = Sampler(
            self.inside, Lattice.over(self.box, self.resolution, top), self.closed, stages.report
        )
        stages.enter("coarse grid")

        def finer(level: int, coarse: Bricks) -> None:
            stages.enter(f"refining to {-(-self.resolution >> level)}")

        return refine(sampler, levels, search, finer), sampler
