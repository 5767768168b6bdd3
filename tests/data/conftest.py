"""The writers of `points_on_disk` as fixtures (tests are no package to import from)."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="session")
def disk() -> ModuleType:
    """The module points_on_disk."""
    spec = importlib.util.spec_from_file_location(
        "points_on_disk", Path(__file__).parent / "points_on_disk.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    """Twenty points with normals and colours, exact in float32."""
    draw = np.random.default_rng(0)
    result = {name: draw.normal(size=20).astype(np.float32) for name in "xyz"}
    normals = draw.normal(size=(20, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    result |= {f"n{name}": normals[:, i].astype(np.float32) for i, name in enumerate("xyz")}
    return result | {name: draw.integers(0, 256, 20).astype(np.uint8) for name in ("red", "green", "blue")}
