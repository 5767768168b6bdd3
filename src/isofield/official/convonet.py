"""Official Convolutional Occupancy Networks weights <-> ours.

Read from autonomousvision/convolutional_occupancy_networks, commit 838bea5.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.names import Rename, load_named, official_from_ours
from isofield.systems.convonet import ConvONet, ConvONetConfig


def _block(official: str, ours: str) -> list[Rename]:
    """Names of the layers of a residual block."""
    layers = {"fc_0": "inner", "fc_1": "outer", "shortcut": "shortcut"}
    return [Rename(f"{official}.{theirs}", f"{ours}.{layer}") for theirs, layer in layers.items()]


def _unet(official: str, ours: str) -> list[Rename]:
    """Names of the layers of the planes' U-Net."""
    ways = [("down_convs.{i}", "down.{i}"), ("up_convs.{i}", "up.{i}.convolve")]
    convolutions = [("conv1", "first"), ("conv2", "second")]
    return [
        *(Rename(f"{official}.{w}.{c}", f"{ours}.{v}.{d}") for w, v in ways for c, d in convolutions),
        Rename(f"{official}.up_convs.{{i}}.upconv", f"{ours}.up.{{i}}.grow"),
        Rename(f"{official}.up_convs.{{i}}.upconv.1", f"{ours}.up.{{i}}.grow.1"),
        Rename(f"{official}.conv_final", f"{ours}.out"),
    ]


def _unet3d(official: str, ours: str) -> list[Rename]:
    """Names of the layers of the grid's U-Net."""
    ways = [("encoders", "down"), ("decoders", "up")]
    convolutions = [("SingleConv1", "first"), ("SingleConv2", "second")]
    layers = [("groupnorm", "norm"), ("conv", "conv")]
    return [
        Rename(f"{official}.{w}.{{i}}.basic_module.{c}.{x}", f"{ours}.{v}.{{i}}.{d}.{y}")
        for w, v in ways
        for c, d in convolutions
        for x, y in layers
    ] + [Rename(f"{official}.final_conv", f"{ours}.out")]


def _pointnet2() -> list[Rename]:
    """Names of the layers of PointNet++, where 1x1 convolutions stand for our linear layers."""
    stages = [(f"sa{k + 1}", f"down.{k}.rows", 2) for k in range(3)] + [
        (f"fp{3 - k}", f"up.{k}", 1) for k in range(3)
    ]
    table = []
    for theirs, ours, trailing in stages:
        table.append(Rename(f"encoder.{theirs}.mlp_convs.{{i}}", f"encoder.{ours}.linear.{{i}}", trailing))
        table.append(Rename(f"encoder.{theirs}.mlp_bns.{{i}}", f"encoder.{ours}.norm.{{i}}"))
    return table


TABLE = [
    Rename("decoder.fc_p", "field.lift"),
    Rename("decoder.fc_c.{i}", "field.known.{i}"),
    *_block("decoder.blocks.{i}", "field.blocks.{i}"),
    Rename("decoder.fc_out", "field.out"),
    Rename("encoder.fc_pos", "encoder.pointnet.lift"),
    *_block("encoder.blocks.{i}", "encoder.pointnet.blocks.{i}"),
    Rename("encoder.fc_c", "encoder.pointnet.out"),
    Rename("encoder.conv_in", "encoder.conv"),
    *_unet("encoder.unet", "encoder.maps.plane_unet"),
    *_unet3d("encoder.unet3d", "encoder.maps.grid_unet"),
    *_pointnet2(),
]
"""Every layer of every official variant."""


def convonet_from_official(state: Mapping[str, Tensor], config: ConvONetConfig) -> ConvONet:
    """The network with the official weights, in evaluation mode.

    A voxel network with a grid ignores its planes' U-Net, as the official code does.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the config asks for.
    """
    if config.encoder == "voxels" and config.grid_resolution:
        state = {key: tensor for key, tensor in state.items() if not key.startswith("encoder.unet.")}
    system = ConvONet(config)
    return load_named(system, state, TABLE)


def official_from_convonet(system: ConvONet) -> dict[str, Tensor]:
    """The network's weights under their official names."""
    return official_from_ours(system.state_dict(), TABLE)


