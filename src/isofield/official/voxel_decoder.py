"""Official weights of the voxel decoder that Occupancy Networks compare with (`r2n2`) <-> ours.

Read from autonomousvision/occupancy_networks, commit 406f794: encoder as there, transposed convolutions to
32^3 voxels as decoder. The network of 3D-R2N2 itself (Theano, recurrent) is another one.
"""

from collections.abc import Mapping

from torch import Tensor

from isofield.official.coded import coded_fields, seen
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.names import Rename, load_named, official_from_ours
from isofield.official.onet import encoders
from isofield.systems.voxel_decoder import STORED, VoxelDecoder, VoxelDecoderConfig

GROWS = "decoder.convtrp_0.weight"


def table(config: VoxelDecoderConfig) -> list[Rename]:
    """Every layer under its official name and ours."""
    names = {"fc_in": "lift", "convtrp_{i}": "grow.{i}", "conv_out": "out"}
    layers = [Rename(f"decoder.{theirs}", f"field.{ours}") for theirs, ours in names.items()]
    return layers + encoders(config)


def recognises(file: Checkpoint) -> bool:
    """Whether the decoder has transposed convolutions."""
    return GROWS in file.state


def system_of(file: Checkpoint, choices: Choices) -> VoxelDecoder:
    """The network with the official weights; raises InputError if file and choices disagree."""
    config = infer_config(file.state, choices)
    return load_named(VoxelDecoder(config), file.state, table(config))


def describe(config: VoxelDecoderConfig) -> str:
    """What is known and what comes of it, in a few words."""
    return f"{seen(config)} -> {config.resolution}^3 voxels"


def assumed(config: VoxelDecoderConfig) -> str:
    """The same, with what stands in no tensor."""
    return f"{describe(config)}, threshold {config.threshold}"


def official_from_voxel_decoder(system: VoxelDecoder) -> dict[str, Tensor]:
    """The network's weights under their official names."""
    return official_from_ours(system.state_dict(), table(system.config))


def infer_config(state: Mapping[str, Tensor], choices: Choices | None = None) -> VoxelDecoderConfig:
    """The config that the keys and shapes of an official state dict tell of.

    Raises:
        InputError: Its encoder is not one of the baselines'.
    """
    choices = choices or Choices()
    known = coded_fields(state, choices)
    test = dict((choices.content or {}).get("test") or {})
    doublings = len({key.split(".")[1] for key in state if key.startswith("decoder.convtrp_")})
    if (resolution := 4 << doublings) != STORED:
        known["target"] = "points"
    known |= {"resolution": resolution, "threshold": test.get("threshold", 0.4)}
    return VoxelDecoderConfig(width=len(state[GROWS]), **known)
