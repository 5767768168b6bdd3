"""`isofield convert`: official checkpoints become weights files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.errors import InputError


@dataclass(frozen=True)
class Convert:
    """Convert an official checkpoint to a weights file.

    Tensors are read without executing anything in the file, and every one must fit: the
    network that comes out computes what the original computes.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Official `.pt` file; IDR, IM-NET, AtlasNet: `.pth`; DeepSDF: the experiment's folder, or a `.pth` of
    it; NeRF: `.tar`, `.ckpt` or, the fine network's beside it, `.npy`; SIF and LDIF: `.txt`, the local
    network's `.occnet` beside it."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None
    """Weights to write; NAME.safetensors beside the checkpoint if left out."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Official yaml or json config; inferred from the tensors if left out."""
    planes: tuple[Literal["xz", "xy", "yz"], ...] = ()
    """Planes that share the U-Net, without --config: the tensors don't tell."""
    crops: bool = False
    """The network was trained on crops of rooms, without --config, where the order of keys was lost."""
    common: Options = field(default_factory=Options)


def run(args: Convert) -> int:
    """Exit code 0; raises InputError for anything the user can mend."""
    output = _output(args)
    console = Console(json=args.common.json, quiet=args.common.quiet)
    with console.stage("read"):
        from isofield.official.lineages import Choices, converted, lineage

        name, system = converted(args.checkpoint, Choices(args.config, args.planes, args.crops))
        known, config = lineage(name), cast(Any, system).config
    if args.config is None:
        console.warn(f"without --config, this is taken for: {known.assumed(config)}")
    with console.stage("write"):
        from isofield.training.weights import save_weights

        save_weights(output, name, config, system.state_dict())
    parameters = sum(parameter.numel() for parameter in system.parameters())
    rows = {"weights": str(output), "network": known.describe(config), "parameters": f"{parameters:,}"}
    record: dict[str, Any] = {**rows, "parameters": parameters, "warnings": console.warnings}
    console.finish(f"{args.checkpoint.name} is converted", rows, record)
    return 0


def _output(args: Convert) -> Path:
    if not args.checkpoint.exists():
        raise InputError(f"there is no checkpoint {args.checkpoint}")
    output = args.output or args.checkpoint.with_suffix(".safetensors")
    if output.suffix != ".safetensors":
        raise InputError(f"{output}: weights are written as .safetensors; choose such a name")
    if not output.parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.parent}; create it first")
    return output
