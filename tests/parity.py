"""Compares our systems with the numbers that the original implementations gave.

    python tests/parity.py FOLDER

A golden is a pair NAME.json / NAME.npz: the official config, inputs and outputs. Its weights
are drawn again from the official key names (golden/weights.py). ADAPTERS holds, per system,
the function that runs our classes on a golden; outputs are compared with the golden's own
tolerance. Goldens of systems without adapter are named and left alone.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from isofield.condition import Code

Golden = tuple[dict[str, Any], dict[str, np.ndarray]]
Outputs = Mapping[str, Tensor | np.ndarray]


def _beside(name: str, place: str) -> ModuleType:
    """A module of a file in this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WEIGHTS = _beside("golden_weights", "golden/weights.py")
"""The given module that draws weights and inputs."""
SURFACE = _beside("parity_surface", "parity_surface.py")
"""Adapters of systems that see surfaces in pictures."""


def convonet(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """Features and logits of a ConvONet, plain and bound."""
    from isofield.official.convonet import convonet_from_official
    from isofield.official.convonet_config import config_from_official

    system = convonet_from_official(WEIGHTS.state_dict(meta), config_from_official(meta["config"]))
    seen = torch.as_tensor(WEIGHTS.make_input(meta, data, "inputs"))
    points = torch.as_tensor(WEIGHTS.make_input(meta, data, "points"))
    cells = {
        k.removeprefix("index_"): torch.as_tensor(v[:, 0]).long()
        for k, v in data.items()
        if k.startswith("index_")
    }
    condition = system.encoder(seen, cells=cells) if cells else system.encoder(seen)
    out: dict[str, Tensor] = {"out_logits": system.field(points, condition)}
    if len(points) == 1:
        out["bound out_logits"] = system.field.bind(condition)(points[0])[None]
    if system.config.encoder == "pointnet2":
        return out | {"out_fea_points": thinned(condition.features, data["out_fea_points"], (1, 10, 1))}
    for name, features in condition.maps.items():
        steps = (1, 8, 4, 4, 4) if name == "grid" else (1, 8, 8, 8)
        out[f"out_fea_{name}"] = thinned(features, data[f"out_fea_{name}"], steps)
        out[f"out_fea_{name}_meanstd"] = torch.stack([features.mean(), features.std()])
    return out


def onet(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """Codes, logits and normals of an occupancy network, plain and bound; losses of the generative one."""
    from isofield.official.onet import config_from_official, onet_from_official
    from isofield.systems.onet import divergence

    system = onet_from_official(WEIGHTS.state_dict(meta), config_from_official(meta["config"]))
    points = torch.as_tensor(WEIGHTS.make_input(meta, data, "points"))
    out: dict[str, Tensor] = {}
    code = z = None
    if "inputs" in meta["inputs"]:
        seen = torch.as_tensor(WEIGHTS.make_input(meta, data, "inputs"))
        seen = seen.movedim(1, -1) if system.config.sees == "image" else seen
        code = out["out_c"] = system.encoder(seen).vector
    if "z" in meta["inputs"]:
        z = torch.as_tensor(WEIGHTS.make_input(meta, data, "z"))
    if "eps" in meta["inputs"]:
        inside = torch.as_tensor(WEIGHTS.make_input(meta, data, "occ"))
        posterior = system.latent(points, inside, code)
        z = posterior.mean + posterior.stddev * torch.as_tensor(WEIGHTS.make_input(meta, data, "eps"))
        out |= {"out_z_mean": posterior.mean, "out_z_logstd": posterior.stddev.log()}
    condition = system.condition(code, z)
    logits = out["out_logits"] = system.field(points, condition)
    rows = [
        system.field.bind(Code(vector[None]))(p) for vector, p in zip(condition.vector, points, strict=True)
    ]
    out["bound out_logits"] = torch.stack(rows)
    if "eps" in meta["inputs"]:
        entropy = binary_cross_entropy_with_logits(logits, inside, reduction="none").sum(-1)
        out |= {"out_kl": divergence(posterior), "out_bce_sum": entropy}
        out["out_loss"] = (out["out_kl"].mean() + entropy.mean())[None]
    if "out_normals" in data:
        with torch.enable_grad():
            moved = points.clone().requires_grad_()
            (slope,) = torch.autograd.grad(system.field(moved, condition).sum(), moved)
        out["out_normals"] = -normalize(slope, dim=-1)
    return out


MISE_FIELDS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "torus": lambda x, y, z: 6 * (0.13 - np.sqrt((np.sqrt(x**2 + y**2) - 0.3) ** 2 + z**2)),
    "blob": lambda x, y, z: (
        3
        * (
            0.32
            + 0.05 * np.sin(9 * x) * np.cos(7 * y + 1)
            + 0.04 * np.sin(8 * z)
            - np.sqrt(x**2 + y**2 + z**2)
        )
    ),
    "far": lambda x, y, z: np.full(len(x), -3.0),
    "gyroid": lambda x, y, z: (
        3 * (np.sin(8 * x) * np.cos(8 * y) + np.sin(8 * y) * np.cos(8 * z) + np.sin(8 * z) * np.cos(8 * x))
    ),
}
"""The formulas that the MISE golden writes out."""


def mise(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """What the original extraction asked in each round, and the grid it arrived at, in every case."""
    from isofield.extract.mise import mise

    out: dict[str, np.ndarray] = {}
    for k, case in enumerate(meta["cases"]):
        side = case["dense_shape"][0]
        field, box, level = MISE_FIELDS[case["field"]], 1 + case["padding"], case["logit_threshold"]
        grid = mise(
            lambda nodes, field=field, box=box, side=side: field(*(box * (nodes / (side - 1) - 0.5)).T),
            case["resolution0"],
            case["upsampling_steps"],
            level,
        )
        inside = grid.values >= level
        numbers = {
            "queries_per_round": grid.rounds,
            "point_set_crc32": crc32(np.flatnonzero(grid.known).astype("<i8").tobytes()),
            "occupied": inside.sum(),
            "occupancy_crc32": crc32(np.packbits(inside).tobytes()),
            "value_sum": grid.values.sum(),
            "value_sum_known": grid.values[grid.known].sum(),
        }
        out |= {f"out_{k}_{name}": np.asarray(value, np.float64) for name, value in numbers.items()}
    return out


def thinned(full: Tensor, like: np.ndarray, steps: tuple[int, ...]) -> Tensor:
    """Every so many entries along each axis; where the golden's shape says otherwise, what leads to it."""
    fitted = [
        step if -(-size // step) == wanted else max(1, round(size / wanted))
        for step, size, wanted in zip(steps, full.shape, like.shape, strict=True)
    ]
    return full[tuple(slice(None, None, step) for step in fitted)]


def nerf(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """Everything about NeRF."""
    from parity_nerf import nerf

    return nerf(WEIGHTS, meta, data)


def imnet(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """Everything about IM-NET."""
    from parity_imnet import imnet

    return imnet(WEIGHTS, meta, data)


def atlasnet(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """Everything about AtlasNet."""
    from parity_atlasnet import atlasnet

    return atlasnet(WEIGHTS, meta, data)


def ldif(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """Elements, and the sums of them with and without local networks."""
    from parity_ldif import ldif

    return ldif(WEIGHTS, meta, data)


def deepsdf(meta: dict[str, Any], data: dict[str, np.ndarray]) -> Outputs:
    """Everything about DeepSDF."""
    from parity_deepsdf import deepsdf

    return deepsdf(WEIGHTS, meta, data)


ADAPTERS: dict[str, Callable[[dict[str, Any], dict[str, np.ndarray]], Outputs]] = {
    "convonet": convonet,
    "onet": onet,
    "mise": mise,
    "NeRF": nerf,
    "IM-NET": imnet,
    "AtlasNet": atlasnet,
    "SIF/LDIF": ldif,
    "DeepSDF": deepsdf,
    "dvr": lambda meta, data: SURFACE.dvr(meta, data, WEIGHTS),
    "IDR": lambda meta, data: SURFACE.idr(meta, data, WEIGHTS),
}
"""meta["system"] -> our outputs `out_*`; an adapter may add 'NAME out_*' for a second way to one."""


@dataclass(frozen=True)
class Verdict:
    """The largest error of one golden."""

    output: str
    error: float
    """Absolute."""
    share: float
    """Part of the tolerance it uses up; above 1 is a mismatch."""


def compare(found: Outputs, data: Mapping[str, np.ndarray], tolerance: Mapping[str, float]) -> Verdict:
    """The output that uses up most of its tolerance.

    Raises:
        ValueError: An output is missing, or has another shape than the golden's.
    """
    wanted = {key for key in data if key.startswith("out_")}
    if missing := wanted - set(found):
        raise ValueError(f"the adapter gives no {', '.join(sorted(missing))}")
    if not wanted:
        raise ValueError("the golden has no outputs")
    verdicts = []
    for name, value in found.items():
        ours, theirs = np.asarray(torch.as_tensor(value).detach(), np.float64), data[name.split()[-1]]
        if ours.shape != theirs.shape:
            raise ValueError(f"{name} has shape {ours.shape}, the golden {theirs.shape}")
        error = np.abs(ours - theirs)
        if name.split()[-1] in tolerance:  # one number per output, absolute
            share = error / tolerance[name.split()[-1]]
        else:
            share = error / (tolerance["atol"] + tolerance["rtol"] * np.abs(theirs))
        worst = float(share.max()) if np.isfinite(share).all() else inf
        verdicts.append(Verdict(name, float(error.max()), worst))
    return max(verdicts, key=lambda verdict: verdict.share)


def main(arguments: list[str]) -> int:
    """Exit code: 0 when something was compared and everything agreed."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python tests/parity.py FOLDER", file=sys.stderr)
        return 2
    folder, passed, failed, unknown = Path(arguments[0]), 0, 0, []
    for file in sorted(folder.glob("*.json")):
        try:
            meta, data = read(file)
            if kind(meta) not in ADAPTERS:
                unknown.append(f"{file.stem} ({meta['system']})")
                continue
            with torch.no_grad():
                verdict = compare(ADAPTERS[kind(meta)](meta, data), data, tolerance_of(meta, data))
        except Exception as error:
            print(f"FAIL {file.stem:28} {type(error).__name__}: {error}")
            failed += 1
            continue
        good = verdict.share <= 1
        passed, failed = passed + good, failed + (not good)
        word = "ok  " if good else "FAIL"
        size = f"largest error {verdict.error:.2e}, {verdict.share:.3f} of the tolerance"
        print(f"{word} {file.stem:28} {size} ({verdict.output})")
    if unknown:
        print(f"no adapter yet: {', '.join(unknown)}")
    print(f"{passed} agree, {failed} differ, {len(unknown)} without adapter")
    return 0 if passed and not failed else 1


def kind(meta: dict[str, Any]) -> str:
    """Key into ADAPTERS; one golden of the occupancy networks is about their extraction alone."""
    return "mise" if meta.get("variant") == "MISE" else meta["system"]


def tolerance_of(meta: dict[str, Any], data: Mapping[str, np.ndarray]) -> Mapping[str, float]:
    """The golden's own, in numbers where it has words."""
    return SURFACE.TOLERANCES.get(meta["system"], lambda meta, data: meta["tolerance"])(meta, data)


def read(file: Path) -> Golden:
    """A golden's json and arrays; arrays are empty for systems without adapter."""
    import json

    meta = json.loads(file.read_text())
    if kind(meta) not in ADAPTERS:
        return meta, {}
    if kind(meta) == "mise":
        names = ("queries_per_round", "point_set_crc32", "occupied", "occupancy_crc32")
        names += ("value_sum", "value_sum_known")
        wanted = {
            f"out_{k}_{name}": np.asarray(case[name], np.float64)
            for k, case in enumerate(meta["cases"])
            for name in names
        }
        # Counts and checksums are far apart when they differ; sums differ by the order of adding.
        return meta | {"tolerance": {"atol": 1e-6, "rtol": 0.0}}, wanted
    with np.load(file.with_suffix(".npz")) as arrays:
        return meta, dict(arrays)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
