"""The fit of a scene to photos: done once for the same photos and options, and what the record says of it."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli.console import Console
from isofield.cli.result_folder import SCENE, read_run
from isofield.cli.run_record import sha256
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.observation import Views
    from isofield.scene import Scene
    from isofield.systems.radiance import RadianceConfig
    from isofield.systems.radiance_scene import Fitted

STATE = Path("cache") / "state.npz"
"""In the folder of the results: what an interrupted fit goes on from."""


@dataclass(frozen=True)
class Done:
    """How a fit went, as the record keeps it."""

    fingerprint: str
    attempts: int
    stages: list[dict[str, Any]]


def fitted_scene(
    config: "RadianceConfig", views: "Views", folder: Path, console: Console
) -> "tuple[Scene, dict[str, Any]]":
    """The scene, kept in a file, and what the record says about how it was found.

    A scene that the folder has from the very same photos and options is taken as it is.

    Raises:
        InputError: The photos agree on nothing, or the scene cannot be written.
    """
    import torch

    torch.set_num_threads(1)  # the rays' lanes are the threads here; others would only wait for each other
    mark = fingerprint(config, views)
    fitted, done = _known(folder, mark, console) or _fresh(config, views, folder, mark, console)
    if done.attempts > 1:
        console.warn(
            f"at first nothing was learnt: these are the results of attempt {done.attempts}; look at them"
        )
    back = fitted.world_from_scene
    placed = {
        "scale": back.scale,
        "rotation": back.rotation.tolist(),
        "translation": back.translation.tolist(),
    }
    return fitted.scene(), {
        "system": "radiance",
        "fit": {"fingerprint": done.fingerprint, "attempts": done.attempts},
        "stages": done.stages,
        "normalisation": {"world_from_scene": placed},
        "photos": {"count": len(views), "pixels": list(views.images[0].shape[1::-1])},
    }


def fingerprint(config: "RadianceConfig", views: "Views") -> str:
    """Of all that a fit depends on: the options, what was read of the photos, and the version of isofield."""
    import numpy as np

    whole = hashlib.sha256(repr((version("isofield"), config, views.held_out)).encode())
    lists = [views.images, views.masks or [], views.depths or []]
    cameras = [part for c in views.cameras for part in (c.pixel_from_camera, c.camera_from_world)]
    for arrays in (*lists, cameras, [] if views.points is None else [views.points]):
        for array in arrays:
            whole.update(repr(array.shape).encode())
            whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def _known(folder: Path, mark: str, console: Console) -> "tuple[Fitted, Done] | None":
    """What is there already, if it was made by the same fit and not touched since."""
    from isofield.systems.radiance import read_fitted

    run, scene = read_run(folder), folder / SCENE
    if not (run and scene.is_file()):
        return None
    if run.get("fit", {}).get("fingerprint") != mark:
        console.note(f"{folder} holds a scene of other photos or options, which is replaced")
        return None
    hashes = [one.get("sha256") for one in run.get("outputs", []) if Path(one.get("path", "")).name == SCENE]
    if sha256(scene) not in hashes:
        return None
    console.note(
        "fitted before, with the same photos and options: only mesh, views and report are made anew;"
        " other photos, another --quality, --longest or --seed fit anew"
    )
    console.expect("fit", 0.0)
    return read_fitted(scene), Done(mark, int(run["fit"].get("attempts", 1)), run.get("stages", []))


def _fresh(
    config: "RadianceConfig", views: "Views", folder: Path, mark: str, console: Console
) -> "tuple[Fitted, Done]":
    from isofield.systems.radiance import Radiance, write_fitted

    system, state = Radiance(config), folder / STATE
    state.parent.mkdir(exist_ok=True)
    with console.stage("fit") as advance:
        try:
            fitted = system.fit(views, advance, state)
        except InputError:  # would fail again
            state.unlink(missing_ok=True)
            raise
        write_fitted(folder / SCENE, config, fitted)
    state.unlink(missing_ok=True)
    stages = [
        {
            "name": stage.name,
            "resolution": stage.resolution,
            "steps": stage.steps,
            "seconds": round(measures.seconds, 2),
            "rays_per_second": round(measures.rays / max(measures.seconds, 1e-9)),
            "samples_per_ray": round(measures.samples, 2),
            "psnr": round(measures.psnr, 2),
        }
        for stage, measures in system.measures
    ]
    return fitted, Done(mark, system.attempts, stages)
