"""`isofield reconstruct`: what was seen becomes a mesh; a scan's in its own frame and units."""

import math
import shlex
import warnings
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from isofield.cli.console import Advance, Console
from isofield.cli.options import Options
from isofield.cli.outcome import findings, table
from isofield.cli.paths import Paths, check_readable, check_writable
from isofield.cli.run_record import run_record, write_record
from isofield.cli.seen import Seen, see
from isofield.cli.terrain import seen_from_above
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.geometry import Mesh
    from isofield.observation import PointCloud
    from isofield.scene import Scene
    from isofield.system import System

GUESSES = {"read": 0.1, "start": 1.5, "reconstruct": 1.5, "extract": 1.0, "write": 0.1, "report": 0.4}
"""Seconds per stage for a few thousand points, for the time to go before anything is known."""
FINE, THIN = 256, 64
"""From so many cells on, so many are evaluated everywhere: what asks for fine meshes has thin parts."""
SECONDS_PER_POINT = 8e-5
MOST_SECONDS = 50.0
"""Solving grows with the points until they are as many as the resolution can use."""

AUTO, AUTO_OPEN = "indicator", "gauss"
"""The systems that `--system auto` takes: the best by the project's own benchmark for closed objects;
what has learnt from solids takes a single sheet of terrain for a thin board with two sides."""


@dataclass(frozen=True)
class Reconstruct:
    """Turn a scan, a picture, voxels or a field's network into a mesh.

    The mesh of a scan comes back in its frame and units, that of a picture upright in the unit box; beside
    it a report that opens in any browser and a record of the run.
    """

    scan: Annotated[Path, tyro.conf.Positional]
    """Points (PLY, PCD, XYZ, TXT, CSV, NPY, NPZ, LAS, LAZ, any mesh), a picture (PNG, JPEG, WebP), voxels
    (BINVOX), or the layers of a signed distance network (NPZ)."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None
    """Mesh to write: GLB, PLY, OBJ, STL or OFF. Beside the scan, as NAME.mesh.glb, if left out."""
    system: str = "auto"
    """Which system reconstructs; auto takes the one that measures best for the input."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Weights from `isofield train` or `isofield convert`, instead of those that come with isofield."""
    resolution: Annotated[int | None, tyro.conf.arg(metavar="CELLS")] = None
    """Cells along the longest edge; chosen from the spacing of the points if left out."""
    voxel: Annotated[float | None, tyro.conf.arg(metavar="LENGTH")] = None
    """Edge of one cell in the units of the scan, instead of --resolution."""
    closed: bool = False
    """A closed surface: the default."""
    open: bool = False
    """Cut the surface off where the scan has no points, for terrain, rooms and partial scans."""
    faces: Annotated[int | None, tyro.conf.arg(metavar="COUNT")] = None
    """Simplify the mesh to about this many triangles."""
    keep: str = "all"
    """Pieces to keep: all, largest, or the least share of the largest piece, such as 0.01."""
    sensor: Annotated[str | None, tyro.conf.arg(metavar="X,Y,Z")] = None
    """Where the one scanner stood, in the frame of the scan: that side of the surface is outside."""
    certified: bool = False
    """Networks in NPZ files and occupancy networks: miss no part, however small, by bounds on the network."""
    up: Literal["auto", "x", "y", "z"] = "auto"
    """Which axis of the scan points up: for the views in the report, and for terrain with --open."""
    no_report: bool = False
    """Write no report.html."""
    common: Options = field(default_factory=Options)


def run(args: Reconstruct) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    paths = _check_arguments(args)
    console = Console(GUESSES, json=args.common.json, quiet=args.common.quiet)
    with console.stage("read"):
        seen = _read(args, console)
    with console.stage("start"):
        name, system = _system(args, seen)
    with console.stage("reconstruct"):
        scene = _scene(seen, system)
    with console.stage("extract") as advance:
        mesh, resolution = _extract(args, scene, console, advance)
    with console.stage("write"):
        from isofield.data import write_mesh

        write_mesh(paths.mesh, mesh)
    found = {**findings(name, seen, scene, mesh, resolution), "open": args.open}
    if not (args.open or found["mesh"]["is_closed"]):
        console.warn("the mesh is not closed: the report says which edges are open")
    if not args.no_report:
        with console.stage("report"):
            found["distances"] = _write_report(paths, args, seen, mesh, found, console)
    _finish(args, paths, found, console)
    return 0


