"""`isofield reconstruct PHOTOS -o SCENE/`: photos become a coloured mesh, new views and a report.

SCENE/mesh.glb           in the frame and units of the cameras
      scene.safetensors  what was learnt: `isofield render` takes pictures of it from anywhere
      turntable.gif      the object from all around
      views/             pictures again from where photos were taken, held-out ones first
      report.html, run.json
      cache/             what lets an interrupted run go on, and cameras that were found
"""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli.console import Console
from isofield.cli.journey import along
from isofield.cli.meshing import extracted
from isofield.cli.outcome import checks
from isofield.cli.run_record import peak_memory, run_record, write_record
from isofield.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from isofield.cli.reconstruct import Reconstruct
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
SHOWN = 6
"""Pictures in the report, beside the photos."""
FRAMES, EDGE = 36, 256
"""Of the turntable."""


def is_photos(path: Path) -> bool:
    """Whether a path means photos of one scene: a folder, or a file of cameras."""
    from isofield.data.photos import has_cameras

    return path.is_dir() or (path.suffix.lower() == ".json" and has_cameras(path))


def run(args: "Reconstruct") -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    from isofield.data import write_mesh
    from isofield.render.voxels import COMPILED

    config = check(args)
    folder = args.output if args.output is not None else args.scan.with_name(args.scan.name + ".scene")
    prepare(folder, args.scan)
    console = Console(GUESSES, json=args.common.json, quiet=args.common.quiet)
    views = _read(args, folder, console)
    if views.masks is None:
        console.warn(
            "without masks the views are good and the mesh is rough: cut the object out for a better one"
        )
    if not COMPILED:
        console.warn("without numba this takes many times as long: pip install 'isofield[photos]'")
    scene, found = _fitted(args, config, views, folder, console)
    with console.stage("extract") as advance:
        meshing = args.meshing if args.meshing.keep != "all" else replace(args.meshing, keep=CRUMBS)
        mesh = extracted(meshing, scene, False, console, advance)
        mesh = mesh.transformed(scene.world_from_scene)
        write_mesh(folder / "mesh.glb", mesh)
    found |= {"mesh": checks(mesh), "resolution": _cells(args, scene), "notes": {}, "open": False}
    pairs = _views(views, scene, folder, console)
    held_out = views.held_out is not None and any(views.held_out)
    mean = sum(pair.psnr for pair in pairs) / len(pairs)
    found["views"] = {"psnr": round(mean, 3), "held_out": held_out, "pictures": len(pairs)}
    _film(views, scene, folder / "turntable.gif", console)
    if not args.no_report:
        with console.stage("report"):
            _report(args, folder, mesh, found, pairs[:SHOWN], console)
    _finish(args, folder, found, console)
    return 0


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


def prepare(folder: Path, photos: Path) -> None:
    """Makes the folder for the results; raises InputError where it can't be."""
    if folder.is_file():
        raise InputError(f"{folder} is a file; give -o the name of a folder")
    if folder.exists() and folder.samefile(photos):
        raise InputError(f"{folder} is the folder of the photos; give the results one of their own")
    try:
        (folder / "cache").mkdir(parents=True, exist_ok=True)
        (folder / "views").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from None


def _read(args: "Reconstruct", folder: Path, console: Console) -> "Views":
    """The photos with cameras, found if need be; those without enough pictures end here."""
    from isofield.data.photos import has_cameras, read_views, too_few

    place, longest = args.scan, args.longest or QUALITIES[args.quality][0]
    if not has_cameras(place):
        from isofield.cli.photos_cameras import cameras_found

        work = folder / "cache" / "cameras"
        place = cameras_found(place, work, console, args.common.seed, args.common.thread_count)
    with console.stage("read"):
        views, said = read_views(place, longest)
    for sentence in said:
        console.warn(sentence)
    if (few := too_few(views)) is not None:
        raise InputError(f"{args.scan}: {few}")
    return views


def _fitted(
    args: "Reconstruct", config: "RadianceConfig", views: "Views", folder: Path, console: Console
) -> "tuple[Scene, dict[str, Any]]":
    """The scene, kept in a file, and what the record says about how it was found."""
    import torch

    from isofield.systems.radiance import Radiance, write_fitted

    torch.set_num_threads(1)  # the rays' lanes are the threads here; others would only wait for each other
    system = Radiance(config)
    with console.stage("fit") as advance:
        fitted = system.fit(views, advance, folder / "cache" / "state.npz")
        write_fitted(folder / "scene.safetensors", config, fitted)
    (folder / "cache" / "state.npz").unlink(missing_ok=True)
    if system.attempts > 1:
        console.warn(
            f"at first nothing was learnt: these are the results of attempt {system.attempts}; look at them"
        )
    stages = [
        {
            "name": stage.name,
            "resolution": stage.resolution,
            "steps": stage.steps,
            "seconds": round(measures.seconds, 2),
            "rays_per_second": round(measures.rays / max(measures.seconds, 1e-9)),
            "samples_per_ray": round(measures.samples, 2),
            "psnr": round(measures.psnr, 2),
        }
        for stage, measures in system.measures
    ]
    back = fitted.world_from_scene
    placed = {
        "scale": back.scale,
        "rotation": back.rotation.tolist(),
        "translation": back.translation.tolist(),
    }
    found = {"system": "radiance", "stages": stages, "normalisation": {"world_from_scene": placed}}
    return fitted.scene(), {
        **found,
        "photos": {"count": len(views), "pixels": list(views.images[0].shape[1::-1])},
    }


