"""Official descriptions of a DeepSDF: `specs.json`, and what the shapes of its tensors tell."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.systems.deepsdf import DeepSDFConfig

NEW = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


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
    named = plain(state)
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


def plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the wrapper's prefix, weight norm under its old names."""
    named = {}
    for key, tensor in state.items():
        name = key.removeprefix("module.")
        for new, old in NEW.items():
            name = name.replace(new, old)
        named[name] = tensor
    return named
