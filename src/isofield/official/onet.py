"""Official Occupancy Networks weights and configs <-> ours.

Read from autonomousvision/occupancy_networks, commit 406f794. Decoders are families of 1x1
convolutions there; conditional normalisations have two names, `conv_*` and the legacy `fc_*`.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.names import Rename, load_named, official_from_ours
from isofield.systems.onet import ONet, ONetConfig

ENCODERS: dict[Any, tuple[Any, Any]] = {
    "pointnet_simple": ("points", "simple"),
    "pointnet_resnet": ("points", "residual"),
    "resnet18": ("image", "residual"),
    "voxel_simple": ("voxels", "residual"),
    "idx": ("object", "residual"),
    None: ("nothing", "residual"),
}
FIELDS: dict[str, Any] = {
    "cbatchnorm": "cbn",
    "cbatchnorm2": "cbn2",
    "cbatchnorm_noresnet": "cbn_chain",
    "batchnorm": "batchnorm",
    "simple": "simple",
}


def _norm(official: str, ours: str, legacy: bool) -> list[Rename]:
    """Names of a conditional normalisation."""
    kind, trailing = ("fc", 0) if legacy else ("conv", 1)
    return [
        Rename(f"{official}.{kind}_gamma", f"{ours}.gamma", trailing),
        Rename(f"{official}.{kind}_beta", f"{ours}.beta", trailing),
        Rename(f"{official}.bn", f"{ours}.norm"),
    ]


def table(config: ONetConfig, legacy: bool = False) -> list[Rename]:
    """Every layer of the variant under its official name and ours."""
    return _decoder(config, legacy) + _latent() + encoders(config)


def _decoder(config: ONetConfig, legacy: bool) -> list[Rename]:
    second = config.field == "cbn2"
    flat = 0 if config.field == "simple" else 1  # convolutions everywhere else
    ends = {"conv_p": "lift", "conv_out": "out"} if second else {"fc_p": "lift", "fc_out": "out"}
    rules = [Rename(f"decoder.{theirs}", f"field.{ours}", flat) for theirs, ours in ends.items()]
    latent = "latent_to_code" if second else "field.latent"
    rules += [Rename("decoder.fc_z", latent), Rename("decoder.fc_c", "field.known")]
    if config.field == "cbn_chain":
        rules += [Rename("decoder.fc_{i}", "field.layers.{i}", 1)]
        return rules + _norm("decoder.bn_{i}", "field.norms.{i}", legacy)
    block = "decoder.blocks.{i}" if second else "decoder.block{i}"
    layers = {"fc_0": "inner", "fc_1": "outer"}
    rules += [
        Rename(f"{block}.{theirs}", f"field.blocks.{{i}}.{ours}", flat) for theirs, ours in layers.items()
    ]
    norms = {f"{block}.bn_0": "field.blocks.{i}.before", f"{block}.bn_1": "field.blocks.{i}.between"}
    for theirs, ours in (norms | {"decoder.bn": "field.norm"}).items():
        rules += [Rename(theirs, ours)] if config.field == "batchnorm" else _norm(theirs, ours, legacy)
    return rules


def _latent() -> list[Rename]:
    names = {
        "fc_pos": "lift",
        "fc_0": "occupancy",
        "fc_c": "known",
        "fc_mean": "mean",
        "fc_logstd": "log_std",
    }
    names |= {f"fc_{k + 1}": f"layers.{k}" for k in range(3)}
    return [Rename(f"encoder_latent.{theirs}", f"latent.{ours}") for theirs, ours in names.items()]


def encoders(config: Any) -> list[Rename]:
    """Every layer of what turns an observation into a code, which the baselines have, too."""
    if config.sees == "image":
        return _resnet()
    if config.sees == "voxels":
        return [
            Rename("encoder.conv_in", "encoder.first"),
            Rename("encoder.conv_{i}", "encoder.halve.{i}"),
            Rename("encoder.fc", "encoder.out"),
        ]
    if config.sees == "object":
        return [Rename("encoder", "encoder.codes")]
    layers = {"fc_0": "inner", "fc_1": "outer", "shortcut": "shortcut"}
    return [
        Rename("encoder.fc_pos", "encoder.lift"),
        Rename("encoder.fc_c", "encoder.out"),
        Rename("encoder.fc_{i}", "encoder.blocks.{i}"),
        *(Rename(f"encoder.block_{{i}}.{a}", f"encoder.blocks.{{i}}.{b}") for a, b in layers.items()),
    ]


def _resnet() -> list[Rename]:
    """Names of torchvision's `resnet18`, stages 1 to 4 in ours 0 to 3."""
    rules = [
        Rename("encoder.features.conv1", "encoder.stem"),
        Rename("encoder.features.bn1", "encoder.stem_norm"),
        Rename("encoder.fc", "encoder.out"),
    ]
    layers = {"conv1": "inner", "bn1": "inner_norm", "conv2": "outer", "bn2": "outer_norm"}
    layers |= {"downsample.0": "shortcut.0", "downsample.1": "shortcut.1"}
    return rules + [
        Rename(f"encoder.features.layer{k + 1}.{{i}}.{theirs}", f"encoder.stages.{k}.{{i}}.{ours}")
        for k in range(4)
        for theirs, ours in layers.items()
    ]


