"""The resume state: one safetensors file per saved step, written whole or not at all.

Holds the weights, the averaged weights, the optimiser's tensors and, as JSON in the metadata,
every number. Random numbers need no state: each step seeds its generators from (seed, step, rank).
Nothing is pickled.
"""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from isofield.training.averages import Ema
from isofield.training.durable import durable_write


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed the global generators of torch, numpy and Python for one step."""
    words = np.random.SeedSequence([seed, step, rank]).generate_state(3)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002 - systems may draw from the global generator
    random.seed(int(words[2]))


def save_state(
    folder: Path,
    step: int,
    module: nn.Module,
    optimiser: Optimizer,
    ema: Ema | None,
    numbers: dict,
    keep: int = 2,
) -> Path:
    """Path of the written state after `step` steps; of the older ones the last `keep - 1` stay."""
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.state().items()} if ema else {}
    scalars: dict[str, dict[str, Any]] = {}
    memory = optimiser.state_dict()
    for index, entries in memory["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    record = {"step": step, "numbers": numbers, "groups": memory["param_groups"], "scalars": scalars}
    flat = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    path = folder / f"{step:09d}.safetensors"
    with durable_write(path) as part:
        part.write_bytes(save(flat, {"isofield": json.dumps(record)}))
    for old in sorted(folder.glob("[0-9]*.safetensors"))[:-keep]:
        old.unlink()
    return path


def load_state(
    folder: Path, module: nn.Module, optimiser: Optimizer, ema: Ema | None
) -> tuple[int, dict[str, Any]] | None:
    """Steps done and the saved numbers, after restoring everything else; None without a state.

    A damaged newest file (a failing disk) falls back to the one before.
    """
    for path in sorted(folder.glob("[0-9]*.safetensors"), reverse=True):
        try:
            with safe_open(path, "pt") as file:
                record = json.loads(file.metadata()["isofield"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            continue
        module.load_state_dict(_below(tensors, "model."))
        if ema:
            ema.restore(_below(tensors, "ema."))
        _restore_optimiser(optimiser, record, _below(tensors, "optimiser."))
        return record["step"], record["numbers"]
    return None


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _restore_optimiser(optimiser: Optimizer, record: dict, tensors: dict[str, Tensor]) -> None:
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {int(i): dict(entries) for i, entries in record["scalars"].items()}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        like = parameters[int(index)]
        # the memory layout of the parameter (channels last) decides the order of the arithmetic
        value = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
        state.setdefault(int(index), {})[key] = value
    for group in record["groups"]:
        group["betas"] = tuple(group["betas"])
    optimiser.load_state_dict({"state": state, "param_groups": record["groups"]})
