"""Official IDR weights <-> ours.

Read from lioryariv/idr: `ModelParameters/*.pth` is {"epoch", "model_state_dict"}. Layers are weight-normed,
under the names of old PyTorch (`weight_g`, `weight_v`) or of new (`parametrizations.weight.original0`, `1`).
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isofield.errors import InputError
from isofield.official.lineages import Checkpoint, Choices
from isofield.systems.idr import IDR, IDRConfig

LEAVES = {"weight_g": "gain", "weight_v": "direction", "bias": "bias"}
NEW = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
NETWORKS = {"implicit_network": "distance", "rendering_network": "light"}


def recognises(file: Checkpoint) -> bool:
    """Whether the state dict of a training, or the bare one, is that of IDR's two networks."""
    return is_idr(_plain(file.content.get("model_state_dict", file.state)))


def system_of(file: Checkpoint, choices: Choices) -> IDR:
    """The networks with the official weights; raises InputError if they are incomplete."""
    choices.refuse("what an IDR is stands in its tensors")
    state = file.content.get("model_state_dict", file.state)
    return idr_from_official(state, infer_config(state))


def describe(config: IDRConfig) -> str:
    """Its two networks, in a few words."""
    sees = f"light of {config.light_layers} x {config.width} ({config.mode})"
    return f"one scene -> distance of {config.layers} x {config.width}, {sees}"


def assumed(config: IDRConfig) -> str:
    """The same, with what stands in no tensor."""
    return f"{describe(config)}, in a ball of radius {config.ball}"


def is_idr(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of IDR's two networks."""
    return any(key.startswith("implicit_network.") for key in state)


def idr_from_official(state: Mapping[str, Tensor], config: IDRConfig) -> IDR:
    """The networks with the official weights, in evaluation mode.

    Raises:
        InputError: A key is missing, unknown, or of another shape than the config asks for.
    """
    system = IDR(config)
    expected, found = system.state_dict(), _renamed(state)
    for key in expected:
        if key not in found:
            raise InputError(
                f"there is no {_official(key, config.layers)!r}: file and config don't belong together"
            )
    for key, tensor in found.items():
        if key not in expected:
            raise InputError(f"key {_official(key, config.layers)!r} is not part of this network")
        if tensor.shape != expected[key].shape:
            sizes = tuple(tensor.shape), tuple(expected[key].shape)
            raise InputError(
                f"key {_official(key, config.layers)!r} has shape {sizes[0]}; the config asks for {sizes[1]}"
            )
    system.load_state_dict(found)
    return system.eval()


def official_from_idr(system: IDR) -> dict[str, Tensor]:
    """The networks' weights under their official names; cameras are kept in files of their own there."""
    last = system.config.layers
    return {_official(k, last): t for k, t in system.state_dict().items() if not k.startswith("poses.")}


def infer_config(state: Mapping[str, Tensor]) -> IDRConfig:
    """The config that the shapes of an official state dict tell of.

    Raises:
        InputError: It isn't an IDR, or something is missing.
    """
    named = _plain(state)
    biases = {
        network: [named[f"{network}.lin{k}.bias"] for k in range(_count(named, network))]
        for network in NETWORKS
    }
    distance, light = biases["implicit_network"], biases["rendering_network"]
    if len(distance) < 2 or len(light) < 2:
        raise InputError(
            "this is no IDR: it lacks implicit_network.lin0, rendering_network.lin0 or what follows"
        )
    seen = named["implicit_network.lin0.weight_v"].shape[1]
    width, features = len(distance[0]), len(distance[-1]) - 1
    skip = next((k + 1 for k, bias in enumerate(distance[:-1]) if len(bias) == width - seen), 0)
    mode, view_octaves = _light(named["rendering_network.lin0.weight_v"].shape[1] - features)
    return IDRConfig(
        width=width,
        layers=len(distance) - 1,
        light_layers=len(light) - 1,
        features=features,
        octaves=(seen - 3) // 6,
        view_octaves=view_octaves,
        skip=skip,
        mode=mode,
    )


def config_from_official(content: Mapping[str, Any]) -> IDRConfig:
    """Our config for the `model` part of an official one (HOCON there, here its mapping).

    Raises:
        InputError: An entry can't be.
    """
    model = content.get("model", content)
    implicit, rendering = model["implicit_network"], model["rendering_network"]
    tracer = model.get("ray_tracer", {})
    if len({*implicit["dims"]}) != 1 or len({*rendering["dims"]}) != 1:
        raise InputError("layers of different widths are not part of IDR as it was published")
    if implicit["dims"][0] != rendering["dims"][0]:
        raise InputError("distance and light have one width here; theirs differ")
    return IDRConfig(
        width=implicit["dims"][0],
        layers=len(implicit["dims"]),
        light_layers=len(rendering["dims"]),
        features=model["feature_vector_size"],
        octaves=implicit.get("multires", 0),
        view_octaves=rendering.get("multires_view", 0),
        skip=next(iter(implicit.get("skip_in", ())), 0),
        mode=rendering["mode"],
        start_radius=implicit.get("bias", 1.0),
        ball=tracer.get("object_bounding_sphere", 1.0),
    )


def _light(seen: int) -> tuple[Any, int]:
    """Mode, and octaves of the direction, from the channels that are no features."""
    if seen == 6:
        return "no_view_dir", 0
    if (seen - 9) % 6 == 0:
        return "idr", (seen - 9) // 6
    return "no_normal", (seen - 6) // 6


def _count(named: Mapping[str, Tensor], network: str) -> int:
    numbers = [re.fullmatch(rf"{network}\.lin(\d+)\.bias", key) for key in named]
    return len([found for found in numbers if found])


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys as old PyTorch wrote them, without the prefix of a parallel wrapper."""
    named = {}
    for key, tensor in state.items():
        for new, old in NEW.items():
            key = key.replace(new, old)
        named[key.removeprefix("module.")] = tensor
    return named


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = _plain(state)
    last = {network: _count(named, network) - 1 for network in NETWORKS}
    renamed = {}
    for key, tensor in named.items():
        found = re.fullmatch(r"(\w+)\.lin(\d+)\.(\w+)", key)
        if not found or found[1] not in NETWORKS or found[3] not in LEAVES:
            raise InputError(f"key {key!r} is not part of this network")
        ends = found[1] == "implicit_network" and int(found[2]) == last[found[1]]
        layer = "out" if ends else f"layers.{found[2]}"
        renamed[f"{NETWORKS[found[1]]}.{layer}.{LEAVES[found[3]]}"] = tensor
    return renamed


def _official(key: str, last: int) -> str:
    """Our name officially; `last` is the number of the distance's last layer."""
    network, rest = key.split(".", 1)
    layer, leaf = rest.rsplit(".", 1)
    number = str(last) if layer == "out" else layer.removeprefix("layers.")
    theirs = {ours: official for official, ours in LEAVES.items()}[leaf]
    official = {ours: official for official, ours in NETWORKS.items()}[network]
    return f"{official}.lin{number}.{theirs}"
