"""`isofield prepare MESHES -o DATASET`: meshes become training samples."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.cli.run_record import run_record, write_record
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.data.prepare_model import Settings


@dataclass(frozen=True)
class Prepare:
    """Turn meshes into a data set to train on, in the layout of Occupancy Networks.

    Inside is where the winding number is above one half; surfaces that nothing outside can see
    are left out of the clouds. Each model that is left out is named in manifest.json, with the
    reason. The same command again goes on where it was interrupted.
    """

    meshes: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders, zip archives (.sh3f too), files or patterns of OBJ, OFF, PLY, STL or GLB files."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="DATASET")]
    """Folder to write the data set to."""
    points: int = 100_000
    """Points per model, uniform in a cube of side 1.1 around the object."""
    near: int = 50_000
    """Points per model near the surface; 0 writes none."""
    cloud: int = 100_000
    """Points per model on the surface."""
    views: int = 24
    """Pictures per model, on white, with their cameras; 0 renders none."""
    view_size: int = 224
    """Pixels along an edge of a picture."""
    sdf: bool = False
    """Write signed distances, too, which DeepSDF learns from: sdf.npz beside each model's points."""
    sdf_points: int = 100_000
    """Points per model of known signed distance; the original code takes 500,000."""
    max_ambiguous: float = 0.5
    """Leave a model out if more volume than this, in units of its inside, is neither in nor out."""
    min_inside: float = 0.001
    """Leave a model out if less of the cube than this is inside."""
    orient: bool = True
    """Whether inside-out parts are turned and doubled faces merged where that makes the inside clearer."""
    time_limit: float = 300.0
    """Seconds after which a model has failed."""
    jobs: int = 0
    """Models to work on at once; 0 takes one per processor."""
    common: Options = field(default_factory=Options)


def run(args: Prepare) -> int:
    """Exit code 0 if at least one model is ready.

    Raises:
        InputError: No mesh found, the folder can't be written to, or no model passed.
    """
    from isofield.data.manifest import NAME, Entry, counts
    from isofield.data.models import find_models
    from isofield.data.prepare import prepare

    settings = _settings(args)
    console = Console({"find": 0.5, "sample": 60.0}, json=args.common.json, quiet=args.common.quiet)
    with console.stage("find"):
        models = find_models(args.meshes)
    plain = not (args.common.quiet or args.common.json or sys.stderr.isatty())
    with console.stage("sample") as advance:

        def report(done: int, total: int, entry: Entry) -> None:
            advance(done / total)
            if plain:
                what = entry.status if entry.status == "ok" else f"{entry.status}: {entry.reason}"
                print(f"{done}/{total} {entry.category}/{entry.id} {what}", file=sys.stderr)

        jobs = args.jobs or args.common.thread_count
        manifest = prepare(models, args.output, settings, jobs, report)
    entries = [manifest.entries[m.category, m.id] for m in models]
    found = counts(entries)
    left_out = [e for e in entries if e.status != "ok"]
    if found["failed"]:
        console.warn(f"{found['failed']} of {len(entries)} models could not be read or sampled")
    record = run_record(
        ["prepare", *args.meshes, "-o", str(args.output)],
        seed=args.common.seed, threads=jobs, timings=console.timings, warnings=console.warnings,
        counts=found, left_out={f"{e.category}/{e.id}": e.reason for e in left_out},
    )  # fmt: skip
    write_record(args.output / "run.json", record)
    if not found["ok"]:
        raise InputError(
            f"none of {len(entries)} models can be used, the first because: {left_out[0].reason.rstrip('.')};"
            f" all reasons are in {args.output / NAME}"
        )
    rows = {
        "data set": str(args.output),
        "models": f"{found['ok']} of {len(entries)}",
        "train, val, test": f"{found['train']}, {found['val']}, {found['test']}",
        "left out": f"{found['dropped']} unclear, {found['failed']} failed; reasons in {args.output / NAME}",
        "seconds": f"{sum(console.timings.values()):.1f}",
        "next": f"isofield train {'deepsdf' if args.sdf else 'SYSTEM'} {args.output} -o RUN",
    }
    console.finish("prepared", rows, record)
    return 0


def _settings(args: Prepare) -> "Settings":
    from isofield.data.prepare_model import Settings

    if args.points < 8 or args.cloud < 1 or args.near < 0:
        raise InputError("--points must be at least 8, --cloud at least 1 and --near at least 0")
    if args.views < 0 or args.view_size < 16:
        raise InputError("--views must be at least 0 and --view-size at least 16")
    if args.sdf_points < 100:
        raise InputError("--sdf-points must be at least 100; leave out --sdf to write none")
    if args.time_limit <= 0:
        raise InputError("--time-limit must be above zero")
    return Settings(
        points=args.points, near=args.near, cloud=args.cloud, orient=args.orient, min_inside=args.min_inside,
        max_ambiguous=args.max_ambiguous, seconds=args.time_limit, seed=args.common.seed,
        views=args.views, view_size=args.view_size, sdf_points=args.sdf_points if args.sdf else 0,
    )  # fmt: skip
