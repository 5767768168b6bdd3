"""Meshes become training samples in the layout of Occupancy Networks.

    DATASET/<category>/<id>/points.npz          uniform points, packed occupancies, loc, scale
                           /points_surface.npz  the same near the surface
                           /pointcloud.npz      what a scanner sees: points and normals, loc, scale
    DATASET/<category>/{train,val,test}.lst
    DATASET/metadata.yaml, manifest.json

A model's folder appears in one step when all of its files are there, so an interrupted run leaves
nothing half done, and the next one goes on.
"""

import os
import shutil
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from isofield.data import sampling
from isofield.data.manifest import Entry, Manifest
from isofield.data.models import Model
from isofield.data.orient import oriented
from isofield.data.splits import split_of, write_lists
from isofield.data.surfaces import enclosed, outer_surface
from isofield.errors import InputError
from isofield.geometry.mesh import Mesh

PARTIAL = ".partial"


@dataclass(frozen=True)
class Settings:
    """What a data set is made with; another setting makes every model anew."""

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


class UnclearError(Exception):
    """The mesh can be read, but says nothing clear about inside and outside; carries its entry."""

    def __init__(self, entry: Entry, reason: str) -> None:
        super().__init__(reason)
        self.entry = replace(entry, status="dropped", reason=reason)


@dataclass(frozen=True)
class Judged:
    """A mesh with what its winding number says on uniform points."""

    mesh: Mesh
    inside: float
    undecided: float
    crisp: bool
    """No point inside sees out, so rays that escape prove their origin outside."""
    repaired: float = 0.0

    @property
    def ambiguous(self) -> float:
        """Undecided volume in units of the inside volume; infinite without an inside."""
        return self.undecided / self.inside if self.inside > 0 else float("inf")


def judge(mesh: Mesh, seed: int, repaired: float = 0.0, count: int = 20_000) -> Judged:
    """Shares of uniform points inside, and undecided: |w| in (0.2, 0.8), or turned inside out."""
    samples = sampling.uniform(mesh, count, seed)
    w = samples.winding
    undecided = ((np.abs(w) > 0.2) & (np.abs(w) < 0.8)) | (w < -0.5)
    crisp = bool(enclosed(mesh, samples.points[samples.inside], tries=8).all())
    return Judged(mesh, float(samples.inside.mean()), float(undecided.mean()), crisp, repaired)


def clearest(mesh: Mesh, seed: int) -> Judged:
    """The mesh or a repaired version of it, whichever leaves the smallest share of its inside undecided."""
    best = judge(mesh, seed)
    if best.ambiguous < 0.01:
        return best
    for candidate, repaired in oriented(mesh, seed, (1.0, 2.0, 4.0)):
        other = judge(candidate, seed, repaired)
        if other.ambiguous < 0.9 * best.ambiguous:
            best = other
    return best


def prepare_model(model: Model, dataset: Path, settings: Settings) -> Entry:
    """Sample one model and write its folder; what went wrong is in the entry, not raised."""
    start = time.perf_counter()
    entry = Entry(
        model.id, model.category, model.source, "", "ok", creator=model.creator, licence=model.licence,
        split=split_of(model.id),
    )  # fmt: skip
    try:
        entry = replace(entry, fingerprint=model.fingerprint())
        with time_limit(settings.seconds):
            entry = _sample(model, dataset, settings, entry)
    except UnclearError as dropped:
        entry = dropped.entry
    except Exception as error:  # one bad file never ends the run: its reason goes to the manifest
        text = (
            str(error) if isinstance(error, InputError | TimeoutError) else f"{type(error).__name__}: {error}"
        )
        entry = replace(entry, status="failed", reason=text)
    return replace(entry, seconds=round(time.perf_counter() - start, 3))


def _sample(model: Model, dataset: Path, settings: Settings, entry: Entry) -> Entry:
    seed = zlib.crc32(f"{settings.seed}/{model.id}".encode())
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


