"""`isofield generate`: shapes that a generative network makes up."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.cli.series import Series
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.scene import Scene
    from isofield.system import Coded


@dataclass(frozen=True)
class Generate:
    """Draw latent codes from a generative network and write the shapes they stand for.

    The same seed gives the same shapes; shape k of a longer series is shape k of a shorter one. DeepSDF shows
    the shapes of its training set, in their order.
    """

    system: Annotated[str, tyro.conf.Positional] = "onet"
    """The system: onet with weights that were trained with `--set sees=nothing`, or deepsdf."""
    count: int = 8
    """How many shapes: SYSTEM_00.glb and so on."""
    series: Series = field(default_factory=Series)
    common: Options = field(default_factory=Options)


def run(args: Generate) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    if not 1 <= args.count <= 10_000:
        raise InputError(f"--count {args.count} is out of range; give 1 to 10,000 shapes")
    args.series.check()
    console = Console(json=args.common.json, quiet=args.common.quiet)
    with console.stage("start"):
        system = generative(args.system, args.series.weights)
        codes = [system.draw([args.common.seed, number]) for number in range(args.count)]

    def scene(number: int) -> "Scene":
        return system.shape(codes[number])

    args.series.write("generate", [f"{args.system}_{k:02d}" for k in range(args.count)], scene, console)
    return 0


def generative(name: str, weights: Path | None) -> "Coded":
    """The network that shapes are drawn from.

    Raises:
        InputError: There is no such system, or it draws nothing.
    """
    from isofield.systems import SYSTEMS
    from isofield.systems.deepsdf import DeepSDF
    from isofield.systems.onet import ONet
    from isofield.systems.stored import load_system, ready_system

    if name not in SYSTEMS:
        raise InputError(f"there is no system {name!r}; choose one of {', '.join(SYSTEMS)}")
    system = ready_system(name, "generative") if weights is None else load_system(weights, name)
    if isinstance(system, DeepSDF):
        return system
    if not isinstance(system, ONet) or system.config.sees != "nothing":
        raise InputError(
            f"the system {name!r} reconstructs from observations and draws nothing by itself;"
            " give --weights of one trained with --set sees=nothing"
        )
    return system
