"""`isofield convert`: official checkpoints become weights files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from isofield.cli.console import Console
from isofield.cli.options import Options
from isofield.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from isofield.system import System
    from isofield.systems.convonet import ConvONetConfig
    from isofield.systems.dvr import DVRConfig
    from isofield.systems.idr import IDRConfig
    from isofield.systems.nerf import NeRFConfig
    from isofield.systems.onet import ONetConfig


@dataclass(frozen=True)
class Convert:
    """Convert an official checkpoint of ConvONet, DVR, IDR, NeRF or Occupancy Networks to a weights file.

    Tensors are read without executing anything in the file, and every one must fit: the
    network that comes out computes what the original computes.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Official `.pt` file; IDR: `.pth`; NeRF: `.tar`, `.ckpt` or, the fine network's beside it, `.npy`."""
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
        name, system = _converted(args)
        config: Any = system.config
    if args.config is None:
        console.warn(f"without --config, this is taken for: {assumed(config)}")
    with console.stage("write"):
        from isofield.training.weights import save_weights

        save_weights(output, name, config, system.state_dict())
    parameters = sum(parameter.numel() for parameter in system.parameters())
    rows = {"weights": str(output), "network": describe(config), "parameters": f"{parameters:,}"}
    record: dict[str, Any] = {**rows, "parameters": parameters, "warnings": console.warnings}
    console.finish(f"{args.checkpoint.name} is converted", rows, record)
    return 0


def _converted(args: Convert) -> "tuple[str, System]":
    """Name and network of the checkpoint; the keys of its decoder tell the lineage."""
    from isofield.official.checkpoint import load_checkpoint, load_state_dict
    from isofield.official.convonet import convonet_from_official
    from isofield.official.dvr import is_dvr
    from isofield.official.nerf import is_nerf, nerf_from_official, read_networks
    from isofield.official.onet import is_onet, onet_from_official

    if args.checkpoint.suffix == ".npy" or is_nerf(load_checkpoint(args.checkpoint)):
        _without_choices(args, "what a NeRF is stands in its tensors")
        try:
            return "nerf", nerf_from_official(read_networks(args.checkpoint))
        except InputError as error:
            raise InputError(f"{args.checkpoint}: {error}") from None
    whole = load_checkpoint(args.checkpoint)
    if "model_state_dict" in whole:
        return "idr", _idr(args, whole["model_state_dict"])
    state = load_state_dict(args.checkpoint)
    single = is_onet(state)
    try:
        if is_dvr(state):
            return "dvr", _dvr(args, state)
        if single:
            return "onet", onet_from_official(state, _onet_config(args, state))
        return "convonet", convonet_from_official(state, _config(args, state))
    except InputError as error:
        raise InputError(f"{args.checkpoint}: {error}") from None


def _dvr(args: Convert, state: "dict[str, Tensor]") -> "System":
    from isofield.official.convonet_config import read_config
    from isofield.official.dvr import config_from_official, dvr_from_official, infer_config

    if args.planes or args.crops:
        raise InputError("a DVR has no planes; leave out --planes and --crops")
    config = infer_config(state) if args.config is None else config_from_official(read_config(args.config))
    return dvr_from_official(state, config)


def _idr(args: Convert, state: Any) -> "System":
    from isofield.official.idr import idr_from_official, infer_config

    _without_choices(args, "what an IDR is stands in its tensors")
    try:
        return idr_from_official(state, infer_config(state))
    except InputError as error:
        raise InputError(f"{args.checkpoint}: {error}") from None


def _without_choices(args: Convert, why: str) -> None:
    """Nothing, if no option says what only some networks have; raises InputError."""
    if args.config or args.planes or args.crops:
        raise InputError(f"{why}; leave out --config, --planes and --crops")


def _onet_config(args: Convert, state: "dict[str, Tensor]") -> "ONetConfig":
    from isofield.official.convonet_config import read_config
    from isofield.official.onet import config_from_official, infer_config

    if args.planes or args.crops:
        raise InputError("this network has one code for the whole shape; leave out --planes and --crops")
    return (
        infer_config(state) if args.config is None else config_from_official(read_config(args.config), state)
    )


def _output(args: Convert) -> Path:
    if not args.checkpoint.is_file():
        raise InputError(f"there is no checkpoint {args.checkpoint}")
    output = args.output or args.checkpoint.with_suffix(".safetensors")
    if output.suffix != ".safetensors":
        raise InputError(f"{output}: weights are written as .safetensors; choose such a name")
    if not output.parent.is_dir():
        raise InputError(f"{output} cannot be written: there is no folder {output.parent}; create it first")
    return output


def _config(args: Convert, state: "dict[str, Tensor]") -> "ConvONetConfig":
    from isofield.official.convonet import infer_config
    from isofield.official.convonet_config import config_from_official, read_config

    if args.config is None:
        return infer_config(state, args.planes, args.crops)
    if args.planes or args.crops:
        raise InputError("--config says everything; leave out --planes and --crops")
    try:
        return config_from_official(read_config(args.config))
    except InputError as error:
        raise InputError(f"{args.config}: {error}") from None


def describe(config: "ConvONetConfig | ONetConfig | NeRFConfig | DVRConfig | IDRConfig") -> str:
    """What kind of network it is, in a few words."""
    from isofield.systems.dvr import DVRConfig
    from isofield.systems.idr import IDRConfig
    from isofield.systems.nerf import NeRFConfig
    from isofield.systems.onet import ONetConfig

    if isinstance(config, NeRFConfig):
        kind = "flexible layout" if config.flexible else "original layout"
        return f"radiance of one scene -> {config.depth} x {config.width} ({kind})"
    if isinstance(config, DVRConfig):
        known = f"picture -> code of {config.code_size}" if config.code_size else "one object"
        return f"{known} -> occupancy and colour by {config.blocks} x {config.width}"
    if isinstance(config, IDRConfig):
        sees = f"light of {config.light_layers} x {config.width} ({config.mode})"
        return f"one scene -> distance of {config.layers} x {config.width}, {sees}"
    if isinstance(config, ONetConfig):
        known = f"code of {config.code_size}" if config.code_size else f"latent code of {config.latent_size}"
        return f"{config.sees} -> {known} -> {config.field_blocks} x {config.field_width} ({config.field})"
    if config.encoder == "pointnet2":
        return "PointNet++ features on points"
    maps = [
        f"plane{'s' * (len(config.planes) > 1)} {', '.join(config.planes)} of {config.plane_resolution}^2"
    ]
    maps = maps if config.planes else []
    maps += [f"grid of {config.grid_resolution}^3"] if config.grid_resolution else []
    kind = f"{config.encoder} in crops" if config.unit_size else config.encoder
    return f"{kind} -> {' and '.join(maps)}"


def assumed(config: "ConvONetConfig | ONetConfig | NeRFConfig | DVRConfig | IDRConfig") -> str:
    """What a config says that the tensors do not."""
    from isofield.systems.dvr import DVRConfig
    from isofield.systems.idr import IDRConfig
    from isofield.systems.nerf import NeRFConfig

    if isinstance(config, NeRFConfig):
        grey = "white" if config.background else "black"
        samples = f"{config.coarse} + {config.fine} samples from {config.near} to {config.far}"
        return f"{describe(config)}, {samples}, on {grey}"
    if isinstance(config, DVRConfig):
        return f"{describe(config)}, pictures of {config.image_size} pixels, padding {config.padding}"
    if isinstance(config, IDRConfig):
        return f"{describe(config)}, in a ball of radius {config.ball}"
    return f"{describe(config)}, {config.cloud_size:,} points, padding {config.padding}"
