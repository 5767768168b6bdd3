"""One shape in every representation: fitted, measured, drawn. What is there already is not done again."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isofield.errors import InputError

VOXELS = (16, 32, 64, 128)
POINTS = (512, 2_048, 8_192)
MESHES = (4, 16, 64, 256)
"""Kibibytes."""
COUNT = 50_000
"""Samples of each surface, and of the volume, that measures are taken on."""
PICTURE = (240, 200)
"""Pixels of the pictures."""


@dataclass(frozen=True)
class Task:
    """One shape's part of the benchmark; plain values, for another process."""

    mesh: Path
    folder: Path
    systems: tuple[str, ...]
    effort: float
    seed: int

    @property
    def name(self) -> str:
        return self.mesh.stem

    def row_of(self, contender: str) -> Path:
        """File of what was measured."""
        return self.folder / "rows" / self.name / f"{contender}.json"

    def is_done(self, contender: str) -> bool:
        """Whether that was measured already, of this mesh in this way."""
        path = self.row_of(contender)
        return path.exists() and json.loads(path.read_text())["made_of"] == self.made_of

    @cached_property
    def made_of(self) -> dict[str, Any]:
        """What decides on the rows."""
        from isofield.cli.run_record import sha256

        return {"mesh": sha256(self.mesh), "effort": self.effort, "seed": self.seed}


def contenders(systems: Sequence[str]) -> list[str]:
    """Names of all representations, explicit ones first."""
    explicit = [f"voxels_{n}" for n in VOXELS] + [f"points_{n}" for n in POINTS]
    return [*explicit, *(f"mesh_{n}k" for n in MESHES), *systems]


def work(task: Task) -> str:
    """Do what is missing of a task in one thread; its name.

    Raises:
        InputError: The mesh can't be used.
    """
    import torch

    torch.set_num_threads(1)
    missing = [name for name in contenders(task.systems) if not task.is_done(name)]
    if missing:
        bench = ShapeBench(task)
        for name in missing:
            bench.measure(name)
    return task.name


