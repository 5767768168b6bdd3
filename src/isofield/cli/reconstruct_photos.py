"""`isofield reconstruct PHOTOS -o SCENE/`: photos become a coloured mesh, new views and a report.

SCENE/mesh.glb           in the frame and units of the cameras
      scene.safetensors  what was learnt: `isofield render` takes pictures of it from anywhere
      turntable.gif      the object from all around
      views/             pictures again from where photos were taken, held-out ones first
      report.html, run.json
      cache/             what lets an interrupted run go on, and cameras that were found
"""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli.console import Console
from isofield.cli.meshing import extracted
from isofield.cli.outcome import checks
from isofield.cli.photos_cameras import cameras_found, input_files
from isofield.cli.photos_fit import fitted_scene
from isofield.cli.photos_shown import SHOWN, film, shown_again
from isofield.cli.result_folder import MESH, RECORD, REPORT, SCENE, results_in
from isofield.cli.run_record import peak_memory, run_record, write_record
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.reconstruct import Reconstruct
    from isofield.data.shots import Shots
    from isofield.geometry import Mesh
    from isofield.observation import Views
    from isofield.report.contents import Pair
    from isofield.scene import Scene
    from isofield.systems.radiance import RadianceConfig

GUESSES = {"read": 2, "fit": 120, "extract": 3, "views": 5, "turntable": 8, "report": 1}
QUALITIES = {"fast": (200, 128, 0.4), "normal": (400, 128, 1.0), "best": (800, 192, 3.0)}
"""Pixels along the longest edge, cells of the grid, and effort."""
CRUMBS = "0.01"
"""Pieces of less than this share of the largest are left out, unless --keep says otherwise."""


def is_photos(path: Path) -> bool:
    """Whether a path means photos of one scene: a folder, or a file of cameras."""
    from isofield.data.photos import has_cameras

    return path.is_dir() or (path.suffix.lower() == ".json" and has_cameras(path))


def run(args: "Reconstruct") -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    config = check(args)
    folder = args.output if args.output is not None else args.scan.with_name(args.scan.name + ".scene")
    console = Console(GUESSES, json=args.common.json, quiet=args.common.quiet)
    with results_in(folder, args.scan):
        _reconstructed(args, config, folder, console)
    return 0


def _reconstructed(args: "Reconstruct", config: "RadianceConfig", folder: Path, console: Console) -> None:
    from isofield.data import write_mesh
    from isofield.render.voxels import COMPILED

    shots, views = _read(args, folder, console)
    if views.masks is None:
        console.warn(
            "without masks the views are good and the mesh is rough: cut the object out for a better one"
        )
    if not COMPILED:
        console.warn("without numba this takes many times as long: pip install 'isofield[photos]'")
    scene, found = fitted_scene(config, views, folder, console)
    found["photos"]["cameras"] = shots.convention
    with console.stage("extract") as advance:
        meshing = args.meshing if args.meshing.keep != "all" else replace(args.meshing, keep=CRUMBS)
        mesh = extracted(meshing, scene, False, console, advance)
        mesh = mesh.transformed(scene.world_from_scene)
        write_mesh(folder / MESH, mesh)
    found |= {"mesh": checks(mesh), "resolution": _cells(args, scene), "notes": {}, "open": False}
    pairs = shown_again(views, scene, folder / "views", console)
    held_out = views.held_out is not None and any(views.held_out)
    mean = sum(pair.psnr for pair in pairs) / len(pairs)
    found["views"] = {"psnr": round(mean, 3), "held_out": held_out, "pictures": len(pairs)}
    found["views"]["folder"] = str(folder / "views")
    film(views, scene, folder / "turntable.gif", console)
    if not args.no_report:
        with console.stage("report"):
            _report(args, folder, mesh, found, pairs[:SHOWN], console)
    _finish(args, folder, input_files(args.scan, shots), found, console)


