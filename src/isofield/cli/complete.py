"""`isofield complete SCAN`: what a scan of one side is a part of."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.cli.outcome import checks
from isofield.cli.paths import Paths, check_readable, check_writable
from isofield.cli.run_record import run_record, typed, write_record
from isofield.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from isofield.geometry import Mesh
    from isofield.systems.completion import Completed
    from isofield.systems.deepsdf import DeepSDF

SEEN, IMAGINED = (0.36, 0.56, 0.71), (0.90, 0.62, 0.36)
"""Colours of the two parts of the mesh."""
NEAR = 0.03
"""What lies as near as this to the scan was seen; the longest edge of the scan is 1."""


@dataclass(frozen=True)
class Complete:
    """Turn a scan of one side into a whole: a network that knows a kind of shapes imagines what was not seen.

    Size, place and direction of the whole are found along with its shape; which way is up must be known. In
    the mesh, what the scan supports is blue, what is imagined is orange; `--colour none` leaves them out. The
    network that comes with isofield knows seats: chairs, stools, benches and sofas.
    """

    scan: Annotated[Path, tyro.conf.Positional]
    """Points of one side of an object, with normals if there are any: whatever `reconstruct` reads."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None
    """Mesh to write: GLB, PLY, OBJ, STL or OFF. Beside the scan, as NAME.complete.glb, if left out."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Weights of a DeepSDF, instead of those that come with isofield."""
    sensor: Annotated[str | None, tyro.conf.arg(metavar="X,Y,Z")] = None
    """Where the scanner stood, in the frame of the scan: what lies between is free."""
    up: str = "y"
    """Which axis of the scan points up: x, y or z."""
    yaws: int = 4
    """Ways the whole may look, to start from; 1 if the scan looks as the training shapes do (front to +z)."""
    resolution: Annotated[int, tyro.conf.arg(metavar="CELLS")] = 128
    """Cells along the longest edge of the network's box."""
    colour: str = "parts"
    """Colour the mesh by its parts, seen and imagined, or not: parts or none."""
    common: Options = field(default_factory=Options)


def run(args: Complete) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    paths = _check(args)
    console = Console(
        {"read": 0.2, "start": 2, "complete": 60, "extract": 3},
        json=args.common.json,
        quiet=args.common.quiet,
    )
    with console.stage("read"):
        cloud = _read(args, console)
    with console.stage("start"):
        system = _system(args.weights)
    from isofield.systems.completion import CompletionConfig, complete

    config = CompletionConfig(yaws=args.yaws, up=args.up, seed=args.common.seed)
    with console.stage("complete") as advance:
        found = complete(system, cloud, config, advance)
    with console.stage("extract"):
        mesh, seen = _mesh(args, found)
    with console.stage("write"):
        from isofield.data import write_mesh

        write_mesh(paths.mesh, mesh)
    _warn(found.error / found.edge, float(seen.mean()), console)
    _finish(args, paths, found, mesh, float(seen.mean()), console)
    return 0


def _check(args: Complete) -> Paths:
    """Where results go; every fault of the words is found here, before any work."""
    check_readable(args.scan)
    if args.weights is not None:
        check_readable(args.weights)
    if args.up not in ("x", "y", "z"):
        raise InputError(f"--up {args.up} is no axis; give x, y or z")
    if args.colour not in ("parts", "none"):
        raise InputError(f"--colour {args.colour} is neither parts nor none")
    if not 1 <= args.yaws <= 36:
        raise InputError(f"--yaws {args.yaws} is out of range; give 1 to 36")
    if not 8 <= args.resolution <= 1024:
        raise InputError(f"--resolution {args.resolution} is out of range; give 8 to 1024 cells")
    return check_writable(args.output or args.scan.with_suffix(".complete.glb"), args.scan)


def _read(args: Complete, console: Console) -> Any:
    """The scan with its sensor."""
    import numpy as np

    from isofield.cli.seen import kind_of, see, sensor_place

    if kind_of(args.scan) != "points":
        raise InputError(f"{args.scan} holds no points; completion needs a scan")
    place = sensor_place(args.sensor)
    seen = see(args.scan, args.common.seed)
    for sentence in seen.warnings:
        console.warn(sentence)
    cloud: Any = seen.observation
    if place is not None:
        return replace(cloud, sensors=np.tile(place, (len(cloud), 1)))
    if cloud.normals is None and cloud.sensors is None:
        console.warn("neither normals nor --sensor tell which side of the scan is outside: it is guessed")
    return cloud


def _system(weights: Path | None) -> "DeepSDF":
    from isofield.systems.deepsdf import DeepSDF
    from isofield.systems.stored import load_system, ready_system

    system = ready_system("deepsdf") if weights is None else load_system(weights, "deepsdf")
    assert isinstance(system, DeepSDF)
    return system


def _mesh(args: Complete, found: "Completed") -> "tuple[Mesh, Float[np.ndarray, ' v']]":
    """The mesh in the user's frame, and for each vertex whether it was seen."""
    import numpy as np

    from isofield.extract import extract_mesh

    scene = found.scene
    assert scene.inside is not None
    try:
        mesh = extract_mesh(scene.inside, scene.box, resolution=args.resolution, normals="faces")
    except InputError:
        raise InputError(
            f"{args.scan}: the network finds no shape that suits this scan; is it of a kind that it knows,"
            f" and is --up {args.up} right?"
        ) from None
    mesh = mesh.transformed(scene.world_from_scene)
    seen = seen_vertices(mesh, found)
    if args.colour == "parts":
        colours = np.where(seen[:, None], np.array(SEEN), np.array(IMAGINED))
        mesh = replace(mesh, colours=colours)
    return mesh, seen


def seen_vertices(mesh: "Mesh", found: "Completed") -> "Float[np.ndarray, ' v']":
    """Which vertices lie beside the scan."""
    from scipy.spatial import cKDTree

    return cKDTree(found.scan.points).query(mesh.vertices)[0] < NEAR * found.edge


def _warn(error: float, share: float, console: Console) -> None:
    """What the fit says about its own worth."""
    if error > 0.02:
        console.warn(
            f"the shape misses the scan by {100 * error:.1f} % of its longest edge: the network may not know"
            " shapes of this kind, or --up is wrong"
        )
    if share < 0.1:
        console.warn(f"only {100 * share:.0f} % of the surface was seen: most of it is imagined")


def _finish(
    args: Complete, paths: Paths, found: "Completed", mesh: "Mesh", share: float, console: Console
) -> None:
    checked = checks(mesh)
    record = run_record(
        typed("complete", [str(args.scan)], (args, args.common), omit=("scan",)),
        seed=args.common.seed,
        threads=args.common.thread_count,
        timings=console.timings,
        warnings=console.warnings,
        inputs=[args.scan],
        outputs=[paths.mesh],
        system="deepsdf",
        mesh=checked,
        error=found.error,
        seen=share,
        notes=dict(found.scene.notes),
    )
    write_record(paths.record, record)
    rows = {
        "mesh": str(paths.mesh),
        "record": str(paths.record),
        "closed": "yes" if checked["is_closed"] else "no",
        "seen": f"{100 * share:.0f} % of the vertices, the others are imagined",
        "error": f"{found.error:.4g} in the scan's units, {100 * found.error / found.edge:.2f} % of its edge",
        "seconds": f"{sum(console.timings.values()):.1f}",
    }
    console.finish(f"{args.scan.name} is completed", rows, record)
