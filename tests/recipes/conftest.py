"""What tests of recipes share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def store() -> Callable[[Path, float, np.random.Generator], None]:
    """Writes the samples of a ball as one model of a data set: labelled points, and a cloud with normals."""

    def write(folder: Path, radius: float, draw: np.random.Generator) -> None:
        folder.mkdir()
        frame = {"loc": np.zeros(3), "scale": np.float64(1)}
        points = draw.uniform(-0.55, 0.55, (6000, 3))
        normals = draw.standard_normal((6000, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        inside = np.linalg.norm(points, axis=1) < radius
        np.savez(folder / "points.npz", points=points, occupancies=inside, **frame)
        np.savez(folder / "pointcloud.npz", points=radius * normals, normals=normals, **frame)

    return write