class ShapeBench:
    """One shape and what is known of it."""

    def __init__(self, task: Task) -> None:
        from isofield.cli.fit import read_shape, sampled
        from isofield.metrics.evaluate import Truth

        self.task = task
        mesh = read_shape(task.mesh)
        self.shape = sampled(task.mesh, mesh, task.seed)
        unit = self.shape.world_from_unit.inverse()
        self.mesh = replace(mesh.transformed(unit), normals=None, colours=None)
        self.truth, _ = Truth.of(self.mesh, COUNT)

    def measure(self, name: str) -> None:
        """Represent the shape, and write its row, its mesh and its picture."""
        from isofield.data import atomic_write

        row = self._learned(name) if name in self.task.systems else self._explicit(name)
        row = {"shape": self.task.name, "representation": name, **row, "made_of": self.task.made_of}
        path = self.task.row_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(row, indent=1) + "\n")

    def _explicit(self, name: str) -> dict[str, Any]:
        from isofield.metrics.explicit import Voxelised, decimated, drawn_points, mesh_bytes

        kind, size = name.split("_")
        start = time.perf_counter()
        if kind == "voxels":
            voxels = Voxelised.of(self.mesh, int(size))
            fitted = time.perf_counter() - start
            if not voxels.occupied.any():
                failed = "no cell's middle is inside: the shape is thinner than the voxels"
                return {"bytes": voxels.bytes, "fit_seconds": fitted, "failed": failed}
            mesh = voxels.mesh()
            seconds = {"fit_seconds": fitted, "extract_seconds": time.perf_counter() - start - fitted}
            return {"bytes": voxels.bytes, **seconds, **self._measures(name, mesh)}
        if kind == "points":
            points, amount = drawn_points(self.mesh, int(size))
            seconds = {"fit_seconds": time.perf_counter() - start, "extract_seconds": 0.0}
            return {"bytes": amount, **seconds, **self._point_measures(name, points)}
        coarse = decimated(self.mesh, int(size.removesuffix("k")) * 1024)
        seconds = {"fit_seconds": time.perf_counter() - start, "extract_seconds": 0.0}
        return {"bytes": mesh_bytes(coarse), **seconds, **self._measures(name, coarse)}

    def _learned(self, name: str) -> dict[str, Any]:
        from isofield.extract import surface_of
        from isofield.metrics.both_ways import BothWays
        from isofield.metrics.explicit import decimated

        system, fitting, seconds = self._fitted(name)
        parameters = sum(parameter.numel() for parameter in system.parameters())
        known: dict[str, Any] = {"parameters": parameters, "bytes": 4 * parameters, "fit_seconds": seconds}
        start = time.perf_counter()
        scene = fitting.scene(system, 0)
        back = self.shape.world_from_unit.inverse() @ scene.world_from_scene
        if scene.points is not None:
            known["extract_seconds"] = time.perf_counter() - start
            return {**known, **self._point_measures(name, back.apply(scene.points))}
        try:
            mesh = surface_of(scene).transformed(back)
        except InputError as error:
            return {**known, "failed": str(error)}
        known["extract_seconds"] = time.perf_counter() - start
        coarse = decimated(self.mesh, known["bytes"])
        known["same_bytes"] = BothWays.of(coarse, self.mesh, COUNT).error
        return {**known, **self._measures(name, mesh)}

    def _fitted(self, name: str) -> tuple[Any, Any, float]:
        """The system, what asks it, and the seconds of training."""
        from isofield.cli.run_record import as_json
        from isofield.systems import system_class
        from isofield.systems.fits import FITS
        from isofield.training.loop import train
        from isofield.training.run_folder import RunFolder
        from isofield.training.state import seed_step

        recipe = FITS[name]
        config = recipe.config(1)
        options = replace(
            recipe.options,
            steps=max(1, round(recipe.quick * self.task.effort)),
            seed=self.task.seed,
            threads=1,
            validate_every=max(1, round(recipe.quick * self.task.effort / 12)),
            preview_every=None,
        )
        fitting = recipe.fitting([self.shape], self.task.seed, options.batch_size)
        seed_step(self.task.seed, 0)
        system = system_class(name)(config)
        effort = f"{name}-{self.task.effort:g}-{self.task.seed}"
        folder = self.task.folder / "fits" / self.task.name / effort
        record = {
            "system": name,
            "config": as_json(config),
            "data": str(self.task.mesh),
            "options": as_json(options),
            "versions": {},
        }
        outcome = train(system, fitting, RunFolder(folder, record), options, quiet=True)
        if outcome.step < options.steps:
            raise KeyboardInterrupt
        shutil.rmtree(folder / "state", ignore_errors=True)  # large, and of no use any more
        return system, fitting, outcome.seconds

    def _measures(self, name: str, mesh: Any) -> dict[str, Any]:
        """All measures of a mesh in the unit box; it is written and drawn."""
        from isofield.data import write_mesh
        from isofield.metrics.evaluate import measure

        place = self.task.folder / "meshes" / self.task.name
        place.mkdir(parents=True, exist_ok=True)
        write_mesh(place / f"{name}.ply", replace(mesh, normals=None, colours=None))
        found = measure(mesh, self.truth, COUNT)
        self._draw(name, mesh)
        exact = (found["accuracy_to_triangles_mean"] + found["completeness_to_triangles_mean"]) / 2
        kept = ("iou", "normal_consistency", "fscore_0.01", "closed", "vertices", "faces")
        return {"error": exact, **{key: found[key] for key in kept}}

    def _point_measures(self, name: str, points: np.ndarray) -> dict[str, Any]:
        """What bare points have of them."""
        from isofield.metrics.both_ways import BothWays
        from isofield.metrics.evaluate import measure_points
        from isofield.metrics.surface import Samples
        from isofield.observation import PointCloud
        from isofield.report.picture import beads

        self._draw(name, beads(PointCloud(points), 0.006))
        found = measure_points(Samples(points, None), self.truth)
        error = BothWays.of(points, self.mesh, COUNT).error
        return {"error": error, "fscore_0.01": found["fscore_0.01"], "points": len(points)}

    def _draw(self, name: str, mesh: Any) -> None:
        from isofield.report.picture import Look, draw_mesh, write_picture

        place = self.task.folder / "pictures" / self.task.name
        place.mkdir(parents=True, exist_ok=True)
        look = Look(*PICTURE, samples=2, frame=self.frame, floor=False)
        write_picture(place / f"{name}.png", draw_mesh(replace(mesh, colours=None), look))

    @property
    def frame(self) -> Any:
        """What all pictures of the shape show."""
        from isofield.geometry import Box

        return Box.around(self.mesh.vertices)


def rows_of(tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
    """What was measured, shape by shape."""
    for task in tasks:
        for name in contenders(task.systems):
            path = task.row_of(name)
            if path.exists():
                yield json.loads(path.read_text())