def check(args: "Reconstruct") -> "RadianceConfig":
    """What is to be done, as a config; raises InputError where it can't be."""
    from isofield.data import MESH_FORMATS
    from isofield.systems.radiance import RadianceConfig

    if args.system not in ("auto", "radiance"):
        said = f"--system {args.system} does not reconstruct photos here; leave it out"
        if args.system in ("nerf", "dvr"):
            said += f", or learn with `isofield train {args.system} PHOTOS -o RUN`"
        raise InputError(said)
    for name in ("weights", "sensor"):
        if getattr(args, name) is not None:
            raise InputError(f"--{name} is not for photos; leave it out")
    for name in ("mise", "certified", "memory", "texture"):
        if getattr(args.meshing, name) not in (None, False):
            raise InputError(f"--{name} is not for photos; leave it out")
    if args.output is not None and args.output.suffix.lower() in MESH_FORMATS:
        raise InputError(f"{args.output}: photos become a folder of files; give -o a name without ending")
    _, resolution, effort = QUALITIES[args.quality]
    return RadianceConfig(resolution=resolution, effort=effort, seed=args.common.seed)


def _read(args: "Reconstruct", folder: Path, console: Console) -> "tuple[Shots, Views]":
    """The photos with cameras, found if need be; those without enough pictures end here."""
    from isofield.data.photos import has_cameras, read_shots, too_few

    place, longest = args.scan, args.longest or QUALITIES[args.quality][0]
    if not has_cameras(place):
        work = folder / "cache" / "cameras"
        place = cameras_found(place, work, console, args.common.seed, args.common.thread_count)
    with console.stage("read"):
        shots, views, said = read_shots(place, longest)
    console.note(said[0])
    for sentence in said[1:]:
        console.warn(sentence)
    if (few := too_few(views)) is not None:
        raise InputError(f"{args.scan}: {few}")
    return shots, views


def _cells(args: "Reconstruct", scene: "Scene") -> dict[str, float]:
    cells = args.meshing.cells(scene)
    return {"cells": cells, "cell": float(scene.box.extent.max()) * scene.world_from_scene.scale / cells}


def _report(
    args: "Reconstruct",
    folder: Path,
    mesh: "Mesh",
    found: dict[str, Any],
    pairs: "list[Pair]",
    console: Console,
) -> None:
    from isofield.cli.reconstruct import words
    from isofield.report import Contents, write_report

    contents = Contents(
        title=args.scan.name,
        cloud=None,
        pairs=pairs,
        mesh=mesh,
        found=found,
        seconds=dict(console.timings),
        warnings=list(console.warnings),
        command=shlex.join(["isofield", *words(args)]),
        up=args.up,
    )
    write_report(folder / REPORT, contents)


def _finish(
    args: "Reconstruct", folder: Path, inputs: Sequence[Path], found: dict[str, Any], console: Console
) -> None:
    from isofield.cli.reconstruct import words

    names = (MESH, SCENE, "turntable.gif", *([] if args.no_report else [REPORT]))
    record = run_record(
        words(args),
        seed=args.common.seed,
        threads=args.common.thread_count,
        timings=console.timings,
        warnings=console.warnings,
        inputs=inputs,
        outputs=[folder / name for name in names],
        **found,
    )
    write_record(folder / RECORD, record)
    mesh, memory = found["mesh"], peak_memory()
    where = "held-out photos" if found["views"]["held_out"] else "photos it learnt from"
    rows = {
        "mesh": str(folder / MESH),
        "report": "none" if args.no_report else str(folder / REPORT),
        "scene": str(folder / SCENE),
        "views": f"{found['views']['psnr']:.1f} dB on {found['views']['pictures']} {where}",
        "faces": f"{mesh['faces']:,}",
        "closed": "yes" if mesh["is_closed"] else "no",
        "cell": f"{found['resolution']['cell']:.4g} along an edge, in the units of the cameras",
        "seconds": f"{sum(console.timings.values()):.1f}",
    }
    if memory is not None:
        rows["peak memory"] = f"{memory / 2**20:,.0f} MiB"
    console.finish(f"{args.scan.name} is a scene", rows, record)
