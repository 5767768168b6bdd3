"""`isofield generate`: shapes that a generative network makes up."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.cli.series import check_folder_writable, write_shape
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.systems.onet import ONet


@dataclass(frozen=True)
class Generate:
    """Draw latent codes from a generative network and write the shapes they stand for.

    The same seed gives the same shapes; shape k of a longer series is shape k of a shorter one.
    """

    system: Annotated[str, tyro.conf.Positional] = "onet"
    """The system; it needs weights that were trained with `--set sees=nothing`."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("generated")
    """Folder of the meshes, NAME_00.glb and so on; made if it is not there."""
    count: int = 8
    """How many shapes."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Weights to draw from, instead of those that come with isofield."""
    resolution: Annotated[int, tyro.conf.arg(metavar="CELLS")] = 128
    """Cells along the longest edge."""
    common: Options = field(default_factory=Options)


def run(args: Generate) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    if not 1 <= args.count <= 10_000:
        raise InputError(f"--count {args.count} is out of range; give 1 to 10,000 shapes")
    check_folder_writable(args.output)
    console = Console(json=args.common.json, quiet=args.common.quiet)
    with console.stage("start"):
        system = generative(args.system, args.weights)
    files = []
    with console.stage("generate") as advance:
        for number in range(args.count):
            condition = system.condition(None, system.draw([args.common.seed, number]))
            path = args.output / f"{args.system}_{number:02d}.glb"
            if write_shape(path, system.scene(condition), args.resolution, console):
                files.append(path)
            advance((number + 1) / args.count)
    rows = {"meshes": f"{len(files)} in {args.output}"}
    record: dict[str, Any] = {"outputs": [str(f) for f in files], "warnings": console.warnings}
    console.finish(f"{len(files)} shapes", rows, record)
    return 0


def generative(name: str, weights: Path | None) -> "ONet":
    """The network that shapes are drawn from.

    Raises:
        InputError: There is no such system, or it draws nothing.
    """
    from isofield.systems import SYSTEMS
    from isofield.systems.onet import ONet
    from isofield.systems.stored import load_system, ready_system

    if name not in SYSTEMS:
        raise InputError(f"there is no system {name!r}; choose one of {', '.join(SYSTEMS)}")
    system = ready_system(name, "generative") if weights is None else load_system(weights, name)
    if not isinstance(system, ONet) or system.config.sees != "nothing":
        raise InputError(
            f"the system {name!r} reconstructs from observations and draws nothing by itself;"
            " give --weights of one trained with --set sees=nothing"
        )
    return system
