"""Meshes too fine for the memory: written piece by piece."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli.console import Advance
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.meshing import Meshing
    from isofield.scene import Scene


def check_streamed(args: "Meshing", output: Path, is_open: bool) -> None:
    """Nothing, if a mesh like that can be written piece by piece; raises InputError otherwise."""
    from isofield.extract.stream import bytes_of

    assert args.memory is not None
    bytes_of(args.memory)
    whole = {
        "--open": is_open,
        "--keep": args.keep != "all",
        "--faces": args.faces is not None,
        "--polish": args.polish > 0,
        "--texture": args.texture is not None,
    }
    searches = {"--certified": args.certified, "--mise": args.mise, "--sharp": args.sharp}
    if needing := [name for name, asked in whole.items() if asked]:
        raise InputError(f"{needing[0]} needs the whole mesh at once: leave it or --memory out")
    if others := [name for name, asked in searches.items() if asked]:
        raise InputError(f"{others[0]} does not work piece by piece: leave it or --memory out")
    if output.suffix.lower() != ".ply":
        raise InputError(f"{output} cannot be written piece by piece: with --memory, write a PLY")


def write_streamed(args: "Meshing", scene: "Scene", path: Path, advance: Advance) -> dict[str, Any]:
    """What the record says about the mesh, which is in the file then, in the user's frame.

    Every piece is closed by construction up to its seams, and these are welded: nothing is checked again.
    """
    import numpy as np

    from isofield.data.ply_writing import ply_stream
    from isofield.data.precision import needs_double
    from isofield.extract.stream import bytes_of, stream_mesh

    assert args.memory is not None
    assert scene.inside is not None
    world, box = scene.world_from_scene, scene.box
    pieces = 0
    corners = world.apply(np.stack([box.low, box.high]))
    with ply_stream(path, needs_double(corners)) as ply:
        for piece in stream_mesh(
            scene.inside,
            box,
            resolution=args.cells(scene),
            memory=bytes_of(args.memory),
            coarse=args.coarse(scene),
            colour=scene.colour,
            progress=lambda _, share: advance(share),
        ):
            ply.add(world.apply(piece.vertices), piece.faces, piece.colours)
            pieces += 1
    return {"is_closed": True, "vertices": ply.vertices, "faces": ply.faces, "pieces": pieces}