def prepare(
    models: Sequence[Model],
    dataset: Path,
    settings: Settings,
    jobs: int = 1,
    report: Callable[[int, int, Entry], None] = lambda done, total, entry: None,
) -> Manifest:
    """Prepare all models that an earlier run has not finished, then write lists and manifest.

    Models that failed before are tried again; models of the data set that are not asked for now stay.

    Args:
        models: What to prepare.
        dataset: Folder to write to; created if missing.
        settings: Other settings than those of the manifest there prepare everything anew.
        jobs: Processes; 1 works in this one.
        report: Called after each model with how many are done, of how many.

    Raises:
        InputError: The folder can't be written, or its manifest is damaged.
    """
    try:
        dataset.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {dataset}: {error.strerror}") from error
    wanted = asdict(settings)
    before = Manifest.read(dataset)
    known = before.entries if before and before.settings == wanted else {}
    manifest = Manifest(wanted, dict(known))
    todo = [m for m in models if not _is_done(m, known.get((m.category, m.id)), dataset)]
    done, saved = len(models) - len(todo), time.monotonic()
    for entry in _run(todo, dataset, settings, jobs):
        manifest.entries[entry.category, entry.id] = entry
        done += 1
        report(done, len(models), entry)
        if time.monotonic() - saved > 2:
            manifest.write(dataset)
            saved = time.monotonic()
    shutil.rmtree(dataset / PARTIAL, ignore_errors=True)
    _finish(manifest, dataset)
    return manifest


def _is_done(model: Model, entry: Entry | None, dataset: Path) -> bool:
    return (
        entry is not None
        and entry.status != "failed"
        and entry.source == model.source
        and entry.fingerprint == model.fingerprint()
        and entry.is_finished(dataset / model.category / model.id)
    )


def _run(todo: Sequence[Model], dataset: Path, settings: Settings, jobs: int) -> Iterator[Entry]:
    """Entries as they are ready.

    A mesh that takes its process down (out of memory, a fault in compiled code) takes the pool with
    it; what was under way is then tried again, each model in a process of its own.
    """
    if jobs <= 1 or len(todo) < 2:
        for model in todo:
            yield prepare_model(model, dataset, settings)
        return
    left = {(model.category, model.id): model for model in todo}
    while left:
        try:
            for entry in _pooled(list(left.values()), dataset, settings, jobs):
                del left[entry.category, entry.id]
                yield entry
        except BrokenProcessPool:
            for model in list(left.values())[: 2 * jobs]:
                del left[model.category, model.id]
                yield _alone(model, dataset, settings)


def _pooled(todo: Sequence[Model], dataset: Path, settings: Settings, jobs: int) -> Iterator[Entry]:
    """Entries of a pool that is given little ahead, so that an interruption waits for little."""
    with ProcessPoolExecutor(jobs) as pool:
        waiting: set[Future[Entry]] = set()
        queue = iter(todo)
        while True:
            for model in islice(queue, 2 * jobs - len(waiting)):
                waiting.add(pool.submit(prepare_model, model, dataset, settings))
            if not waiting:
                return
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def _alone(model: Model, dataset: Path, settings: Settings) -> Entry:
    """The entry of a model prepared in a process of its own."""
    try:
        with ProcessPoolExecutor(1) as pool:
            return pool.submit(prepare_model, model, dataset, settings).result()
    except BrokenProcessPool:
        return Entry(
            model.id, model.category, model.source, model.fingerprint(), "failed",
            "its process died, most likely for want of memory",
            model.creator, model.licence, split_of(model.id),
        )  # fmt: skip


def _finish(manifest: Manifest, dataset: Path) -> None:
    """Write split lists, metadata and manifest; remove the folders of models that no longer pass."""
    categories: dict[str, list[str]] = {}
    for (category, name), entry in sorted(manifest.entries.items()):
        if entry.status == "ok":
            categories.setdefault(category, []).append(name)
        elif (dataset / category / name).is_dir():
            shutil.rmtree(dataset / category / name)
    for category, ids in categories.items():
        write_lists(dataset / category, ids)
    lines = (f"{category}:\n  id: {category}\n  name: {category}\n" for category in categories)
    (dataset / "metadata.yaml").write_text("".join(lines), encoding="utf-8")
    manifest.write(dataset)
