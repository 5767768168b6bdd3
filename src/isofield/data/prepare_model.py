"""One mesh becomes the files of one model: judged, repaired if that helps, sampled, written at once."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isofield.data import sampling
from isofield.data.complete import completed
from isofield.data.judging import clearest, judge, seed_of
from isofield.data.manifest import Entry
from isofield.data.models import Model
from isofield.data.prepare_sdf import with_distances
from isofield.data.splits import split_of
from isofield.data.surfaces import enclosed, outer_surface
from isofield.errors import InputError
from isofield.geometry.mesh import Mesh

SAMPLES = ("points.npz", "points_surface.npz", "pointcloud.npz")
PARTIAL = ".partial"
"""Folder of the data set in which models are written before they move to their place."""


@dataclass(frozen=True)
class Settings:
    """What a data set is made with; other settings make it anew; of views and distances, these alone."""

    points: int = 100_000
    """Uniform points per model."""
    near: int = 50_000
    """Points near the surface per model; 0 for none."""
    cloud: int = 100_000
    """Surface points per model."""
    orient: bool = True
    """Turn inside-out faces and merge doubled ones where that makes the inside clearer."""
    min_inside: float = 1e-3
    """Models whose inside is a smaller share of the cube of side 1.1 are dropped."""
    max_ambiguous: float = 0.5
    """Models are dropped if more volume than this, in units of their inside, is undecided."""
    seconds: float = 300.0
    """A model that takes longer has failed."""
    seed: int = 0
    views: int = 24
    """Pictures per model; 0 for none."""
    view_size: int = 224
    """Pixels along an edge of a picture."""

    sdf_points: int = 0
    """Points of known signed distance per model; 0 for none."""

    def of_samples(self) -> dict[str, Any]:
        """The settings that the samples depend on."""
        return {k: v for k, v in asdict(self).items() if k not in ("views", "view_size", "sdf_points")}


class UnclearError(Exception):
    """The mesh can be read, but says nothing clear about inside and outside; carries its entry."""

    def __init__(self, entry: Entry, reason: str) -> None:
        super().__init__(reason)
        self.entry = replace(entry, status="dropped", reason=reason)


def prepare_model(model: Model, dataset: Path, settings: Settings, sampled: Entry | None = None) -> Entry:
    """Sample one model, write its folder, add voxels and pictures; what went wrong is in the entry.

    Args:
        model: Which.
        dataset: Folder of the data set.
        settings: How.
        sampled: Of an earlier run whose samples are still there; only what else is missing is added.
    """
    start = time.perf_counter()
    entry = sampled or Entry(model.id, model.category, model.source, "", "ok", split=split_of(model.id))
    entry = replace(entry, creator=model.creator, licence=model.licence, title=model.title, tags=model.tags)
    try:
        with time_limit(settings.seconds):
            if sampled is None:
                entry = _sample(model, dataset, settings, replace(entry, fingerprint=model.fingerprint()))
            entry = completed(
                entry, model, dataset, dataset / PARTIAL, settings.views, settings.view_size, settings.seed
            )
            entry = with_distances(entry, model, dataset, settings.sdf_points, settings.seed, settings.orient)
    except UnclearError as dropped:
        entry = dropped.entry
    except Exception as error:  # one bad file never ends the run: its reason goes to the manifest
        text = (
            str(error) if isinstance(error, InputError | TimeoutError) else f"{type(error).__name__}: {error}"
        )
        entry = replace(entry, status="failed", reason=text)
    return replace(entry, seconds=round(entry.seconds + time.perf_counter() - start, 3))


def _sample(model: Model, dataset: Path, settings: Settings, entry: Entry) -> Entry:
    seed = seed_of(settings.seed, model.id)
    mesh, loc, scale = sampling.normalised(model.read())
    judged = clearest(mesh, seed) if settings.orient else judge(mesh, seed)
    entry = replace(entry, faces=len(mesh.faces), repaired=round(judged.repaired, 4))
    volume = sampling.uniform(judged.mesh, settings.points, seed, judged.crisp)
    inside = float(volume.inside.mean())
    ambiguous = judged.undecided / max(inside, settings.min_inside)
    entry = replace(entry, inside=round(inside, 5), ambiguous=round(ambiguous, 4))
    if inside < settings.min_inside:
        raise UnclearError(entry, f"no inside: {inside:.2%} of the cube")
    if ambiguous > settings.max_ambiguous:
        raise UnclearError(entry, f"ambiguous: undecided volume is {ambiguous:.2f} of the inside")
    try:
        surface, normals = outer_surface(judged.mesh, settings.cloud, seed, crisp=judged.crisp)
    except ValueError as error:
        raise UnclearError(entry, str(error)) from error
    frame = {"loc": np.asarray(loc, np.float64), "scale": np.asarray(scale, np.float64)}
    files: dict[str, dict[str, np.ndarray]] = {
        "points.npz": _labelled(volume, judged.mesh) | frame,
        "pointcloud.npz": {"points": surface.astype(np.float16), "normals": normals.astype(np.float16)}
        | frame,
    }
    if settings.near:
        near = sampling.near_surface(judged.mesh, surface, settings.near, seed + 1, judged.crisp)
        files["points_surface.npz"] = _labelled(near, judged.mesh) | frame
    return replace(entry, bytes=_write(dataset, model, files))


def _labelled(samples: sampling.Labelled, mesh: Mesh) -> dict[str, np.ndarray]:
    """Arrays of a points file; `hidden` marks free points that nothing outside can see, packed alike."""
    hidden = ~samples.inside
    hidden[hidden] = enclosed(mesh, samples.points[hidden])
    return {
        "points": samples.points.astype(np.float16),
        "occupancies": np.packbits(samples.inside),
        "hidden": np.packbits(hidden),
    }


def _write(dataset: Path, model: Model, files: dict[str, dict[str, np.ndarray]]) -> dict[str, int]:
    """Write all files beside the data set, then move the folder into its place."""
    partial = dataset / PARTIAL / f"{model.category}-{model.id}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, arrays in files.items():
        np.savez(partial / name, allow_pickle=False, **arrays)
    target = dataset / model.category / model.id
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    partial.replace(target)
    return {name: (target / name).stat().st_size for name in sorted(files)}


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError when the body takes longer, as soon as Python is back from compiled code.

    Where the system has no timer, or off the main thread, there is no limit.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
