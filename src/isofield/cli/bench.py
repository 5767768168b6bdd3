"""`isofield bench representation SHAPE ... -o FOLDER`: what is a good output representation?"""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.bench_shape import Task


@dataclass(frozen=True)
class Bench:
    """Fit every representation to the same shapes, and compare error, bytes and seconds.

    Voxels, points and coarse meshes are made of the shape itself; every system that learns shapes by heart
    is fitted to each with about the same seconds. Writes results.json, error_over_bytes.svg, and index.html
    with the meshes side by side. The same command again goes on where it stopped.
    """

    question: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="representation")]
    """What to compare: there is this one question."""
    shapes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Meshes that enclose something: OBJ, OFF, PLY, STL or GLB."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")]
    """Folder of the results; made if it is not there."""
    systems: tuple[str, ...] = ()
    """Only these systems beside the explicit representations; all if left out."""
    effort: float = 1.0
    """Factor on the steps of every fit; 1 is about 20 s per fit on one processor core."""
    jobs: int = 0
    """Shapes at once, one core each; 0 takes one per processor."""
    common: Options = field(default_factory=Options)


def run(args: Bench) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    tasks = _tasks(args)
    console = Console(json=args.common.json, quiet=args.common.quiet)
    from isofield.cli.bench_shape import rows_of, work
    from isofield.data import atomic_write
    from isofield.report.representation import write_page

    args.output.mkdir(parents=True, exist_ok=True)
    jobs = min(args.jobs or args.common.thread_count, len(tasks))
    with console.stage("fit") as advance:
        if jobs == 1:
            for number, task in enumerate(tasks):
                advance(number / len(tasks), work(task))
        else:
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
                for number, name in enumerate(pool.map(work, tasks)):
                    advance((number + 1) / len(tasks), name)
    rows = list(rows_of(tasks))
    with console.stage("page"):
        with atomic_write(args.output / "results.json") as temporary:
            temporary.write_text(json.dumps(rows, indent=1) + "\n")
        write_page(args.output, rows)
    failed = [f"{row['shape']}: {row['representation']}: {row['failed']}" for row in rows if "failed" in row]
    for sentence in failed:
        console.warn(sentence)
    found = {"page": str(args.output / "index.html"), "rows": f"{len(rows)}, of {len(tasks)} shapes"}
    record = {"outputs": [str(args.output / "index.html")], "rows": rows, "warnings": console.warnings}
    console.finish("representations compared", found, record)
    return 0


def _tasks(args: Bench) -> "list[Task]":
    """One per shape; every fault of the words is found here."""
    from isofield.cli.bench_shape import Task
    from isofield.cli.fit import read_shape
    from isofield.systems.fits import FITS

    if args.question != "representation":
        raise InputError(
            f"there is no question {args.question!r} to measure; type isofield bench representation SHAPES"
        )
    if not args.shapes:
        raise InputError("there is nothing to compare on; name at least one mesh")
    for name in args.systems:
        if name not in FITS:
            raise InputError(f"{name!r} learns no shapes by heart; choose among {', '.join(FITS)}")
    if not args.effort > 0:
        raise InputError(f"--effort {args.effort} is impossible; give a positive number")
    for path in args.shapes:
        read_shape(path)
    stems = [path.stem for path in args.shapes]
    if len(set(stems)) < len(stems):
        raise InputError("two of the shapes have one name, and their results would, too; rename one")
    if args.output.exists() and not args.output.is_dir():
        raise InputError(f"{args.output} is a file; give a folder for the results with --output")
    systems = args.systems or tuple(FITS)
    return [Task(path, args.output, systems, args.effort, args.common.seed) for path in args.shapes]
