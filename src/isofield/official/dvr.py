"""Official DVR weights <-> ours.

Read from autonomousvision/differentiable_volumetric_rendering, commit 5a19010.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.names import Rename, load_named, official_from_ours
from isofield.official.onet import _resnet
from isofield.systems.dvr import DVR, DVRConfig

TABLE = [
    Rename("decoder.fc_p", "field.lift"),
    Rename("decoder.fc_out", "field.out"),
    Rename("decoder.fc_c.{i}", "field.known.{i}"),
    Rename("decoder.blocks.{i}.fc_0", "field.blocks.{i}.inner"),
    Rename("decoder.blocks.{i}.fc_1", "field.blocks.{i}.outer"),
    *_resnet(),
]
"""Every layer of every variant that knows colour."""


def recognises(file: Checkpoint) -> bool:
    """Whether the keys are those of DVR."""
    return is_dvr(file.state)


def system_of(file: Checkpoint, choices: Choices) -> DVR:
    """The network with the official weights; raises InputError if file, config and choices disagree."""
    choices.refuse_planes("a DVR has no planes")
    given = choices.content
    return dvr_from_official(
        file.state, infer_config(file.state) if given is None else config_from_official(given)
    )


def describe(config: DVRConfig) -> str:
    """What is known and how, in a few words."""
    known = f"picture -> code of {config.code_size}" if config.code_size else "one object"
    return f"{known} -> occupancy and colour by {config.blocks} x {config.width}"


def assumed(config: DVRConfig) -> str:
    """The same, with what stands in no tensor."""
    return f"{describe(config)}, pictures of {config.image_size} pixels, padding {config.padding}"


def is_dvr(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of DVR; a ConvONet's decoder has the same names, but one channel."""
    out = state.get("decoder.fc_out.weight")
    blocks = "decoder.blocks.0.fc_0.weight" in state
    seen = any(key.startswith("encoder.features.") for key in state)
    alone = not any(key.startswith("encoder.") for key in state)
    return blocks and out is not None and out.ndim == 2 and (seen or alone)


def dvr_from_official(state: Mapping[str, Tensor], config: DVRConfig) -> DVR:
    """The network with the official weights, in evaluation mode.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the config asks for.
    """
    system = DVR(config)
    return load_named(system, state, TABLE)


def official_from_dvr(system: DVR) -> dict[str, Tensor]:
    """The network's weights under their official names."""
    return official_from_ours(system.state_dict(), TABLE)


def infer_config(state: Mapping[str, Tensor]) -> DVRConfig:
    """The config that the keys and shapes of an official state dict tell of.

    Raises:
        InputError: It isn't DVR, or the variant that learns from depths alone and has no colour.
    """
    if not is_dvr(state):
        raise InputError("this is no DVR: it has no decoder.blocks.0, or an encoder that is no ResNet-18")
    if len(state["decoder.fc_out.weight"]) != 4:
        raise InputError(
            "this DVR knows occupancy alone, as the variants trained on depths; colour is needed here"
        )
    known = state.get("decoder.fc_c.0.weight")
    stem = state.get("encoder.features.conv1.weight")
    numbers = {key.split(".")[2] for key in state if key.startswith("decoder.blocks.")}
    return DVRConfig(
        sees="views" if stem is None else "image",
        code_size=0 if known is None else int(known.shape[1]),
        width=len(state["decoder.fc_p.weight"]),
        blocks=len(numbers),
        encoder_width=64 if stem is None else len(stem),
    )


def config_from_official(content: Mapping[str, Any]) -> DVRConfig:
    """Our config for an official one, the whole file or its `model` part.

    Raises:
        InputError: The encoder is none of DVR's.
    """
    model = dict(content.get("model", content))
    encoder, decoding = model.get("encoder"), dict(model.get("decoder_kwargs") or {})
    if encoder not in (None, "resnet18"):
        raise InputError(f"encoder {encoder!r} is none of DVR's: resnet18, or none")
    training = dict(content.get("training") or {})
    weights = {
        "colour": "lambda_rgb",
        "gradient": "lambda_image_gradients",
        "depth": "lambda_depth",
        "free": "lambda_freespace",
        "occupied": "lambda_occupied",
        "smooth": "lambda_normal",
    }
    known: dict[str, Any] = {
        ours: float(training[theirs]) for ours, theirs in weights.items() if theirs in training
    }
    return DVRConfig(
        sees="views" if encoder is None else "image",
        code_size=0 if encoder is None else model.get("c_dim", 256),
        width=decoding.get("hidden_size", 512),
        blocks=decoding.get("n_blocks", 5),
        **known,
    )
