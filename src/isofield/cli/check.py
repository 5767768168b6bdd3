"""`isofield check`: what a file or a folder holds, in plain words, and what to type next."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.errors import InputError

GUESSES = {"read": 0.3, "look": 1.0}
"""Seconds per stage for a hundred thousand points."""


@dataclass(frozen=True)
class Check:
    """Say in plain words what a scan holds: size, spacing, noise, normals, open or closed.

    Nothing is written, unless a report is asked for. The last line is the command to type next.
    """

    path: Annotated[Path, tyro.conf.Positional]
    """A file of points or a mesh, a folder of them, a data set, photos with or without cameras, or what
    became of photos."""
    report: Path | None = None
    """For photos: write a page with the box of the scene drawn on every picture."""
    common: Options = field(default_factory=Options)


def run(args: Check) -> int:
    """Exit code 0, or 2 if files in a folder cannot be read; raises InputError for a file that can't."""
    from isofield.cli.check_folder import check_folder
    from isofield.cli.check_photos import check_photos
    from isofield.cli.findings import look, read
    from isofield.cli.photos_cameras import check_bare_photos
    from isofield.cli.result_folder import check_result, is_result
    from isofield.data.photos import has_cameras, pictures_in

    if not args.path.exists():
        raise InputError(f"{args.path} does not exist.")
    seed = args.common.seed
    console = Console(GUESSES, json=args.common.json, quiet=args.common.quiet)
    if args.report is None and is_result(args.path):
        return check_result(args.path, console)
    if has_cameras(args.path):
        return check_photos(args.path, args.report, console)
    if args.report is None and pictures_in(args.path):
        return check_bare_photos(args.path, console, args.common.thread_count)
    if args.report is not None:
        raise InputError(f"--report is for photos with cameras, and {args.path} holds none.")
    if args.path.is_dir():
        return check_folder(args.path, seed, console)
    with console.stage("read"):
        file = read(args.path, seed)
    with console.stage("look"):
        findings = look(args.path, file, seed)
    console.finish(str(args.path), findings.rows(), findings.record())
    return 0