def infer_config(
    state: Mapping[str, Tensor], planes: tuple[str, ...] = (), crops: bool = False
) -> ConvONetConfig:
    """The config that the keys and shapes of an official state dict tell of.

    Not in the file, and taken from the official configs: resolutions (grid 32^3 with three
    levels, 64^3 with four; planes 64^2 with depth four, 128^2 with five), the number of points
    (10,000 for the larger ones, made for rooms) and the padding. Which planes share the U-Net
    can't be told from the file. Crop networks show in the order of their keys; `crops` tells
    it where the order was lost.

    Raises:
        InputError: It isn't a ConvONet, or it has planes and `planes` doesn't name them.
    """
    if "decoder.fc_p.weight" not in state or "decoder.fc_c.0.weight" not in state:
        raise InputError(
            "this is no Convolutional Occupancy Network: it has no decoder.fc_p and decoder.fc_c"
        )
    width, channels = (int(size) for size in state["decoder.fc_c.0.weight"].shape)
    known: dict[str, Any] = {
        "channels": channels,
        "field_width": width,
        "field_blocks": _count(state, "decoder.blocks"),
    }
    if "encoder.sa1.mlp_convs.0.weight" in state:
        return ConvONetConfig(encoder="pointnet2", planes=(), **known)
    if "encoder.conv_in.weight" in state:
        known |= {"encoder": "voxels", "kernel": int(state["encoder.conv_in.weight"].shape[-1])}
    elif "encoder.fc_pos.weight" in state:
        lift = state["encoder.fc_pos.weight"]
        known |= {"encoder_width": len(lift) // 2, "encoder_blocks": _count(state, "encoder.blocks")}
        waves = lift.shape[1] > 3
        if waves or crops or _in_crop_order(state):
            known |= {"unit_size": 0.005, "local_coordinates": "sin_cos" if waves else "linear"}
    else:
        raise InputError("this is no known ConvONet encoder: it has neither fc_pos, conv_in nor sa1")
    known |= _inferred_planes(state, planes) | _inferred_grid(state, "unit_size" in known)
    rooms = known.get("plane_depth", 0) > 4 or known.get("grid_levels", 0) > 3
    return ConvONetConfig(**known, cloud_size=10_000 if rooms else 3000)


def _in_crop_order(state: Mapping[str, Tensor]) -> bool:
    """Whether fc_pos comes last in the encoder, as in the official class for crops only."""
    keys = list(state)
    return keys.index("encoder.fc_pos.weight") > keys.index("encoder.fc_c.weight")


def _inferred_planes(state: Mapping[str, Tensor], planes: tuple[str, ...]) -> dict:
    depth = _count(state, "encoder.unet.down_convs")
    if not depth:
        return {"planes": ()}
    if not planes:
        raise InputError(
            "the file doesn't tell how many planes share its U-Net: add `--planes xz xy yz` (the 3-plane "
            "networks) or `--planes xz` (the 1-plane networks), or give the official config with `--config`"
        )
    first = int(state["encoder.unet.down_convs.0.conv1.weight"].shape[0])
    merge = state.get("encoder.unet.up_convs.0.conv1.weight")
    return {
        "planes": planes,
        "plane_resolution": 128 if depth > 4 else 64,
        "plane_depth": depth,
        "plane_width": first,
        "plane_merge": "concat" if merge is None or merge.shape[1] == 2 * merge.shape[0] else "add",
        "plane_upsampling": "upsample" if "encoder.unet.up_convs.0.upconv.1.weight" in state else "transpose",
    }


def _inferred_grid(state: Mapping[str, Tensor], crops: bool) -> dict:
    levels = _count(state, "encoder.unet3d.encoders")
    if not levels:
        return {"grid_resolution": 0}
    size = crop_cells(25, levels) if crops else 64 if levels > 3 else 32
    width = int(state["encoder.unet3d.final_conv.weight"].shape[1])
    return {"grid_resolution": size, "grid_levels": levels, "grid_width": width}


def crop_cells(query: int, levels: int) -> int:
    """Voxels along a crop whose middle `query` voxels see all they can, as the U-Net can take them."""
    step = 2 ** (levels - 1)
    return -(-(query + 2 ** (levels + 2) - 1) // step) * step


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Number of modules in an official list."""
    return len({key[len(prefix) + 1 :].split(".")[0] for key in state if key.startswith(prefix + ".")})
