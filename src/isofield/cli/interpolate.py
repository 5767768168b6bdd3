"""`isofield interpolate`: the shapes between two shapes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from isofield.cli.console import Console
from isofield.cli.generate import generative
from isofield.cli.options import Options
from isofield.cli.series import Series
from isofield.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from isofield.scene import Scene
    from isofield.system import Coded
    from isofield.systems.onet import ONet

LABELLED = 2048
"""Points of known occupancy that tell a mesh's latent code."""


@dataclass(frozen=True)
class Interpolate:
    """Write shapes on the straight line between the codes of two inputs.

    Each end is a whole number, the seed of a drawn shape, or a closed mesh; with --weights of a network
    that sees points, pictures or voxels, a file of these. With --weights of a DeepSDF, the number of a shape
    of its training set, or a file of points, to which a code is fitted.
    """

    first: Annotated[str, tyro.conf.Positional]
    """Where the line starts: a number, or a file."""
    second: Annotated[str, tyro.conf.Positional]
    """Where it ends."""
    steps: int = 5
    """How many shapes, both ends included: step_00.glb and so on."""
    series: Series = field(default_factory=Series)
    common: Options = field(default_factory=Options)


def run(args: Interpolate) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    if not 2 <= args.steps <= 1000:
        raise InputError(f"--steps {args.steps} is out of range; give 2 to 1,000 shapes")
    args.series.check()
    console = Console(json=args.common.json, quiet=args.common.quiet)
    with console.stage("start"):
        system = _system(args.series.weights)
        first, last = (_code(system, end, args.common.seed) for end in (args.first, args.second))

    def scene(number: int) -> "Scene":
        return system.shape(first.lerp(last, number / (args.steps - 1)))

    args.series.write("interpolate", [f"step_{k:02d}" for k in range(args.steps)], scene, console)
    return 0


def _system(weights: Path | None) -> "Coded":
    from isofield.system import Coded
    from isofield.systems.stored import load_system, name_of

    if weights is None:
        return generative("onet", None)
    system = load_system(weights)
    if not isinstance(system, Coded):
        raise InputError(
            f"{weights} is a {name_of(system)}, which has no codes to blend; give onet or deepsdf"
        )
    return system


def _code(system: "Coded", end: str, seed: int) -> "Tensor":
    """The code of one end."""
    from isofield.systems.onet import ONet

    is_number = end.lstrip("-").isdigit()
    if isinstance(system, ONet):
        if system.encoder is not None:
            return _encoded(system, Path(end), seed)
        return system.draw([seed, int(end)]) if is_number else _of_mesh(system, Path(end), seed)
    return system.draw([seed, int(end)]) if is_number else _encoded(system, Path(end), seed)


def _encoded(system: "Coded", path: Path, seed: int) -> "Tensor":
    """The code of what was seen."""
    from isofield.cli.paths import check_readable
    from isofield.cli.seen import see

    check_readable(path)
    return system.encode(see(path, seed).observation)[0]


def _of_mesh(system: "ONet", path: Path, seed: int) -> "Tensor":
    """The most likely latent code of a closed mesh, from points of known occupancy."""
    import numpy as np
    import torch

    from isofield.cli.paths import check_readable
    from isofield.data.mesh import read_mesh
    from isofield.geometry.winding import occupancies
    from isofield.observation import unit_from_world

    check_readable(path)
    mesh = read_mesh(path)
    if not len(mesh.faces):
        raise InputError(f"{path} has no faces; the latent code of a shape needs its closed mesh")
    unit = mesh.transformed(unit_from_world(mesh.vertices))
    points = np.random.default_rng(seed).uniform(-0.55, 0.55, (LABELLED, 3))
    inside = occupancies(unit, points)
    if not inside.any():
        raise InputError(f"{path} encloses nothing, as far as {LABELLED:,} points tell; give a closed mesh")
    rows = [torch.as_tensor(array, dtype=torch.float32)[None] for array in (points, inside)]
    return system.posterior_mean(*rows)
