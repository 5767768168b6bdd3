"""What `isofield evaluate --system` measures: a system, shown of each model what it wants to see."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli.evaluation_truth import known
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.evaluate import Evaluate
    from isofield.data.shapenet import Item
    from isofield.geometry import Mesh
    from isofield.metrics import Samples
    from isofield.scene import Scene
    from isofield.system import System

POINTS = 3000
"""Points that a system sees of each model, if nothing else is said."""


def system_of(args: "Evaluate") -> "System":
    """The system to measure, ready to reconstruct.

    Raises:
        InputError: There is no such system, it lacks weights, or it sees nothing of a model.
    """
    from isofield.systems import SYSTEMS
    from isofield.systems.stored import load_system, ready_system

    name = args.system
    if name not in SYSTEMS:
        raise InputError(f"there is no system {name!r}; choose one of {', '.join(SYSTEMS)}")
    if args.weights is not None:
        system = load_system(args.weights, name)
    else:
        system = ready_system(name) if args.sees is None else ready_system(name, args.sees)
    if system.wants is None:
        raise InputError(f"this {name} sees nothing of a model, so it has no reconstructions to measure")
    return system


def sight(args: "Evaluate", system: "System") -> dict[str, Any]:
    """What the system is shown of each model, for the record."""
    from isofield.observation import Photo, PointCloud

    if system.wants is PointCloud:
        return {"points": _points(args, system), "noise": args.noise, "seed": args.common.seed}
    return {"view": args.view} if system.wants is Photo else {"sees": "voxels"}


def _points(args: "Evaluate", system: "System") -> int:
    """As the papers, networks are measured on as many points as they learned from."""
    trained = getattr(getattr(system, "config", None), "cloud_size", POINTS)
    return args.points or (trained if args.protocol == "onet" else POINTS)


def _observed(item: "Item", args: "Evaluate", system: "System") -> Any:
    """The model as the system wants to see it; clouds are noisy draws, the same every time."""
    from isofield.observation import Photo, Voxels

    if system.wants is Photo:
        return Photo(item.image(args.view))
    if system.wants is Voxels:
        return item.voxels()
    return item.scan(_points(args, system), args.noise, args.common.seed, args.normals)


def reconstructions(
    args: "Evaluate", system: "System"
) -> Callable[["Item"], Callable[[dict[str, Any]], "Mesh | Samples"]]:
    """For each model, what makes its mesh, or points, and adds to the row what is known of the function."""

    def predict(item: "Item") -> Callable[[dict[str, Any]], "Mesh | Samples"]:
        def made(row: dict[str, Any]) -> "Mesh | Samples":
            observation = _observed(item, args, system)
            with _timed(row):
                scene = system.reconstruct(observation)
            if scene.inside is not None:
                row |= _overlaps(scene, item, args)
            with _timed(row):
                found = _surface_of(scene)
            if args.meshes is not None:
                _keep(found, args.meshes / item.category / f"{item.id}.ply")
            return found

        return made

    return predict


def _surface_of(scene: "Scene") -> "Mesh | Samples":
    """The scene's mesh, extracted where there is an inside, or its points, in the frame of the input."""
    from isofield.extract import surface_of
    from isofield.metrics import Samples

    if scene.points is not None:
        return Samples(scene.world_from_scene.apply(scene.points), None)
    return surface_of(scene).transformed(scene.world_from_scene)


def _keep(made: "Mesh | Samples", path: Path) -> None:
    """What the system made, as a PLY file."""
    from isofield.data import write_mesh, write_points
    from isofield.metrics import Samples
    from isofield.observation import PointCloud

    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(made, Samples):
        write_points(path, PointCloud(made.points))
    else:
        write_mesh(path, made)


@contextmanager
def _timed(row: dict[str, Any]) -> Iterator[None]:
    """Adds the time within to the row."""
    start, cpu = time.perf_counter(), time.process_time()
    yield
    row["seconds"] = row.get("seconds", 0.0) + time.perf_counter() - start
    row["cpu_seconds"] = row.get("cpu_seconds", 0.0) + time.process_time() - cpu


def _overlaps(scene: "Scene", item: "Item", args: "Evaluate") -> dict[str, Any]:
    """IoU of the function itself with the truth, on the labelled points and, in the papers, on voxels."""
    from isofield.metrics import iou
    from isofield.metrics.occupancy_networks import resampled_voxels, voxel_centres

    truth = known(item, args)
    found: dict[str, Any] = {"iou_field": iou(scene.occupied(truth.points), truth.inside)}
    if args.protocol == "onet":
        stored = item.voxel_file.is_file()
        voxels = item.voxels().occupied if stored else resampled_voxels(truth.points, truth.inside)
        found["iou_voxels"] = iou(scene.occupied(voxel_centres(len(voxels))), voxels.reshape(-1))
        found["voxels"] = "stored" if stored else "resampled"
    return found