def onet_from_official(state: Mapping[str, Tensor], config: ONetConfig) -> ONet:
    """The network with the official weights, in evaluation mode.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the config asks for.
    """
    system = ONet(config)
    names = table(config, is_legacy(state))
    return load_named(system, state, names)


def official_from_onet(system: ONet, legacy: bool = False) -> dict[str, Tensor]:
    """The network's weights under their official names."""
    return official_from_ours(system.state_dict(), table(system.config, legacy))


def is_legacy(state: Mapping[str, Tensor]) -> bool:
    """Whether conditional normalisations have their old names."""
    return any(".fc_gamma." in key for key in state)


def recognises(file: Checkpoint) -> bool:
    """Whether the keys are those of an occupancy network with one code."""
    return is_onet(file.state)


def system_of(file: Checkpoint, choices: Choices) -> ONet:
    """The network with the official weights; raises InputError if file, config and choices disagree."""
    choices.refuse_planes("this network has one code for the whole shape")
    given = choices.content
    config = infer_config(file.state) if given is None else config_from_official(given, file.state)
    return onet_from_official(file.state, config)


def describe(config: ONetConfig) -> str:
    """What is seen and how it is known, in a few words."""
    known = f"code of {config.code_size}" if config.code_size else f"latent code of {config.latent_size}"
    return f"{config.sees} -> {known} -> {config.field_blocks} x {config.field_width} ({config.field})"


def assumed(config: ONetConfig) -> str:
    """The same, with what stands in no tensor."""
    return f"{describe(config)}, {config.cloud_size:,} points, padding {config.padding}"


