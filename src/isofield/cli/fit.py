"""`isofield fit MESH ... -o FOLDER`: a system learns one shape, or a few, by heart."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.cli.train import override
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.data.shape_source import Shape
    from isofield.geometry import Mesh
    from isofield.systems.fits import Fit as Recipe
    from isofield.training.fitting import Fitting


@dataclass(frozen=True)
class Fit:
    """Fit a system to meshes: it learns their shapes by heart and gives them back as meshes.

    The folder holds weights, the course of the error, previews, and a mesh for each shape, in the frame and
    units of its file. The same command again resumes, or meshes the finished fit at another --resolution.
    """

    meshes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """OBJ, OFF, PLY, STL or GLB files; inside is where the winding number is above one half."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")]
    """Folder of the fit; made if it is not there."""
    system: str = "grid"
    """Which system; grid is the fastest for one shape, the others learn several, with a code for each."""
    steps: int | None = None
    """Optimiser steps; the system's own number if left out."""
    learning_rate: float | None = None
    """Peak learning rate; the system's own if left out."""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Override a field of the system's config, as KEY=VALUE; may be repeated."""
    resolution: Annotated[int | None, tyro.conf.arg(metavar="CELLS")] = None
    """Cells along the longest edge of the meshes; what the system supports if left out."""
    restart: bool = False
    """Start over; the old folder is renamed."""
    common: Options = field(default_factory=Options)


def run(args: Fit) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    recipe, config = _recipe(args)
    console = Console(json=args.common.json, quiet=args.common.quiet)
    from isofield.systems import system_class
    from isofield.training.loop import train
    from isofield.training.run_folder import RunFolder
    from isofield.training.state import seed_step

    options = _options(args, recipe)
    folder = RunFolder(args.output, _record(args, config, options), args.restart)
    folder.check()
    with console.stage("read"):
        meshes = [read_shape(path) for path in args.meshes]
    with console.stage("sample"):
        shapes = [
            sampled(path, mesh, args.common.seed) for path, mesh in zip(args.meshes, meshes, strict=True)
        ]
        fitting = recipe.fitting(shapes, args.common.seed, options.batch_size)
    seed_step(args.common.seed, 0)
    system = system_class(args.system)(config)
    with console.stage("fit"):
        outcome = train(system, fitting, folder, options, quiet=args.common.quiet)
    if outcome.step < options.steps:
        raise KeyboardInterrupt
    found = _written(args, fitting, system, meshes, console, outcome.step)
    _finish(args, folder, found, console)
    return 0


