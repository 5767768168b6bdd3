"""What an interrupted fit of `radiance.py` goes on from: one file, written whole or not at all."""

import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import torch

from isofield.data.atomic import atomic_write
from isofield.fields.shading import Shading
from isofield.render.voxels import VoxelField
from isofield.systems.radiance_scene import field_from, field_tensors
from isofield.systems.radiance_stage import Trainer

if TYPE_CHECKING:
    from isofield.systems.radiance_fit import Fit


def fingerprint(fit: "Fit") -> str:
    """Of the orders and the pictures."""
    whole = hashlib.sha256(repr(fit.orders).encode())
    for part in (fit.pixels.colours[:: 1 + len(fit.pixels) // 100_000], fit.pixels.turns):
        whole.update(part.contiguous().numpy().tobytes())
    return whole.hexdigest()


def save(fit: "Fit", number: int, trainer: Trainer) -> None:
    """Writes what the stage of this number has come to; nothing if no file is asked for."""
    if fit.state is None:
        return
    light = io.BytesIO()
    shading, optimiser = fit.light.shading.state_dict(), fit.light.optimiser.state_dict()
    first = None if fit.volume_shading is None else fit.volume_shading.state_dict()
    torch.save([shading, fit.light.background.data, fit.light.exposure.data, optimiser, first], light)
    parts: dict[str, Any] = {
        "fingerprint": fingerprint(fit),
        "stage": number,
        "done": trainer.done,
        "attempt": fit.attempt,
        "error": trainer.measures.error,
        "light": np.frombuffer(light.getvalue(), np.uint8),
        **{f"moment{i}": moment for i, moment in enumerate(trainer.adam.moments)},
        **_arrays("now", trainer.voxels, whole=True),
    }
    for name, known in (("volume", fit.volume), ("surface", fit.surface)):
        if known is not None:
            parts |= _arrays(name, known)
    with atomic_write(fit.state) as temporary, temporary.open("wb") as file:
        np.savez(file, **parts)


def restored(fit: "Fit") -> tuple[int, dict[str, np.ndarray] | None]:
    """The stage to go on with, and its state; from the beginning if there is none that fits."""
    if fit.state is None or not fit.state.exists():
        return 0, None
    try:
        with np.load(fit.state) as file:
            kept = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile):
        return 0, None
    if str(kept.get("fingerprint")) != fingerprint(fit):
        return 0, None
    for name in ("volume", "surface"):
        if f"{name}.kind" in kept:
            setattr(fit, name, field_of(kept, name))
    fit.attempt = int(kept["attempt"])
    light = torch.load(io.BytesIO(kept["light"].tobytes()), weights_only=True)
    fit.light.shading.load_state_dict(light[0])
    fit.light.background.data, fit.light.exposure.data = light[1], light[2]
    fit.light.optimiser.load_state_dict(light[3])
    if light[4] is not None:
        fit.volume_shading = Shading(fit.orders.channels, fit.orders.width)
        fit.volume_shading.load_state_dict(light[4])
    return int(kept["stage"]), kept


def _arrays(name: str, voxels: VoxelField, whole: bool = False) -> dict[str, np.ndarray]:
    found = {f"{name}.{key}": value.numpy() for key, value in field_tensors(voxels).items()}
    return found | ({f"{name}.all": voxels.raw} if whole else {})


def field_of(kept: dict[str, np.ndarray], name: str = "now") -> VoxelField:
    """A field in a state that was written."""
    keys = ("cells", "raw", "features", "scale", "kind")
    voxels = field_from({key: torch.from_numpy(kept[f"{name}.{key}"]) for key in keys})
    return replace(voxels, raw=kept[f"{name}.all"]) if f"{name}.all" in kept else voxels
