"""How `isofield reconstruct` reads a mesh out of a scene."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from isofield.cli.console import Advance, Console
from isofield.cli.streamed import check_streamed
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.geometry import Mesh
    from isofield.scene import Scene

FINE, THIN = 256, 64
"""From so many cells on, so many are evaluated everywhere: what asks for fine meshes has thin parts."""
TEXTURED = (".glb", ".obj")
"""Formats of meshes that have room for a picture."""
TEXELS = 2.0
"""Texels to the edge of a cell, where no size is asked for."""


@dataclass(frozen=True)
class Meshing:
    """What the mesh is to be like."""

    resolution: Annotated[int | None, tyro.conf.arg(metavar="CELLS")] = None
    """Cells along the longest edge; chosen from the spacing of the points if left out."""
    voxel: Annotated[float | None, tyro.conf.arg(metavar="LENGTH")] = None
    """Edge of one cell in the units of the scan, instead of --resolution."""
    faces: Annotated[int | None, tyro.conf.arg(metavar="COUNT")] = None
    """Simplify the mesh to about this many triangles."""
    keep: str = "all"
    """Pieces to keep: all, largest, or the least share of the largest piece, such as 0.01."""
    certified: bool = False
    """Networks in NPZ files and occupancy networks: miss no part, however small, by bounds on the network."""
    mise: bool = False
    """Search for the surface as the original code of Occupancy Networks does; slower, to compare with."""
    sharp: bool = False
    """Keep edges that are sharp in the field, by dual contouring; triangles may intersect there."""
    polish: Annotated[int, tyro.conf.arg(metavar="STEPS")] = 0
    """Refine the vertices along the field's gradient as Occupancy Networks do, 30 steps in the paper; each
    costs several evaluations per triangle."""
    memory: Annotated[str | None, tyro.conf.arg(metavar="SIZE")] = None
    """For very fine meshes: work piece by piece and take no more than SIZE, such as 2GB, in all; PLY only,
    without normals and report."""
    texture: Annotated[tuple[int, ...] | None, tyro.conf.arg(metavar="[SIZE]")] = None
    """Bake the colours into a picture of SIZE x SIZE texels (GLB, OBJ); two texels to a cell without SIZE."""

    def check(self, output: Path, is_open: bool) -> None:
        """Nothing, if all of it is possible; raises InputError with one sentence otherwise."""
        self._check_cells()
        if self.faces is not None and self.faces < 4:
            raise InputError(f"--faces {self.faces} is too few; a closed mesh has at least 4")
        kept(self.keep)
        self._check_search(is_open)
        if not 0 <= self.polish <= 1000:
            raise InputError(f"--polish {self.polish} is out of range; give 1 to 1000 steps, 30 in the paper")
        self._check_texture(output)
        if self.memory is not None:
            check_streamed(self, output, is_open)

    def _check_cells(self) -> None:
        if self.resolution is not None and self.voxel is not None:
            raise InputError("--resolution and --voxel say the same thing twice; give one of them")
        if self.resolution is not None and not 8 <= self.resolution <= 4096:
            raise InputError(f"--resolution {self.resolution} is out of range; give 8 to 4096 cells")
        if self.voxel is not None and not self.voxel > 0:
            raise InputError(
                f"--voxel {self.voxel} is not a length; give a positive number in the scan's units"
            )

    def _check_search(self, is_open: bool) -> None:
        if self.certified and self.mise:
            raise InputError(
                "--certified and --mise are two ways to search for the surface; give one of them"
            )
        if self.certified and self.faces is not None:
            raise InputError("--certified and --faces exclude each other: simplifying may lose small parts")
        if self.mise and self.sharp:
            raise InputError("--mise and --sharp exclude each other: the original knows marching cubes only")
        if self.mise and is_open:
            raise InputError("--mise closes every surface; leave out --open")

    def _check_texture(self, output: Path) -> None:
        if self.texture is None:
            return
        if len(self.texture) > 1:
            said = " ".join(map(str, self.texture))
            raise InputError(f"--texture {said} is more than one size; the picture is square")
        if self.texture and not 64 <= self.texture[0] <= 8192:
            raise InputError(f"--texture {self.texture[0]} is out of range; give 64 to 8192 texels")
        if output.suffix.lower() not in TEXTURED:
            raise InputError(f"{output} has no room for a --texture; write a mesh as {' or '.join(TEXTURED)}")

    def coarse(self, scene: "Scene") -> int | None:
        """Cells along the longest edge of the grid that is evaluated everywhere; None for the default."""
        searched = not (self.mise or self.certified)
        return THIN if self.cells(scene) >= FINE and searched else None

    def cells(self, scene: "Scene") -> int:
        """Cells along the longest edge."""
        if self.voxel is None:
            return self.resolution or scene.resolution
        longest = float(scene.box.extent.max()) * scene.world_from_scene.scale
        cells = round(longest / self.voxel)
        if not 8 <= cells <= 4096:
            raise InputError(
                f"--voxel {self.voxel:g} makes {cells} cells along the longest edge ({longest:.4g}); "
                f"give a length between {longest / 4096:.3g} and {longest / 8:.3g}"
            )
        return cells


def kept(text: str) -> Literal["all", "largest"] | float:
    """What --keep says; raises InputError if it says nothing."""
    if text == "all":
        return "all"
    if text == "largest":
        return "largest"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"--keep {text} is neither all, largest nor a share between 0 and 1")
    return share


def check_scene(args: Meshing, scene: "Scene", uncoloured: str) -> None:
    """Nothing, if the scene offers what is asked for.

    Args:
        args: What is asked for.
        scene: What the system has found.
        uncoloured: Why it has no colours, if it has none.

    Raises:
        InputError: It has no surface, no colour for a texture, or no layers to certify.
    """
    from isofield.ops.steps import Layered

    if scene.inside is None:
        raise InputError("this system offers no surface; choose another --system")
    if args.certified and not isinstance(scene.inside, Layered):
        raise InputError(
            "--certified needs a network whose layers are known: a field file or an occupancy network"
        )
    if args.mise and args.cells(scene) > 512:
        raise InputError(
            f"--mise keeps dense arrays and ends at 512 cells, not {args.cells(scene)}; give --resolution 512"
        )
    if args.texture is not None and scene.colour is None:
        raise InputError(f"--texture needs colours, and {uncoloured}")


def extracted(args: Meshing, scene: "Scene", is_open: bool, console: Console, advance: Advance) -> "Mesh":
    """The mesh in the scene's frame, with colours where the scene has them."""
    from isofield.extract import extract_mesh

    if scene.inside is None and scene.mesh is not None:
        return scene.mesh
    assert scene.inside is not None
    resolution = args.cells(scene)
    choices: dict[str, Any] = {
        "mise": args.mise,
        "certified": args.certified,
        "sharp": args.sharp,
        "polish": args.polish,
    }
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", UserWarning)
        mesh = extract_mesh(
            scene.inside,
            scene.box,
            resolution=resolution,
            coarse=args.coarse(scene),
            colour=scene.colour,
            keep=kept(args.keep),
            faces=args.faces,
            normals="faces",
            closed=not is_open,
            progress=lambda _, share: advance(share),
            **choices,
        )
    for note in noted:
        console.warn(str(note.message))
    return supported(mesh, scene, resolution) if is_open else mesh


def textured(args: Meshing, mesh: "Mesh", scene: "Scene", console: Console) -> "Mesh":
    """The mesh, in the scene's frame, with its colours baked into a picture."""
    from isofield.extract.texture import bake_texture

    assert args.texture is not None
    assert scene.colour is not None
    texel = float(scene.box.extent.max()) / args.cells(scene) / TEXELS
    baked = bake_texture(mesh, scene.colour, args.texture[0] if args.texture else None, texel=texel)
    if baked.note:
        console.warn(baked.note)
    return baked.mesh


def supported(mesh: "Mesh", scene: "Scene", resolution: int) -> "Mesh":
    """The part of the mesh that has points near it."""
    from isofield.extract.trim import trim
    from isofield.ops.query import query

    if scene.confidence is None:
        raise InputError("this system does not know where the scan has no points; leave out --open")
    support = query(scene.confidence, mesh.vertices).astype(float)
    mesh = trim(mesh, support, float(scene.box.extent.max()) / resolution)
    if not len(mesh.faces):
        raise InputError("the scan supports no part of the surface; leave out --open")
    return mesh
