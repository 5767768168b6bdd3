"""Meshes become training samples in the layout of Occupancy Networks.

    DATASET/<category>/<id>/points.npz          uniform points, packed occupancies, loc, scale
                           /points_surface.npz  the same near the surface
                           /pointcloud.npz      what a scanner sees: points and normals, loc, scale
                           /model.binvox        32^3 voxels, full where the surface or the inside is
                           /sdf.npz             points of known signed distance, if they are asked for
                           /img_choy2016        pictures from random sides, and their cameras
    DATASET/<category>/{train,val,test}.lst
    DATASET/metadata.yaml, manifest.json

A model's folder appears in one step when all of its samples are there, then its voxels, its
pictures and its distances, so an interrupted run leaves nothing half done, and the next one goes on.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from isofield.data.complete import is_complete
from isofield.data.manifest import Entry, Manifest
from isofield.data.models import Model
from isofield.data.prepare_model import PARTIAL, SAMPLES, Settings, prepare_model
from isofield.data.prepare_sdf import has_distances
from isofield.data.splits import split_of, write_lists
from isofield.errors import InputError

Task = tuple[Model, Entry | None]
"""A model, and its entry if it has its samples already."""


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
    known = before.entries if before and _same_samples(before, settings) else {}
    manifest = Manifest(wanted, dict(known))
    todo = [
        (model, sampled)
        for model, sampled in ((m, _sampled(m, known.get((m.category, m.id)), dataset)) for m in models)
        if sampled is None or not _is_complete(model, sampled, dataset, settings)
    ]
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


def _same_samples(before: Manifest, settings: Settings) -> bool:
    wanted = settings.of_samples()
    return {k: v for k, v in before.settings.items() if k in wanted} == wanted


def _sampled(model: Model, entry: Entry | None, dataset: Path) -> Entry | None:
    """The entry, if what it says about the samples is still true."""
    true = (
        entry is not None
        and entry.status != "failed"
        and entry.source == model.source
        and entry.fingerprint == model.fingerprint()
        and entry.is_finished(dataset / model.category / model.id, SAMPLES)
    )
    return entry if true else None


def _is_complete(model: Model, entry: Entry, dataset: Path, settings: Settings) -> bool:
    folder = dataset / model.category / model.id
    complete = is_complete(entry, folder, settings.views, settings.view_size)
    return complete and has_distances(entry, folder, settings.sdf_points)


def _run(todo: Sequence[Task], dataset: Path, settings: Settings, jobs: int) -> Iterator[Entry]:
    """Entries as they are ready.

    A mesh that takes its process down (out of memory, a fault in compiled code) takes the pool with
    it; what was under way is then tried again, each model in a process of its own.
    """
    if jobs <= 1 or len(todo) < 2:
        for model, sampled in todo:
            yield prepare_model(model, dataset, settings, sampled)
        return
    left = {(task[0].category, task[0].id): task for task in todo}
    while left:
        try:
            for entry in _pooled(list(left.values()), dataset, settings, jobs):
                del left[entry.category, entry.id]
                yield entry
        except BrokenProcessPool:
            for model, sampled in list(left.values())[: 2 * jobs]:
                del left[model.category, model.id]
                yield _alone(model, sampled, dataset, settings)


def _pooled(todo: Sequence[Task], dataset: Path, settings: Settings, jobs: int) -> Iterator[Entry]:
    """Entries of a pool that is given little ahead, so that an interruption waits for little."""
    with ProcessPoolExecutor(jobs) as pool:
        waiting: set[Future[Entry]] = set()
        queue = iter(todo)
        while True:
            for model, sampled in islice(queue, 2 * jobs - len(waiting)):
                waiting.add(pool.submit(prepare_model, model, dataset, settings, sampled))
            if not waiting:
                return
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def _alone(model: Model, sampled: Entry | None, dataset: Path, settings: Settings) -> Entry:
    """The entry of a model prepared in a process of its own."""
    try:
        with ProcessPoolExecutor(1) as pool:
            return pool.submit(prepare_model, model, dataset, settings, sampled).result()
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
