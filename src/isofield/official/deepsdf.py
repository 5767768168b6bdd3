"""Official DeepSDF experiments and weights <-> ours.

Read from facebookresearch/DeepSDF: an experiment's folder holds

    specs.json                       architecture and training
    ModelParameters/latest.pth       {"epoch", "model_state_dict"}, every key behind `module.`
    LatentCodes/latest.pth           {"epoch", "latent_codes"}: an embedding's state, or [shapes, 1, channels]

Weight norm goes by the names of old PyTorch (`weight_g`, `weight_v`) or of new ones
(`parametrizations.weight.original0`, `1`); the old ones are written.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.checkpoint import load_checkpoint
from isofield.official.lineages import Checkpoint, Choices
from isofield.systems.deepsdf import DeepSDF, DeepSDFConfig

SPECS, MODEL, CODES = "specs.json", "ModelParameters", "LatentCodes"
NEW = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
LEAVES = {"weight_g": "gain", "weight_v": "direction", "weight": "weight", "bias": "bias"}
TABLE = "table.codes.weight"


def recognises(file: Checkpoint) -> bool:
    """Whether it is an experiment's folder, or the state dict is that of one chain of layers."""
    if file.path.is_dir():
        return (file.path / SPECS).is_file() and (file.path / MODEL).is_dir()
    state = _plain(_state(file.content))
    return "lin0.bias" in state and all(re.match(r"(lin|bn)\d+\.", key) for key in state)


def system_of(file: Checkpoint, choices: Choices) -> DeepSDF:
    """The network with the official weights and codes; raises InputError if they disagree with the config."""
    choices.refuse_planes("a DeepSDF has no planes")
    given = choices.content
    if not file.path.is_dir():
        specs = file.path.parent.parent / SPECS  # of the experiment that the file lies in
        if given is None and file.path.parent.name == MODEL and specs.is_file():
            given = _read_specs(specs)
        return deepsdf_from_official(
            _state(file.content), None if given is None else config_from_official(given)
        )
    config = config_from_official(_read_specs(file.path / SPECS) if given is None else given)
    model = _newest(file.path / MODEL)
    codes = file.path / CODES / model.name
    return deepsdf_from_official(
        _state(load_checkpoint(model)),
        config,
        codes_in(load_checkpoint(codes), codes) if codes.is_file() else None,
    )


def describe(config: DeepSDFConfig) -> str:
    """Codes and network, in a few words."""
    kept = f"{config.objects} codes" if config.objects else "code"
    return f"{kept} of {config.code_size} -> signed distance by {len(config.widths)} x {max(config.widths)}"


def assumed(config: DeepSDFConfig) -> str:
    """The same, with what stands in no tensor."""
    again = ", the position in every layer" if config.xyz_in_all else ""
    twice = "two tanh" if config.use_tanh else "one tanh"
    layers = _numbers(config.latent_in)
    return f"{describe(config)}, everything again in layers {layers}{again}, {twice} at the end"


def deepsdf_from_official(
    state: Mapping[str, Tensor], config: DeepSDFConfig | None = None, codes: Tensor | None = None
) -> DeepSDF:
    """The network with the official weights, in evaluation mode.

    Args:
        state: Official state dict.
        config: Told by the shapes, if None.
        codes: Of the training set.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the config asks for.
    """
    config = infer_config(state) if config is None else config
    config = replace(config, objects=0 if codes is None else len(codes))
    system = DeepSDF(config)
    found = {_ours(key): tensor for key, tensor in _plain(state).items()}
    if codes is not None:
        found[TABLE] = codes
    expected = system.state_dict()
    for key in expected:
        if key not in found:
            raise InputError(f"key {_official(key)!r} is missing: file and config don't belong together")
    for key, tensor in found.items():
        if key not in expected:
            raise InputError(f"key {_official(key)!r} is not part of this network")
        if tensor.shape != expected[key].shape:
            raise InputError(
                f"key {_official(key)!r} has shape {tuple(tensor.shape)}; the config asks for"
                f" {tuple(expected[key].shape)}"
            )
    system.load_state_dict(found)
    return system.eval()


def official_from_deepsdf(system: DeepSDF) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
    """The contents of `model_state_dict` and of `latent_codes`; None without codes."""
    state = system.state_dict()
    codes = {"weight": state.pop(TABLE)} if TABLE in state else None
    return {f"module.{_official(key)}": tensor for key, tensor in state.items()}, codes


def official_specs(config: DeepSDFConfig) -> dict[str, Any]:
    """A config as the `specs.json` of an experiment, as far as the network and its codes go."""
    return {
        "NetworkArch": "deep_sdf_decoder",
        "NetworkSpecs": {
            "dims": list(config.widths),
            "dropout": list(config.dropout),
            "dropout_prob": config.dropout_prob,
            "norm_layers": list(config.norm_layers),
            "latent_in": list(config.latent_in),
            "xyz_in_all": config.xyz_in_all,
            "use_tanh": config.use_tanh,
            "latent_dropout": config.latent_dropout,
            "weight_norm": config.weight_norm,
        },
        "CodeLength": config.code_size,
        "SamplesPerScene": config.samples,
        "ClampingDistance": config.clamp,
        "CodeRegularization": config.regularisation > 0,
        "CodeRegularizationLambda": config.regularisation,
        "CodeBound": config.code_bound or None,
        "CodeInitStdDev": config.code_std,
    }


