"""The sphere training, importable from tests and startable as a script."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).with_name("sphere_run.py")


@pytest.fixture(scope="session")
def sphere() -> ModuleType:
    """The module sphere_run."""
    spec = importlib.util.spec_from_file_location("sphere_run", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sphere_run"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def one_thread() -> dict[str, str]:
    """Environment of a process whose arithmetic is repeatable."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its import is slow and not what these tests are about."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
