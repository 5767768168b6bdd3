"""Official AtlasNet weights <-> ours.

Read from ThibaultGROUEIX/AtlasNet, release of 2019: `network.pth` is a bare state dict, beside it
`options.json`. Layers are convolutions of size one there. Shapes fill the ball of radius 1, and a network
that sees a picture sees the middle 127 of 137 pixels.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.names import Rename, load_named, official_from_ours
from isofield.systems.atlasnet import AtlasNet, AtlasNetConfig

FIRST = "decoder.decoder.0.conv1.weight"
_PATCH = "decoder.decoder.{i}"
_OURS = "field.patches.{i}"
_STAGE = {"conv1": "inner", "bn1": "inner_norm", "conv2": "outer", "bn2": "outer_norm"}
_STAGE |= {"downsample.0": "shortcut.0", "downsample.1": "shortcut.1"}
POINTS = [
    *(Rename(f"encoder.conv{k + 1}", f"encoder.layers.{k}", 1) for k in range(3)),
    *(Rename(f"encoder.bn{k + 1}", f"encoder.norms.{k}") for k in range(3)),
    *(Rename(f"encoder.lin{k + 1}", f"encoder.after.{k}") for k in range(2)),
    *(Rename(f"encoder.bn{k + 4}", f"encoder.after_norms.{k}") for k in range(2)),
]
"""The encoder of points."""
PICTURE = [
    Rename("encoder.conv1", "encoder.stem"),
    Rename("encoder.bn1", "encoder.stem_norm"),
    Rename("encoder.fc", "encoder.out"),
    *(
        Rename(f"encoder.layer{k + 1}.{{i}}.{theirs}", f"encoder.stages.{k}.{{i}}.{ours}")
        for k in range(4)
        for theirs, ours in _STAGE.items()
    ),
]
"""The encoder of pictures."""


def table(config: AtlasNetConfig) -> list[Rename]:
    """Every layer of the variant under its official name and ours."""
    patches = [
        Rename(f"{_PATCH}.conv1", f"{_OURS}.lift", 1),
        Rename(f"{_PATCH}.bn1", f"{_OURS}.lift_norm"),
        Rename(f"{_PATCH}.conv2", f"{_OURS}.layers.0", 1),
        Rename(f"{_PATCH}.bn2", f"{_OURS}.norms.0"),
        Rename(f"{_PATCH}.last_conv", f"{_OURS}.out", 1),
        *(Rename(f"{_PATCH}.conv_list.{k}", f"{_OURS}.layers.{k + 1}", 1) for k in range(config.layers)),
        *(Rename(f"{_PATCH}.bn_list.{k}", f"{_OURS}.norms.{k + 1}") for k in range(config.layers)),
    ]
    return patches + (PICTURE if config.sees == "image" else POINTS)


def recognises(file: Checkpoint) -> bool:
    """Whether the keys are those of AtlasNet's patches."""
    return is_atlasnet(file.state)


def system_of(file: Checkpoint, choices: Choices) -> AtlasNet:
    """The network with the official weights; raises InputError if file, options and choices disagree."""
    choices.refuse_planes("an AtlasNet has no planes")
    if (options := choices.content) is not None:
        check_options(options)
    return atlasnet_from_official(file.state, infer_config(file.state))


def describe(config: AtlasNetConfig) -> str:
    """What is known and how, in a few words."""
    seen = {"points": f"{config.cloud_size} points", "image": "picture"}.get(config.sees, "one of a set")
    return f"{seen} -> code of {config.code_size} -> {config.patches} x {config.template}"


def assumed(config: AtlasNetConfig) -> str:
    """The same, with what stands in no tensor."""
    return f"{describe(config)}, ReLU, in the {config.frame}"


def is_atlasnet(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of AtlasNet's patches."""
    return FIRST in state


def atlasnet_from_official(state: Mapping[str, Tensor], config: AtlasNetConfig) -> AtlasNet:
    """The network with the official weights, in evaluation mode.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the config asks for.
    """
    system, names = AtlasNet(config), table(config)
    return load_named(system, state, names)


def official_from_atlasnet(system: AtlasNet) -> dict[str, Tensor]:
    """The network's weights under their official names.

    Raises:
        InputError: It has a code per object, which the official release doesn't know.
    """
    if system.config.sees == "object":
        raise InputError("a table of codes is not part of the official AtlasNet; it sees points or pictures")
    return official_from_ours(system.state_dict(), table(system.config))


def infer_config(state: Mapping[str, Tensor]) -> AtlasNetConfig:
    """The config that the keys and shapes of an official state dict tell of.

    Raises:
        InputError: It isn't an AtlasNet, or a layer is missing.
    """
    if not is_atlasnet(state):
        raise InputError(f"this is no AtlasNet: it has no {FIRST}")
    picture = "encoder.layer1.0.conv1.weight" in state
    needed = ["decoder.decoder.0.conv2.weight", "encoder.conv1.weight"]
    if missing := [key for key in needed if key not in state]:
        raise InputError(f"this AtlasNet is not complete: {missing[0]} is missing")
    code, flat = state[FIRST].shape[:2]
    numbers = {key.split(".")[2] for key in state if key.startswith("decoder.decoder.")}
    layers = {key.split(".")[4] for key in state if key.startswith("decoder.decoder.0.conv_list.")}
    return AtlasNetConfig(
        sees="image" if picture else "points",
        template="square" if flat == 2 else "sphere",
        patches=len(numbers),
        code_size=int(code),
        encoder_width=len(state["encoder.conv1.weight"]),
        width=len(state["decoder.decoder.0.conv2.weight"]),
        layers=len(layers),
        window=127 / 137 if picture else 1.0,
        frame="ball",
    )


def check_options(options: Mapping[str, Any]) -> None:
    """Nothing, if the official options are of a network that we have; raises InputError otherwise."""
    if options.get("activation", "relu") != "relu":
        raise InputError(f"activation {options['activation']!r} is not supported; official weights have relu")
    if options.get("remove_all_batchNorms"):
        raise InputError("an AtlasNet without batch normalisation is not supported")
