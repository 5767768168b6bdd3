"""Official NeRF weights <-> ours, and what the official pictures are like.

Read from bmild/nerf and yenchenlin/nerf-pytorch (one architecture, `.npy` and `.tar`) and from
krrish94/nerf-pytorch (FlexibleNeRF, `.ckpt`). Rays of all three go through the corners of pixels, not
their middles: what they learnt is displaced by half a pixel of their training pictures.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isofield.errors import InputError
from isofield.geometry.camera import Camera
from isofield.official.checkpoint import load_checkpoint
from isofield.official.keras_arrays import read_arrays
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.names import Rename, check_complete, official_from_ours, ours_from_official
from isofield.systems.nerf import NeRF, NeRFConfig

ORIGINAL = [
    Rename("pts_linears.{i}", "trunk.{i}"),
    Rename("alpha_linear", "density"),
    Rename("feature_linear", "feature"),
    Rename("views_linears.0", "view"),
    Rename("rgb_linear", "rgb"),
]
FLEXIBLE = [
    Rename("layers_xyz.{i}", "trunk.{i}"),  # one further on, behind layer1: renumbered below
    Rename("fc_alpha", "density"),
    Rename("fc_feat", "feature"),
    Rename("layers_dir.0", "view"),
    Rename("fc_rgb", "rgb"),
]
PARTS = {
    "network_fn_state_dict": "coarse",
    "network_fine_state_dict": "fine",
    "model_coarse_state_dict": "coarse",
    "model_fine_state_dict": "fine",
}
"""Entries of a checkpoint that hold a network."""
BOX = 1.25
"""Edge of the box of the synthetic scenes, over two units of the world: 1.25 to all sides."""
HALF = 0.5
"""Pixel by which official rays miss the middle, along both axes."""

Networks = dict[str, dict[str, Tensor]]
"""coarse, and fine if there is one: state dicts under official names."""


def recognises(file: Checkpoint) -> bool:
    """Whether the file's entries are those of a NeRF, or it holds Keras' arrays."""
    return file.path.suffix == ".npy" or is_nerf(file.content)


def system_of(file: Checkpoint, choices: Choices) -> NeRF:
    """The fields with the official weights; raises InputError if they are incomplete."""
    choices.refuse("what a NeRF is stands in its tensors")
    return nerf_from_official(read_networks(file.path))


def describe(config: NeRFConfig) -> str:
    """Size and layout, in a few words."""
    kind = "flexible layout" if config.flexible else "original layout"
    return f"radiance of one scene -> {config.depth} x {config.width} ({kind})"


def assumed(config: NeRFConfig) -> str:
    """The same, with what stands in no tensor."""
    grey = "white" if config.background else "black"
    samples = f"{config.coarse} + {config.fine} samples from {config.near} to {config.far}"
    return f"{describe(config)}, {samples}, on {grey}"


def is_nerf(content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's entries are those of a NeRF."""
    return bool(set(content) & {"network_fn_state_dict", "model_coarse_state_dict"})


def read_networks(path: Path) -> Networks:
    """The networks of an official file; of bmild's `.npy`, those of both files beside each other.

    Raises:
        InputError: The file is missing, damaged or no NeRF.
    """
    if path.suffix == ".npy":
        return _read_keras(path)
    content = load_checkpoint(path)
    if not is_nerf(content):
        raise InputError(f"{path} holds no NeRF: it has no network_fn_state_dict or model_coarse_state_dict")
    return {
        ours: {key.removeprefix("module."): tensor for key, tensor in content[name].items()}
        for name, ours in PARTS.items()
        if content.get(name)
    }


def infer_config(networks: Networks) -> NeRFConfig:
    """The config that the shapes tell of, for a scene of the synthetic set: near 2, far 6.

    The original was trained on white with 64 + 128 samples, the flexible on black with 64 + 64.

    Raises:
        InputError: These are not the weights of a NeRF.
    """
    ours = _renamed(networks["coarse"])
    flexible = "layer1.weight" in networks["coarse"]
    if "trunk.0.weight" not in ours or "density.weight" not in ours:
        raise InputError("its keys are those of no NeRF: pts_linears, or layer1, are missing")
    trunk = {int(key.split(".")[1]): t for key, t in ours.items() if re.fullmatch(r"trunk\.\d+\.weight", key)}
    width, place = trunk[0].shape
    view = ours.get("view.weight")
    return NeRFConfig(
        depth=len(trunk),
        width=width,
        skips=tuple(k - 1 for k, weight in sorted(trunk.items()) if k and weight.shape[1] == width + place),
        octaves=(place - 3) // 6,
        view_octaves=None if view is None else (view.shape[1] - width - 3) // 6,
        flexible=flexible,
        fine=64 if flexible else 128,
        two="fine" in networks,
        near=2.0,
        far=6.0,
        box=BOX,
        up="z",
        background=0.0 if flexible else 1.0,
    )