def is_onet(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of an occupancy network with one code."""
    return any(key.startswith(("decoder.block0.", "decoder.bn_0.", "decoder.conv_p.")) for key in state)


def config_from_official(content: Mapping[str, Any], state: Mapping[str, Tensor] | None = None) -> ONetConfig:
    """Our config for an official one, the whole file or its `model` part.

    How many objects have a code of their own stands in the weights alone: give them as `state`.

    Raises:
        InputError: Names the entry that isn't known or can't be.
    """
    model = dict(content.get("model", content))
    data, test = dict(content.get("data") or {}), dict(content.get("test") or {})
    encoder, decoder = model.get("encoder"), model.get("decoder", "simple")
    if encoder not in ENCODERS:
        known = ", ".join(str(name) for name in ENCODERS)
        raise InputError(f"encoder {encoder!r} is none of Occupancy Networks': {known}")
    if decoder not in FIELDS:
        raise InputError(f"decoder {decoder!r} is none of Occupancy Networks': {', '.join(FIELDS)}")
    sees, kind = ENCODERS[encoder]
    encoding, decoding = dict(model.get("encoder_kwargs") or {}), dict(model.get("decoder_kwargs") or {})
    latent = dict(model.get("encoder_latent_kwargs") or {})
    wide = 128 if decoder == "simple" else 256
    codes = (state or {}).get("encoder.weight")
    return ONetConfig(
        sees=sees,
        code_size=0 if sees == "nothing" else model.get("c_dim", 512),
        latent_size=model.get("z_dim", 128) or 0,
        posterior=model.get("encoder_latent") is not None,
        encoder=kind,
        encoder_width=64 if sees == "image" else encoding.get("hidden_dim", 128),
        objects=len(codes) if codes is not None else int(sees == "object"),
        field=FIELDS[decoder],
        field_width=decoding.get("hidden_size") or decoding.get("hidden_dim") or wide,
        field_blocks=decoding.get("n_blocks", 5),
        leaky=decoding.get("leaky", False),
        latent_leaky=latent.get("leaky", False),
        cloud_size=data.get("pointcloud_n", 300),
        image_size=data.get("img_size", 224),
        threshold=test.get("threshold", 0.2),
    )


def infer_config(state: Mapping[str, Tensor]) -> ONetConfig:
    """The config that the keys and shapes of an official state dict tell of.

    Raises:
        InputError: It isn't an occupancy network with one code.
    """
    if not is_onet(state):
        raise InputError(
            "this is no Occupancy Network: it has no decoder.block0, decoder.bn_0 or decoder.conv_p"
        )
    lift = state.get("decoder.fc_p.weight", state.get("decoder.conv_p.weight"))
    assert lift is not None
    field = _inferred_field(state)
    sees, encoder, width, objects = inferred_encoder(state)
    latent = state.get("encoder_latent.fc_mean.weight")
    taken = state.get("decoder.fc_z.weight")
    return ONetConfig(
        sees=sees,
        code_size=inferred_code(state, sees),
        latent_size=0 if taken is None else int(taken.shape[1]),
        posterior=latent is not None,
        encoder=encoder,
        encoder_width=width,
        objects=objects,
        field=field,
        field_width=len(lift),
        field_blocks=_blocks(state, field),
    )


def _inferred_field(state: Mapping[str, Tensor]) -> Any:
    if "decoder.conv_p.weight" in state:
        return "cbn2"
    if any(key.startswith("decoder.bn_0.") for key in state):
        return "cbn_chain"
    if "decoder.bn.running_mean" in state:
        return "batchnorm"
    return "cbn" if any(key.startswith("decoder.bn.") for key in state) else "simple"


def inferred_encoder(state: Mapping[str, Tensor]) -> tuple[Any, Any, int, int]:
    """What it sees, kind of PointNet, its width, number of objects; raises InputError for an unknown one."""
    if "encoder.weight" in state:
        return "object", "residual", 128, len(state["encoder.weight"])
    if "encoder.features.conv1.weight" in state:
        return "image", "residual", len(state["encoder.features.conv1.weight"]), 0
    if "encoder.conv_in.weight" in state:
        return "voxels", "residual", 128, 0
    if "encoder.fc_pos.weight" in state:
        kind = "residual" if "encoder.block_0.fc_0.weight" in state else "simple"
        return "points", kind, len(state["encoder.fc_pos.weight"]) // 2, 0
    if any(key.startswith("encoder.") for key in state):
        raise InputError("its encoder is none of Occupancy Networks': PointNet, ResNet-18, voxels or a table")
    return "nothing", "residual", 128, 0


def inferred_code(state: Mapping[str, Tensor], sees: str) -> int:
    """Channels of the code; raises InputError where the layer that makes it is missing."""
    if sees == "nothing":
        return 0
    if sees == "object":
        return int(state["encoder.weight"].shape[1])
    last = "encoder.fc_c.weight" if sees == "points" else "encoder.fc.weight"
    if last not in state:
        raise InputError(f"key {last!r} is missing: the file is not whole")
    return len(state[last])


def _blocks(state: Mapping[str, Tensor], field: str) -> int:
    prefix = {"cbn2": "decoder.blocks.", "cbn_chain": "decoder.bn_"}.get(field, "decoder.block")
    numbers = {key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)}
    return len(numbers) - (field == "cbn_chain")
