"""What a system makes of shapes that it doesn't learn from: by its public face, as a user would see it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isofield.data import write_mesh
from isofield.data.occupancy import Known
from isofield.extract import extract_mesh
from isofield.metrics.volume import iou
from isofield.system import System


def mean_iou(system: System, held: Sequence[Known]) -> dict[str, float]:
    """Mean IoU of the reconstructed insides on the known points."""
    ious = [iou(system.reconstruct(known.observation).occupied(known.points), known.inside) for known in held]
    return {"iou": float(np.mean(ious))} if ious else {}


def write_previews(system: System, held: Sequence[Known], folder: Path, step: int, count: int = 2) -> None:
    """Meshes of the first shapes, in the frame of their observation."""
    for number, known in enumerate(held[:count]):
        scene = system.reconstruct(known.observation)
        if scene.inside is None:
            return
        mesh = extract_mesh(scene.inside, scene.box, resolution=96)
        write_mesh(folder / f"{step:09d}-{number}.ply", mesh.transformed(scene.world_from_scene))
