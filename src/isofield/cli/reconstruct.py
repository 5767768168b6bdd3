"""`isofield reconstruct`: what was seen becomes a mesh; a scan's in its own frame and units."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from isofield.cli.console import Console
from isofield.cli.explicit import check_explicit, finish_points, is_explicit
from isofield.cli.learned import no_surface
from isofield.cli.meshing import Meshing, check_scene, extracted, textured
from isofield.cli.options import Options
from isofield.cli.outcome import checks, findings, table
from isofield.cli.paths import Paths, check_readable, check_writable
from isofield.cli.run_record import run_record, typed, write_record
from isofield.cli.seen import WEIGHTS, Seen, concerns, see, sensor_place, uncoloured
from isofield.cli.streamed import write_streamed
from isofield.cli.terrain import seen_from_above
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.geometry import Mesh
    from isofield.observation import PointCloud
    from isofield.scene import Scene
    from isofield.system import System

GUESSES = {"read": 0.1, "start": 1.5, "reconstruct": 1.5, "extract": 1.0, "write": 0.1, "report": 0.4}
"""Seconds per stage for a few thousand points, for the time to go before anything is known."""
SECONDS_PER_POINT = 8e-5
MOST_SECONDS = 50.0
"""Solving grows with the points until they are as many as the resolution can use."""

AUTO, AUTO_OPEN = "indicator", "gauss"
"""The systems that `--system auto` takes: the best by the project's own benchmark for closed objects;
what has learnt from solids takes a single sheet of terrain for a thin board with two sides."""


@dataclass(frozen=True)
class Reconstruct:
    """Turn photos, a scan, a picture, voxels or a field's network into a mesh.

    The mesh of a scan comes back in its frame and units, that of a picture upright in the unit box; beside
    it a report that opens in any browser and a record of the run.
    """

    scan: Annotated[Path, tyro.conf.Positional]
    """A folder of photos of one scene, points (PLY, PCD, XYZ, TXT, CSV, NPY, NPZ, LAS, LAZ, any mesh), a
    picture (PNG, JPEG, WebP), voxels (BINVOX), the layers of a signed distance network (NPZ), or weights that
    know one shape by heart (SAFETENSORS)."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None
    """Mesh to write: GLB, PLY, OBJ, STL or OFF; for photos a folder. If left out: beside the scan, as
    NAME.mesh.glb (with --memory NAME.mesh.ply); photos become the folder NAME.scene beside theirs."""
    quality: Literal["fast", "normal", "best"] = "normal"
    """How much work photos are worth: about one, three or fifteen minutes on two processor cores."""
    longest: Annotated[int | None, tyro.conf.arg(metavar="PIXELS")] = None
    """Shrink photos to this many pixels along the longest edge: 200, 400, 800 by --quality if left out."""
    system: str = "auto"
    """Which system reconstructs; auto takes the one that measures best for the input."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Weights from `isofield train` or `isofield convert`, instead of those that come with isofield."""
    closed: bool = False
    """A closed surface: the default."""
    open: bool = False
    """Cut the surface off where the scan has no points, for terrain, rooms and partial scans."""
    sensor: Annotated[str | None, tyro.conf.arg(metavar="X,Y,Z")] = None
    """Where the one scanner stood, in the frame of the scan: that side of the surface is outside."""
    up: Literal["auto", "x", "y", "z"] = "auto"
    """Which axis of the scan points up: for the views in the report, and for terrain with --open."""
    no_report: bool = False
    """Write no report.html."""
    meshing: Meshing = field(default_factory=Meshing)
    common: Options = field(default_factory=Options)

    @property
    def reports(self) -> bool:
        """Whether a report is written: it shows the whole mesh."""
        return not self.no_report and self.meshing.memory is None


def run(args: Reconstruct) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    from isofield.cli import reconstruct_photos

    if reconstruct_photos.is_photos(args.scan):
        return reconstruct_photos.run(args)
    paths = _check_arguments(args)
    console = Console(GUESSES, json=args.common.json, quiet=args.common.quiet)
    with console.stage("read"):
        seen = _read(args, console)
    with console.stage("start"):
        name, system = _system(args, seen)
    with console.stage("reconstruct"):
        scene = _scene(args, seen, system)
        explicit = is_explicit(scene)
        if explicit:
            check_explicit(args.meshing, name, scene, args.open)
        else:
            check_scene(args.meshing, scene, uncoloured(seen, name))
    if explicit and scene.mesh is None:
        finish_points(args.scan, args.output, words(args), args.common, name, seen, scene, console)
        return 0
    piecewise = args.meshing.memory is not None
    with console.stage("extract") as advance:
        try:
            if piecewise:
                checked = write_streamed(args.meshing, scene, paths.mesh, advance)
            else:
                mesh = extracted(args.meshing, scene, args.open, console, advance)
        except InputError as error:
            raise no_surface(error, name, system, seen.kind, args.weights is not None) from None
    if not piecewise:
        mesh, checked = _finished(args, paths, scene, mesh, console)
    cells = None if explicit else args.meshing.cells(scene)
    found = {**findings(name, seen, scene, checked, cells), "open": args.open}
    if not (args.open or checked["is_closed"]):
        console.warn("the mesh is not closed: the report says which edges are open")
    if args.reports:
        with console.stage("report"):
            found["distances"] = _write_report(paths, args, seen, mesh, found, console)
    _finish(args, paths, found, console)
    return 0