def config_from_official(content: Mapping[str, Any]) -> DeepSDFConfig:
    """Our config for a `specs.json`; what it leaves out is as in the original code.

    Raises:
        InputError: It is none of DeepSDF's decoder, or says too little.
    """
    network = content.get("NetworkSpecs")
    kind = content.get("NetworkArch", "deep_sdf_decoder")
    if not isinstance(network, Mapping) or "dims" not in network or "CodeLength" not in content:
        raise InputError(
            "the config is no specs.json of DeepSDF: it needs CodeLength and NetworkSpecs with dims"
        )
    if kind != "deep_sdf_decoder":
        raise InputError(f"NetworkArch {kind!r} is not known here; it must be deep_sdf_decoder")
    regular = content.get("CodeRegularization", True)
    return DeepSDFConfig(
        code_size=int(content["CodeLength"]),
        widths=tuple(network["dims"]),
        latent_in=tuple(network.get("latent_in") or ()),
        norm_layers=tuple(network.get("norm_layers") or ()),
        weight_norm=bool(network.get("weight_norm", False)),
        xyz_in_all=bool(network.get("xyz_in_all")),
        use_tanh=bool(network.get("use_tanh", False)),
        dropout=tuple(network.get("dropout") or ()),
        dropout_prob=float(network.get("dropout_prob", 0.0)),
        latent_dropout=bool(network.get("latent_dropout", False)),
        clamp=float(content.get("ClampingDistance", 0.1)),
        regularisation=float(content.get("CodeRegularizationLambda", 1e-4)) if regular else 0.0,
        code_bound=float(content.get("CodeBound") or 0.0),
        code_std=float(content.get("CodeInitStdDev", 1.0)),
        samples=int(content.get("SamplesPerScene", 16384)),
    )


def infer_config(state: Mapping[str, Tensor]) -> DeepSDFConfig:
    """The config that the shapes of an official state dict tell of.

    Without a config, a layer that is wider than what comes before it sees the position again where three
    channels are missing, everything where it is more; of dropout and a second tanh nothing is told.

    Raises:
        InputError: It isn't a DeepSDF, or a layer is missing.
    """
    named = _plain(state)
    count = sum(re.fullmatch(r"lin\d+\.bias", key) is not None for key in named)
    weights = [named.get(f"lin{k}.weight_v", named.get(f"lin{k}.weight")) for k in range(count)]
    known = [weight for weight in weights if weight is not None]
    if count < 2 or len(known) < count:
        raise InputError("this is no DeepSDF: it lacks lin0, lin1 or one that follows")
    inputs, outputs = [w.shape[1] for w in known], [len(w) for w in known]
    more = [inputs[k] - outputs[k - 1] for k in range(1, count)]
    seen = inputs[0]
    strange = [k for k, size in enumerate(more, 1) if size not in (0, 3, seen)]
    if strange:
        raise InputError(f"lin{strange[0]} does not fit the layer before it; this is no DeepSDF")
    weight_norm = any("weight_g" in key for key in named)
    normed = r"lin(\d+)\.weight_g" if weight_norm else r"bn(\d+)\.weight"
    norms = sorted(int(match[1]) for key in named if (match := re.fullmatch(normed, key)))
    return DeepSDFConfig(
        code_size=seen - 3,
        widths=tuple(inputs[1:]),
        latent_in=tuple(k for k, size in enumerate(more, 1) if size == seen),
        norm_layers=tuple(norms),
        weight_norm=weight_norm,
        xyz_in_all=3 in more,
        dropout=tuple(range(count - 1)),
    )


def codes_in(content: Mapping[str, Any], path: Path) -> Tensor:
    """Codes of the training set, one a row.

    Raises:
        InputError: The file holds none.
    """
    codes = content.get("latent_codes", content)
    codes = codes.get("weight") if isinstance(codes, Mapping) else codes
    if not isinstance(codes, Tensor) or codes.ndim not in (2, 3) or (codes.ndim == 3 and codes.shape[1] != 1):
        raise InputError(
            f"{path} holds no latent codes: neither an embedding's weight nor a tensor [shapes, 1, channels]"
        )
    return codes.reshape(len(codes), -1).float()


def _newest(folder: Path) -> Path:
    """The newest parameters in a folder."""
    if (folder / "latest.pth").is_file():
        return folder / "latest.pth"
    numbered = [path for path in folder.glob("*.pth") if path.stem.isdigit()]
    if not numbered:
        raise InputError(f"{folder} holds no parameters: neither latest.pth nor <epoch>.pth")
    return max(numbered, key=lambda path: int(path.stem))


def _read_specs(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is no specs.json of DeepSDF: it holds a {type(content).__name__}")
    return content


def _state(content: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The tensors of what an experiment writes, or of a bare state dict."""
    state = content.get("model_state_dict", content)
    known = isinstance(state, Mapping) and all(isinstance(value, Tensor) for value in state.values())
    return state if known else {}


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the wrapper's prefix, weight norm under its old names."""
    named = {}
    for key, tensor in state.items():
        name = key.removeprefix("module.")
        for new, old in NEW.items():
            name = name.replace(new, old)
        named[name] = tensor
    return named


def _ours(key: str) -> str:
    match = re.fullmatch(r"(lin|bn)(\d+)\.(\w+)", key)
    if match is None or match[3] not in LEAVES:
        raise InputError(f"key {key!r} is not part of this network")
    leaf = LEAVES[match[3]] if match[1] == "lin" else match[3]
    return f"field.{'layers' if match[1] == 'lin' else 'norms'}.{match[2]}.{leaf}"


def _official(key: str) -> str:
    if key == TABLE:
        return "latent_codes.weight"
    _, kind, number, leaf = key.split(".")
    back = {ours: theirs for theirs, ours in LEAVES.items()}
    return f"{'lin' if kind == 'layers' else 'bn'}{number}.{back[leaf]}"


def _numbers(layers: tuple[int, ...]) -> str:
    return ", ".join(map(str, layers)) or "none"
