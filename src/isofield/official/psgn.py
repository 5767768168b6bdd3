"""Official weights of PSGN, as Occupancy Networks compare with it, <-> ours.

Read from autonomousvision/occupancy_networks, commit 406f794: encoder as there, four plain layers as decoder.
The network of the paper itself (TensorFlow, two branches) is another one.
"""

from collections.abc import Mapping

from torch import Tensor

from isofield.errors import InputError
from isofield.official.coded import coded_fields, seen
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.names import Rename, load_named, official_from_ours
from isofield.official.onet import encoders
from isofield.systems.psgn import PSGN, PSGNConfig

FIRST, LAST = "decoder.fc_0.weight", "decoder.fc_out.weight"


def table(config: PSGNConfig) -> list[Rename]:
    """Every layer under its official name and ours."""
    layers = [Rename("decoder.fc_{i}", "layers.{i}"), Rename("decoder.fc_out", "out")]
    return layers + encoders(config)


def recognises(file: Checkpoint) -> bool:
    """Whether the decoder is made of plain layers on the code alone."""
    return {FIRST, LAST} <= file.state.keys() and "decoder.fc_p.weight" not in file.state


def system_of(file: Checkpoint, choices: Choices) -> PSGN:
    """The network with the official weights; raises InputError if file and choices disagree."""
    config = infer_config(file.state, choices)
    return load_named(PSGN(config), file.state, table(config))


def describe(config: PSGNConfig) -> str:
    """What is known and what comes of it, in a few words."""
    return f"{seen(config)} -> {config.made:,} points"


def assumed(config: PSGNConfig) -> str:
    """The same: all that stands in no tensor is in it."""
    return describe(config)


def official_from_psgn(system: PSGN) -> dict[str, Tensor]:
    """The network's weights under their official names."""
    return official_from_ours(system.state_dict(), table(system.config))


def infer_config(state: Mapping[str, Tensor], choices: Choices | None = None) -> PSGNConfig:
    """The config that the keys and shapes of an official state dict tell of.

    Raises:
        InputError: Its encoder is not one of the baselines', or its points have not three coordinates.
    """
    numbers, width = state[LAST].shape
    if numbers % 3:
        raise InputError(f"key {LAST!r} makes {numbers} numbers, which are no points of three coordinates")
    known = coded_fields(state, choices or Choices())
    return PSGNConfig(width=int(width), made=int(numbers) // 3, **known)