def _finished(
    args: Reconstruct, paths: Paths, scene: "Scene", mesh: "Mesh", console: Console
) -> "tuple[Mesh, dict[str, Any]]":
    """The mesh as it was written, in the user's frame, and what its checks say."""
    if args.meshing.texture is not None:
        with console.stage("texture"):
            mesh = textured(args.meshing, mesh, scene, console)
    mesh = mesh.transformed(scene.world_from_scene)
    with console.stage("write"):
        _write(paths, mesh)
    return mesh, checks(mesh)


def _write(paths: Paths, mesh: "Mesh") -> None:
    from isofield.data import write_mesh
    from isofield.data.textured_obj import write_textured_obj

    if mesh.texture is not None and paths.companions:
        write_textured_obj(paths.mesh, mesh)
    else:
        write_mesh(paths.mesh, mesh)


def _check_arguments(args: Reconstruct) -> Paths:
    """Where results go; every fault of the words is found here, before any work."""
    from isofield.systems import SYSTEMS

    if args.system not in ("auto", *SYSTEMS):
        raise InputError(f"there is no system {args.system!r}; choose auto or one of {', '.join(SYSTEMS)}")
    if args.closed and args.open:
        raise InputError("--closed and --open exclude each other; give one of them")
    sensor_place(args.sensor)
    check_readable(args.scan)
    if args.weights is not None:
        check_readable(args.weights)
    ending = ".mesh.glb" if args.meshing.memory is None else ".mesh.ply"
    output = args.output if args.output is not None else args.scan.with_suffix(ending)
    args.meshing.check(output, args.open)
    return check_writable(output, args.scan, textured=args.meshing.texture is not None)


def _read(args: Reconstruct, console: Console) -> Seen:
    seen = see(args.scan, args.common.seed)
    for sentence in seen.warnings:
        console.warn(sentence)
    if seen.kind == "image":
        console.warn("the shape is a guess from one side by a network that knows few kinds: compare them")
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

    if (place := sensor_place(args.sensor)) is not None:
        return replace(cloud, sensors=np.tile(place, (len(cloud), 1)))
    if args.open and (terrain := seen_from_above(cloud, "z" if args.up == "auto" else args.up)):
        console.warn("one height at each place: taken for terrain, seen from above")
        return terrain
    return cloud


def _system(args: Reconstruct, seen: Seen) -> "tuple[str, System | None]":
    """Name and system, ready to reconstruct; its draws begin at the seed. No system for fields."""
    import torch

    from isofield.systems.stored import load_system, name_of, ready_system

    torch.manual_seed(args.common.seed)
    if seen.kind == "field":
        if args.system != "auto" or args.weights is not None:
            raise InputError(f"{args.scan} is a shape already: leave out --system and --weights")
        return field_name(args.scan), None
    if args.weights is not None:
        system = load_system(args.weights, None if args.system == "auto" else args.system)
        return name_of(system), system
    name = args.system if args.system != "auto" else automatic(seen.kind, args.open)
    return name, ready_system(name, seen.kind)


def field_name(path: Path) -> str:
    """What the record calls the system of a shape that needs none: that of the weights, or field."""
    if path.suffix.lower() != WEIGHTS:
        return "field"
    from isofield.training.weights import load_weights

    return load_weights(path).system


def automatic(kind: str, is_open: bool) -> str:
    """The system that is best for a kind of input."""
    if kind == "points":
        return AUTO_OPEN if is_open else AUTO
    return {"image": "onet", "voxels": "gauss"}[kind]


def _scene(args: Reconstruct, seen: Seen, system: "System | None") -> "Scene":
    """What the system sees in the observation; voxels are points to systems that see points."""
    from isofield.observation import Photo, PointCloud, Voxels

    if system is None:
        assert seen.scene is not None
        return seen.scene
    observation = seen.observation
    if isinstance(observation, Voxels) and system.wants is PointCloud:
        observation = seen.cloud
    if system.wants is not None and not isinstance(observation, system.wants):
        words = {PointCloud: "points", Photo: "pictures", Voxels: "voxels"}
        raise InputError(
            f"{args.scan} holds {words[type(seen.observation)]}, and this system sees {words[system.wants]}; "
            "choose another --system, or other --weights"
        )
    return system.reconstruct(observation)


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
    pictures = [path for path in paths.companions if path.exists()]
    outputs = [paths.mesh, *pictures, *([paths.report] if args.reports else [])]
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
    rows = table(paths, found, sum(console.timings.values()), report=args.reports)
    console.finish(f"{args.scan.name} is a mesh", rows, record)


def words(args: Reconstruct) -> list[str]:
    """What was typed, as records and reports tell it."""
    return typed("reconstruct", [str(args.scan)], (args, args.meshing, args.common), omit=("scan",))
