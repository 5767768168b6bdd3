"""What explicit systems give: a mesh that is written as it is, or points."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from isofield.cli.console import Console
from isofield.cli.meshing import Meshing
from isofield.cli.options import Options
from isofield.cli.outcome import input_rows, observed, placed
from isofield.cli.paths import check_writable
from isofield.cli.run_record import run_record, write_record
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.seen import Seen
    from isofield.scene import Scene


def is_explicit(scene: "Scene") -> bool:
    """Whether the scene has a surface that isn't extracted: a mesh, or points."""
    return scene.inside is None and (scene.mesh is not None or scene.points is not None)


def check_explicit(args: Meshing, name: str, scene: "Scene", is_open: bool) -> None:
    """Nothing, if no word is about extraction; raises InputError with the first that is."""
    asked = [field.name for field in fields(args) if getattr(args, field.name) != field.default]
    if is_open:
        asked.insert(0, "open")
    if asked:
        what = "its mesh" if scene.mesh is not None else "points"
        raise InputError(f"--{asked[0]} is about extraction, and {name} gives {what} as is; leave it out")


def finish_points(
    scan: Path,
    output: Path | None,
    words: Sequence[str],
    options: Options,
    name: str,
    seen: "Seen",
    scene: "Scene",
    console: Console,
) -> None:
    """The points, in the user's frame, in a PLY file, and a record beside it.

    Args:
        scan: What was read.
        output: Where they go; NAME.points.ply beside the scan if None.
        words: What was typed.
        options: Seed and threads.
        name: Of the system.
        seen: What the system saw.
        scene: What it made of it.
        console: Tells of it.

    Raises:
        InputError: The file is no PLY, or can't be written.
    """
    from isofield.data import write_points
    from isofield.observation import PointCloud

    assert scene.points is not None
    if output is not None and output.suffix.lower() != ".ply":
        raise InputError(f"{output} has no room for bare points, which {name} gives; choose -o NAME.ply")
    paths = check_writable(output or scan.with_suffix(".points.ply"), scan)
    with console.stage("write"):
        write_points(paths.mesh, PointCloud(scene.world_from_scene.apply(scene.points)))
    said = {"made": {"points": len(scene.points)}, "notes": dict(scene.notes)}
    found = {"system": name, **observed(seen), **said, "normalisation": placed(scene)}
    record = run_record(
        list(words),
        seed=options.seed,
        threads=options.thread_count,
        timings=console.timings,
        warnings=console.warnings,
        inputs=[scan],
        outputs=[paths.mesh],
        **found,
    )
    write_record(paths.record, record)
    rows = {"points": str(paths.mesh), "report": "none: there is no mesh", "record": str(paths.record)}
    rows |= {"seen": next(iter(input_rows(found).values())), "made": f"{len(scene.points):,} points"}
    console.finish(f"{scan.name} is {len(scene.points):,} points", rows, record)