def _check_arguments(args: Reconstruct) -> Paths:
    """Where results go; every fault of the words is found here, before any work."""
    from isofield.systems import SYSTEMS

    if args.system not in ("auto", *SYSTEMS):
        raise InputError(f"there is no system {args.system!r}; choose auto or one of {', '.join(SYSTEMS)}")
    if args.resolution is not None and args.voxel is not None:
        raise InputError("--resolution and --voxel say the same thing twice; give one of them")
    if args.closed and args.open:
        raise InputError("--closed and --open exclude each other; give one of them")
    if args.resolution is not None and not 8 <= args.resolution <= 4096:
        raise InputError(f"--resolution {args.resolution} is out of range; give 8 to 4096 cells")
    if args.voxel is not None and not args.voxel > 0:
        raise InputError(f"--voxel {args.voxel} is not a length; give a positive number in the scan's units")
    if args.faces is not None and args.faces < 4:
        raise InputError(f"--faces {args.faces} is too few; a closed mesh has at least 4")
    _keep(args.keep)
    _sensor(args.sensor)
    check_readable(args.scan)
    if args.weights is not None:
        check_readable(args.weights)
    output = args.output if args.output is not None else args.scan.with_suffix(".mesh.glb")
    return check_writable(output, args.scan)


def _keep(text: str) -> Literal["all", "largest"] | float:
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


