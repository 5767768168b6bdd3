"""Official IM-NET weights <-> ours.

Read from czq142857/IM-NET-pytorch: bare state dicts. The autoencoder (`IM_AE.model64-*.pth`) holds
`encoder.*` and `generator.*`, the network that sees a picture (`IM_SVR.model-*.pth`) `img_encoder.*` and
`generator.*`. Coordinates are those of voxel centres in [-0.5, 0.5]^3, as here.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.names import Rename, load_named, official_from_ours
from isofield.systems.imnet import IMNet, IMNetConfig

_BLOCK = {"conv_1": "inner", "bn_1": "inner_norm", "conv_2": "outer", "bn_2": "outer_norm"}
_BLOCK |= {"conv_s": "shortcut.0", "bn_s": "shortcut.1"}
_PICTURE = {"conv_0": "stem", "bn_0": "stem_norm", "conv_9": "last", "bn_9": "last_norm", "conv_10": "out"}
TABLE = [
    *(Rename(f"generator.linear_{k + 1}", f"field.layers.{k}") for k in range(7)),
    *(Rename(f"encoder.conv_{k + 1}", f"encoder.halve.{k}") for k in range(4)),
    Rename("encoder.conv_5", "encoder.out"),
]
"""Every layer of the autoencoder."""
PICTURE_TABLE = [
    *TABLE[:7],
    *(Rename(f"img_encoder.{theirs}", f"encoder.{ours}") for theirs, ours in _PICTURE.items()),
    *(
        Rename(f"img_encoder.res_{k + 1}.{theirs}", f"encoder.blocks.{k}.{ours}")
        for k in range(8)
        for theirs, ours in _BLOCK.items()
    ),
]
"""Every layer of the network that sees a picture."""


def recognises(file: Checkpoint) -> bool:
    """Whether there is a generator of IM-NET."""
    return is_imnet(file.state)


def system_of(file: Checkpoint, choices: Choices) -> IMNet:
    """The network with the official weights; raises InputError if they are incomplete."""
    choices.refuse("what an IM-NET is stands in its tensors")
    return imnet_from_official(file.state, infer_config(file.state))


def describe(config: IMNetConfig) -> str:
    """What is known and how, in a few words."""
    seen = {"voxels": "64^3 voxels", "image": "picture", "object": f"one of {config.objects} objects"}
    return f"{seen[config.sees]} -> code of {config.code_size} -> occupancy by layers of {config.field_width}"


def assumed(config: IMNetConfig) -> str:
    """The same, with what stands in no tensor."""
    return f"{describe(config)}, surface at {config.threshold}, padding {config.padding}"


def is_imnet(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of IM-NET's PyTorch release."""
    return "generator.linear_1.weight" in state


def imnet_from_official(state: Mapping[str, Tensor], config: IMNetConfig) -> IMNet:
    """The network with the official weights, in evaluation mode.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the config asks for.
    """
    system = IMNet(config)
    table = PICTURE_TABLE if config.sees == "image" else TABLE
    return load_named(system, state, table)


def official_from_imnet(system: IMNet) -> dict[str, Tensor]:
    """The network's weights under their official names.

    Raises:
        InputError: It has a code per object, which the official release doesn't know.
    """
    if system.config.sees == "object":
        raise InputError("a table of codes is not part of the official IM-NET; it sees voxels or a picture")
    state = {key: tensor for key, tensor in system.state_dict().items() if not key.startswith("teacher.")}
    return official_from_ours(state, PICTURE_TABLE if system.config.sees == "image" else TABLE)


def infer_config(state: Mapping[str, Tensor]) -> IMNetConfig:
    """The config that the keys and shapes of an official state dict tell of.

    Raises:
        InputError: It isn't an IM-NET, or has none of its encoders, or both.
    """
    if not is_imnet(state):
        raise InputError("this is no IM-NET: it has no generator.linear_1")
    voxels, picture = state.get("encoder.conv_1.weight"), state.get("img_encoder.conv_0.weight")
    if (voxels is None) == (picture is None):
        found = "neither encoder" if voxels is None else "both encoders"
        raise InputError(f"this IM-NET has {found}; encoder.conv_1 or img_encoder.conv_0 belongs to it")
    last = state.get("generator.linear_6.weight")
    if last is None:
        raise InputError("this IM-NET is not complete: generator.linear_6.weight is missing")
    sizes: dict[str, Any] = {}
    if voxels is not None:
        sizes["voxel_width"] = len(voxels)
    if picture is not None:
        sizes["picture_width"] = len(picture)
    return IMNetConfig(
        sees="voxels" if picture is None else "image",
        code_size=state["generator.linear_1.weight"].shape[1] - 3,
        field_width=len(last),
        padding=0.0,
        **sizes,
    )
