"""A system from its weights file."""

from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from isofield.errors import InputError
from isofield.scene import Scene
from isofield.system import System
from isofield.systems import SYSTEMS, config_class, system_class
from isofield.training.weights import load_weights


def load_system(path: Path, expected: str | None = None) -> System:
    """The system that a weights file names, with its config and weights, in evaluation mode.

    Args:
        path: A file written by `isofield train` or `isofield convert`.
        expected: The system's name, if only that one will do.

    Raises:
        InputError: The file isn't readable, is of another system, or doesn't fit its config.
    """
    stored = load_weights(path)
    if stored.system not in SYSTEMS or stored.system != (expected or stored.system):
        wanted = expected or f"one of {', '.join(SYSTEMS)}"
        raise InputError(f"{path} holds weights of the system {stored.system!r}, not of {wanted}")
    config = config_from_json(config_class(stored.system), stored.config, path)
    system = system_class(stored.system)(config)
    asked = {name: tensor.shape for name, tensor in system.state_dict().items()}
    found = {name: tensor.shape for name, tensor in stored.tensors.items()}
    if wrong := sorted(name for name in asked | found if asked.get(name) != found.get(name)):
        raise InputError(
            f"{path}: its weights don't fit its config, first {wrong[0]!r}; convert or train again"
        )
    system.load_state_dict(stored.tensors)
    return system.eval()


def known_scene(path: Path) -> Scene:
    """The scene that a network knows by heart: a weights file of one shape, or of one scene.

    Raises:
        InputError: As `load_system`, or the network needs an observation first.
    """
    if load_weights(path).system == "radiance":
        from isofield.systems.radiance import read_fitted

        return read_fitted(path).scene()
    system = load_system(path)
    if system.wants is not None:
        raise InputError(
            f"{path}: {name_of(system)} shows what it reconstructs from an observation;"
            f" reconstruct first: isofield reconstruct OBSERVATION --weights {path.name}"
        )
    return system.reconstruct(None)


def shipped_weights(name: str, sees: str | None = None) -> Path | None:
    """The weights of a system that come with isofield; None if it has none, or needs none.

    Args:
        name: The system's name.
        sees: For systems with weights per kind of observation, the kind: points, image, nothing ...
    """
    folder = Path(str(files("isofield"))) / "weights"
    names = [name] if sees is None else [f"{name}_{sees}", name]
    return next((path for each in names if (path := folder / f"{each}.safetensors").exists()), None)


def ready_system(name: str, sees: str | None = None) -> System:
    """A system of the catalogue as it comes: with the weights it ships with, or none if it needs none.

    Args:
        name: The system's name.
        sees: Kind of observation it is for, as in `shipped_weights`.

    Raises:
        InputError: It learns from data, and no weights come with it.
    """
    if (weights := shipped_weights(name, sees)) is not None:
        return load_system(weights, name)
    cls = system_class(name)
    if hasattr(cls, "batches"):
        what = "" if sees is None else f" (isofield comes with none for {sees})"
        raise InputError(
            f"the system {name!r} learns from data; give what it has learnt as --weights FILE{what}"
        )
    return cls(config_class(name)()).eval()


def name_of(system: System) -> str:
    """The name of a system in the catalogue."""
    kind = type(system)
    return next(name for name, place in SYSTEMS.items() if place == (kind.__module__, kind.__name__))


def config_from_json(cls: type, values: dict[str, Any], path: Path) -> Any:
    """The dataclass with the given fields, lists becoming tuples.

    Raises:
        InputError: A field that the class doesn't have.
    """
    known = {field.name for field in fields(cls)}
    if unknown := sorted(set(values) - known):
        raise InputError(f"{path}: its config has the field {unknown[0]!r}, unknown here; update isofield")
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