def _recipe(args: Fit) -> "tuple[Recipe, Any]":
    """How the system is fitted, and its config; every fault of the words is found here."""
    from isofield.systems import SYSTEMS
    from isofield.systems.fits import FITS

    if args.system not in FITS:
        known = args.system in SYSTEMS
        said = (
            f"{args.system!r} is not fitted to single shapes"
            if known
            else f"there is no system {args.system!r}"
        )
        raise InputError(f"{said}; choose one of {', '.join(FITS)}")
    recipe = FITS[args.system]
    if not args.meshes:
        raise InputError("there is nothing to fit; name at least one mesh")
    if recipe.most is not None and len(args.meshes) > recipe.most:
        several = ", ".join(name for name, other in FITS.items() if other.most is None and name != "deepsdf")
        raise InputError(
            f"{args.system} knows one shape, and {len(args.meshes)} were given; choose --system deepsdf,"
            f" or one of {several}"
        )
    for name in ("steps", "learning_rate"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise InputError(f"--{name.replace('_', '-')} {value} is impossible; give a positive number")
    if args.resolution is not None and not 8 <= args.resolution <= 4096:
        raise InputError(f"--resolution {args.resolution} is out of range; give 8 to 4096 cells")
    stems = [path.stem for path in args.meshes]
    if len(set(stems)) < len(stems):
        raise InputError("two of the meshes have one name, and their results would, too; rename one")
    return recipe, override(recipe.config(len(args.meshes)), args.set)


def _options(args: Fit, recipe: "Recipe") -> Any:
    """The training's options: more shapes are met in turn, each as often as one would be."""
    given = {
        name: getattr(args, name) for name in ("steps", "learning_rate") if getattr(args, name) is not None
    }
    shapes = len(args.meshes)
    size = max(min(shapes, 4), recipe.options.batch_size)
    steps = recipe.options.steps * max(1, -(-shapes * recipe.options.batch_size // size))
    chosen = {"steps": steps, "batch_size": size, **given}
    return replace(recipe.options, seed=args.common.seed, threads=args.common.thread_count, **chosen)


def _record(args: Fit, config: Any, options: Any) -> dict[str, Any]:
    from isofield.cli.run_record import as_json, sha256, versions

    files = {str(path.resolve()): sha256(path) if path.is_file() else "" for path in args.meshes}
    return {
        "system": args.system,
        "config": as_json(config),
        "data": files,
        "options": as_json(options),
        "versions": versions(),
    }


def read_shape(path: Path) -> "Mesh":
    """The mesh of a file; raises InputError if there is none, or it has no faces."""
    from isofield.cli.paths import check_readable
    from isofield.data.mesh import read_mesh

    check_readable(path)
    mesh = read_mesh(path)
    if not len(mesh.faces):
        raise InputError(f"{path} has no faces; a shape to fit needs a surface that encloses something")
    return mesh


def sampled(path: Path, mesh: "Mesh", seed: int) -> "Shape":
    """Samples of a mesh in its unit box; raises InputError if it has no area or encloses nothing."""
    from isofield.data.sampling import normalised
    from isofield.data.shape_source import Shape, ShapeSamples
    from isofield.geometry.similarity import Similarity

    try:
        unit, loc, scale = normalised(mesh)
        samples = ShapeSamples.of(unit, seed)
    except InputError as error:
        raise InputError(f"{path} encloses nothing: {error}; give a closed mesh") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    return Shape(path.stem, samples, Similarity(scale=scale, translation=loc))


def _written(
    args: Fit, fitting: "Fitting", system: Any, meshes: "list[Mesh]", console: Console, steps: int
) -> dict[str, Any]:
    """Files of all shapes, and how far each lies from its mesh, both ways."""
    import numpy as np

    from isofield.data import write_mesh, write_points
    from isofield.extract import surface_of
    from isofield.geometry.mesh_checks import check_mesh
    from isofield.metrics.both_ways import BothWays
    from isofield.observation import PointCloud

    found: dict[str, Any] = {}
    with console.stage("extract") as advance:
        for number, (path, truth) in enumerate(zip(args.meshes, meshes, strict=True)):
            scene = fitting.scene(system, number)
            back, edge = scene.world_from_scene, float(np.ptp(truth.vertices, axis=0).max())
            if scene.points is not None:
                points = back.apply(scene.points)
                file = args.output / f"{path.stem}.ply"
                write_points(file, PointCloud(points))
                found[file.name] = BothWays.of(points, truth).numbers(edge) | {"points": len(points)}
                continue
            try:
                mesh = surface_of(scene, args.resolution).transformed(back)
            except InputError:
                raise InputError(
                    f"{path.stem}: after {steps} steps {args.system} has no surface yet; give more --steps"
                ) from None
            file = args.output / f"{path.stem}.glb"
            write_mesh(file, mesh)
            closed = check_mesh(mesh).is_closed
            found[file.name] = BothWays.of(mesh, truth).numbers(edge) | {"is_closed": closed}
            advance((number + 1) / len(meshes))
    return found


def _finish(args: Fit, folder: Any, found: dict[str, Any], console: Console) -> None:
    from isofield.cli.run_record import run_record, typed, write_record

    outputs = [args.output / name for name in found]
    record = run_record(
        typed("fit", [str(path) for path in args.meshes], (args, args.common), omit=("meshes",)),
        seed=args.common.seed,
        threads=args.common.thread_count,
        timings=console.timings,
        warnings=console.warnings,
        inputs=list(args.meshes),
        outputs=[*outputs, folder.weights],
        system=args.system,
        shapes=found,
    )
    write_record(args.output / "fit.json", record)
    rows = {"weights": f"{folder.weights} ({folder.weights.stat().st_size / 2**20:.1f} MiB)"}
    for name, errors in found.items():
        what = _what(errors)
        share = f"{errors['error_percent']:.3f} % of the longest edge"
        rows[name] = f"{what}, error {errors['error']:.4g} ({share})"
    rows["seconds"] = f"{sum(console.timings.values()):.1f}"
    console.finish(f"{len(found)} shape{'s' * (len(found) > 1)} fitted", rows, record)


def _what(found: dict[str, Any]) -> str:
    """What kind of result it is, in a word or two."""
    if "points" in found:
        return f"{found['points']:,} points"
    return "closed" if found["is_closed"] else "open"