def nerf_from_official(networks: Networks, config: NeRFConfig | None = None) -> NeRF:
    """The system with the official weights, in evaluation mode, in the frame of the official cameras.

    Raises:
        InputError: A key is missing, unknown or of another shape than the config asks for.
    """
    config = config or infer_config(networks)
    system = NeRF(config)
    for part, state in networks.items():
        field = getattr(system, part)
        if field is None:
            raise InputError(f"there is a {part} network, which the config leaves out")
        ours = _renamed(state)
        expected = field.state_dict()
        check_complete(ours, expected, _same({**ours, **expected}))
        field.load_state_dict(ours)
    # what the networks take are places in the world
    system.place.copy_(torch.diag(torch.tensor([config.extent] * 3 + [1.0], dtype=torch.float64)))
    return system.eval()


def official_from_nerf(system: NeRF) -> Networks:
    """The weights under the original's names; only for fields of its layout with directions.

    Raises:
        InputError: The field is of another layout.
    """
    if system.config.flexible or system.config.view_octaves is None:
        raise InputError("only fields of the original layout, with directions, have official names")
    fields = {"coarse": system.coarse, "fine": system.fine}
    return {name: official_from_ours(f.state_dict(), ORIGINAL) for name, f in fields.items() if f is not None}


def as_trained(camera: Camera, shrunk: float = 1.0) -> Camera:
    """The camera whose pixels fall where official weights saw them.

    Official rays through pixel i go through i, where its middle is i + 1/2 of a training pixel.

    Args:
        camera: With pixel centres at +0.5, the principal point in the middle.
        shrunk: Edge of the camera's picture over that of the training pictures, as 1/4.
    """
    matrix = camera.pixel_from_camera.copy()
    matrix[:2, 2] += HALF * shrunk
    return replace(camera, pixel_from_camera=matrix)


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One network under our names."""
    state = dict(state)
    if "layer1.weight" in state:
        first = {f"trunk.0.{leaf}": state.pop(f"layer1.{leaf}") for leaf in ("weight", "bias")}
        ours = ours_from_official(state, FLEXIBLE)
        return first | {_moved(key): tensor for key, tensor in ours.items()}
    if "output_linear.weight" in state:  # no directions: colour and density in one layer, a fifth row unused
        for leaf in ("weight", "bias"):
            out = state.pop(f"output_linear.{leaf}")
            state |= {f"rgb_linear.{leaf}": out[:3], f"alpha_linear.{leaf}": out[3:4]}
        state = {k: t for k, t in state.items() if not k.startswith(("views_linears", "feature_linear"))}
    return ours_from_official(state, ORIGINAL)


def _moved(key: str) -> str:
    return re.sub(r"^trunk\.(\d+)", lambda found: f"trunk.{int(found[1]) + 1}", key)


def _same(state: Mapping[str, Tensor]) -> list[Rename]:
    """Names for messages about tensors that have been renamed already."""
    return [Rename(name, name) for name in dict.fromkeys(key.rpartition(".")[0] for key in state)]


def _read_keras(path: Path) -> Networks:
    """The original's model_NNNNNN.npy and, beside it, model_fine_NNNNNN.npy."""
    coarse = path.with_name(path.name.replace("model_fine_", "model_"))
    files = {"coarse": coarse, "fine": path.with_name(coarse.name.replace("model_", "model_fine_"))}
    if not coarse.is_file():
        raise InputError(f"{path}: the coarse network, {coarse.name}, should lie beside it")
    found = {name: file for name, file in files.items() if file.is_file()}
    return {name: _from_keras(file, read_arrays(file)) for name, file in found.items()}


def _from_keras(path: Path, arrays: list[np.ndarray]) -> dict[str, Tensor]:
    """Kernels are (in, out) there: trunk, feature, view, rgb and density, in this order.

    Networks without directions end with one layer of four or five outputs.
    """
    pairs = list(zip(arrays[::2], arrays[1::2], strict=True)) if len(arrays) % 2 == 0 else []
    if not pairs or any(w.ndim != 2 or b.shape != w.shape[1:] for w, b in pairs):
        raise InputError(f"{path} is no list of kernels and biases in turn, as NeRF's `get_weights` gives")
    last = pairs[-1][0].shape[1]
    ends = (
        ["feature_linear", "views_linears.0", "rgb_linear", "alpha_linear"]
        if last == 1
        else ["output_linear"]
    )
    names = [*(f"pts_linears.{k}" for k in range(len(pairs) - len(ends))), *ends]
    state = {}
    for name, (kernel, bias) in zip(names, pairs, strict=True):
        state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel.T, np.float32))
        state[f"{name}.bias"] = torch.from_numpy(np.asarray(bias, np.float32).copy())
    return state