def _sensor(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        place = tuple(float(word) for word in text.split(","))
    except ValueError:
        place = ()
    if len(place) != 3 or not all(map(math.isfinite, place)):
        raise InputError(f"--sensor {text} is not a place; give three numbers like 0,0,1.6")
    return place


def _read(args: Reconstruct, console: Console) -> Seen:
    seen = see(args.scan, args.common.seed)
    for sentence in seen.warnings:
        console.warn(sentence)
    if seen.kind != "points":
        if args.open:
            raise InputError("--open is for scans: it cuts off what no point supports")
        return seen
    cloud: Any = seen.observation
    console.expect("reconstruct", min(1.0 + SECONDS_PER_POINT * len(cloud), MOST_SECONDS))
    for sentence in concerns(cloud):
        console.warn(sentence)
    return replace(seen, observation=_placed(args, cloud, console))


def _placed(args: Reconstruct, cloud: "PointCloud", console: Console) -> "PointCloud":
    """The cloud with what the arguments say about where it was seen from."""
    import numpy as np

    if (place := _sensor(args.sensor)) is not None:
        return replace(cloud, sensors=np.tile(place, (len(cloud), 1)))
    if args.open and (terrain := seen_from_above(cloud, "z" if args.up == "auto" else args.up)):
        console.warn("one height at each place: taken for terrain, seen from above")
        return terrain
    return cloud


def concerns(cloud: "PointCloud") -> list[str]:
    """Sentences about what in the input's statistics suggests a poor result."""
    import numpy as np

    found = []
    if len(cloud) < 300:
        found.append(f"{len(cloud)} points are few: expect the outline of the shape, no detail")
    extent = np.ptp(cloud.points, axis=0)
    if extent.min() < 1e-3 * extent.max():
        found.append("the points lie almost in a plane: try --open for a surface without thickness")
    return found


def _system(args: Reconstruct, seen: Seen) -> "tuple[str, System | None]":
    """Name and system, ready to reconstruct; its draws begin at the seed. No system for fields."""
    import torch

    from isofield.systems.stored import load_system, name_of, ready_system

    torch.manual_seed(args.common.seed)
    if seen.kind == "field":
        if args.system != "auto" or args.weights is not None:
            raise InputError(f"{args.scan} is a shape already: leave out --system and --weights")
        return "field", None
    if args.weights is not None:
        system = load_system(args.weights, None if args.system == "auto" else args.system)
        return name_of(system), system
    name = args.system if args.system != "auto" else automatic(seen.kind, args.open)
    return name, ready_system(name, seen.kind)


def automatic(kind: str, is_open: bool) -> str:
    """The system that is best for a kind of input."""
    if kind == "points":
        return AUTO_OPEN if is_open else AUTO
    return {"image": "onet", "voxels": "gauss"}[kind]


def _scene(seen: Seen, system: "System | None") -> "Scene":
    """What the system sees in the observation; voxels are points to systems that see points."""
    from isofield.observation import Voxels

    if system is None:
        assert seen.scene is not None
        return seen.scene
    if isinstance(seen.observation, Voxels) and system.wants is not Voxels:
        return system.reconstruct(seen.cloud)
    return system.reconstruct(seen.observation)


def _extract(args: Reconstruct, scene: "Scene", console: Console, advance: Advance) -> "tuple[Mesh, int]":
    """The mesh in the user's frame, and the cells along the longest edge it was made with."""
    from isofield.extract import extract_mesh

    if scene.inside is None:
        raise InputError("this system offers no surface for points; choose another --system")
    resolution = _resolution(args, scene)
    if args.certified:
        mesh = _certified(args, scene, resolution, advance)
        return mesh.transformed(scene.world_from_scene), resolution
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", UserWarning)
        mesh = extract_mesh(
            scene.inside,
            scene.box,
            resolution=resolution,
            coarse=THIN if resolution >= FINE else None,
            colour=scene.colour,
            keep=_keep(args.keep),
            faces=args.faces,
            normals="faces",
            closed=not args.open,
            progress=lambda _, share: advance(share),
        )
    for note in noted:
        console.warn(str(note.message))
    if args.open:
        mesh = _supported(mesh, scene, resolution)
    return mesh.transformed(scene.world_from_scene), resolution


def _certified(args: Reconstruct, scene: "Scene", resolution: int, advance: Advance) -> "Mesh":
    from isofield.extract.certified import extract_certified
    from isofield.ops.steps import Layered

    if not isinstance(scene.inside, Layered):
        raise InputError(
            "--certified needs a network whose layers are known: a field file or an occupancy network"
        )
    if args.faces is not None:
        raise InputError("--certified and --faces exclude each other: simplifying may lose small parts")
    return extract_certified(
        scene.inside,
        scene.box,
        resolution=resolution,
        keep=_keep(args.keep),
        normals="faces",
        progress=lambda _, share: advance(share),
    )


def _resolution(args: Reconstruct, scene: "Scene") -> int:
    if args.voxel is None:
        return args.resolution or scene.resolution
    longest = float(scene.box.extent.max()) * scene.world_from_scene.scale
    cells = round(longest / args.voxel)
    if not 8 <= cells <= 4096:
        raise InputError(
            f"--voxel {args.voxel:g} makes {cells} cells along the longest edge ({longest:.4g}); "
            f"give a length between {longest / 4096:.3g} and {longest / 8:.3g}"
        )
    return cells


def _supported(mesh: "Mesh", scene: "Scene", resolution: int) -> "Mesh":
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


def _write_report(
    paths: Paths, args: Reconstruct, seen: Seen, mesh: "Mesh", found: dict[str, Any], console: Console
) -> dict[str, float | int] | None:
    """Distances from the points to the mesh, which the report has measured; None without points."""
    from isofield.report import Contents, write_report

    contents = Contents(
        title=args.scan.name,
        cloud=seen.cloud,
        image=seen.image,
        mesh=mesh,
        found=found,
        seconds=dict(console.timings),
        warnings=list(console.warnings),
        command=shlex.join(["isofield", *words(args)]),
        up=args.up,
    )
    return write_report(paths.report, contents)


def _finish(args: Reconstruct, paths: Paths, found: dict[str, Any], console: Console) -> None:
    outputs = [paths.mesh] if args.no_report else [paths.mesh, paths.report]
    record = run_record(
        words(args),
        seed=args.common.seed,
        threads=args.common.thread_count,
        timings=console.timings,
        warnings=console.warnings,
        inputs=[args.scan],
        outputs=outputs,
        **found,
    )
    write_record(paths.record, record)
    rows = table(paths, found, sum(console.timings.values()), report=not args.no_report)
    console.finish(f"{args.scan.name} is a mesh", rows, record)


def words(args: Reconstruct) -> list[str]:
    """The command that gives these arguments again; what is left at its default is not said."""
    said = ["reconstruct", str(args.scan)]
    for holder in (args, args.common):
        for each in fields(holder):
            value = getattr(holder, each.name)
            if each.name in ("scan", "common") or value == each.default:
                continue
            said.append("--" + each.name.replace("_", "-"))
            if value is not True:
                said.append(str(value))
    return said