def _cells(args: "Reconstruct", scene: "Scene") -> dict[str, float]:
    cells = args.meshing.cells(scene)
    return {"cells": cells, "cell": float(scene.box.extent.max()) * scene.world_from_scene.scale / cells}


def _views(views: "Views", scene: "Scene", folder: Path, console: Console) -> "list[Pair]":
    """Pictures from where photos were taken: all that were held out, or some of the others."""
    import numpy as np

    from isofield.render.image import Painter
    from isofield.report.contents import Pair

    held_out = [i for i, kept in enumerate(views.held_out or []) if kept]
    some = np.unique(np.linspace(0, len(views) - 1, 2 * SHOWN).round().astype(int)).tolist()
    which, painter, pairs = held_out or some, Painter(scene), []
    photos = views.on(1.0)
    with console.stage("views") as advance:
        for number, i in enumerate(which):
            height, width = photos[i].shape[:2]
            picture = painter.picture(views.cameras[i], height, width, "colour")
            error = float(((picture - photos[i]) ** 2).mean())
            pairs.append(Pair(views.names[i], photos[i], picture, float(-10 * np.log10(max(error, 1e-10)))))
            _save(folder / "views" / f"{Path(views.names[i]).stem}.png", picture)
            advance((number + 1) / len(which))
    return pairs


def _film(views: "Views", scene: "Scene", path: Path, console: Console) -> None:
    """A film of the object from all around; without masks, along the cameras, as nobody saw the rest."""
    from PIL import Image

    from isofield.data.atomic import atomic_write
    from isofield.render.image import Painter
    from isofield.render.orbit import turntable

    painter, back = Painter(scene), scene.world_from_scene
    if views.masks is None:
        height, width = views.images[0].shape[:2]
        cameras = along(views.cameras, FRAMES)
    else:
        height, width = EDGE, EDGE
        cameras = [camera.moved(back) for camera in turntable(scene.box, FRAMES, (EDGE, EDGE), 20.0, up="y")]
    frames = []
    with console.stage("turntable") as advance:
        for number, camera in enumerate(cameras):
            picture = painter.picture(camera, height, width, "colour")
            frames.append(Image.fromarray((picture * 255).round().astype("uint8")))
            advance((number + 1) / len(cameras))
        with atomic_write(path) as temporary:
            frames[0].save(temporary, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)


def _save(path: Path, picture: "np.ndarray") -> None:
    from PIL import Image

    from isofield.data.atomic import atomic_write

    with atomic_write(path) as temporary:
        Image.fromarray((picture * 255).round().astype("uint8")).save(temporary, "PNG")


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
    write_report(folder / "report.html", contents)


def _finish(args: "Reconstruct", folder: Path, found: dict[str, Any], console: Console) -> None:
    from isofield.cli.reconstruct import words

    outputs = [folder / name for name in ("mesh.glb", "scene.safetensors", "turntable.gif")]
    record = run_record(
        words(args),
        seed=args.common.seed,
        threads=args.common.thread_count,
        timings=console.timings,
        warnings=console.warnings,
        inputs=[args.scan] if args.scan.is_file() else sorted(args.scan.glob("*.json")),
        outputs=outputs,
        **found,
    )
    write_record(folder / "run.json", record)
    mesh, memory = found["mesh"], peak_memory()
    where = "held-out photos" if found["views"]["held_out"] else "photos it learnt from"
    rows = {
        "mesh": str(folder / "mesh.glb"),
        "report": "none" if args.no_report else str(folder / "report.html"),
        "scene": str(folder / "scene.safetensors"),
        "views": f"{found['views']['psnr']:.1f} dB on {found['views']['pictures']} {where}",
        "faces": f"{mesh['faces']:,}",
        "closed": "yes" if mesh["is_closed"] else "no",
        "cell": f"{found['resolution']['cell']:.4g}",
        "seconds": f"{sum(console.timings.values()):.1f}",
    }
    if memory is not None:
        rows["peak memory"] = f"{memory / 2**20:,.0f} MiB"
    console.finish(f"{args.scan.name} is a scene", rows, record)
