"""`isofield train SYSTEM DATA -o RUN`: learn a system's weights from a data set."""

import dataclasses
import json
import platform
import types
import typing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from isofield.errors import InputError
from isofield.training.options import TrainOptions


@dataclass(frozen=True)
class Train:
    """Train a system; the same command again resumes."""

    system: tyro.conf.Positional[str]
    """Name in the catalogue."""
    data: tyro.conf.Positional[Path]
    """Data set, as `isofield prepare` writes it or the system's guide describes it."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Run folder: config.json, metrics.jsonl, weights.safetensors, state."""
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Override a field of the system's config, as KEY=VALUE; may be repeated."""
    weights: Path | None = None
    """Start from these weights instead of random ones."""
    restart: bool = False
    """Start over; the old run folder is renamed."""
    quiet: bool = False
    """No progress on the terminal."""
    options: tyro.conf.OmitArgPrefixes[TrainOptions] = field(default_factory=TrainOptions)


def run(args: Train) -> int:
    """Exit code 0 once the training has ended.

    Raises:
        InputError: No such system, field or data, or another training in the folder.
    """
    from isofield.systems import config_class, system_class

    try:
        cls, config_cls = system_class(args.system), config_class(args.system)
    except (ValueError, AttributeError, ModuleNotFoundError) as error:
        raise InputError(str(error)) from None
    if not hasattr(cls, "batches"):
        raise InputError(f"system {args.system!r} learns nothing, so there is nothing to train")
    config = override(config_cls(), args.set)
    if not args.data.exists():
        raise InputError(f"there is no data set {args.data}")
    from isofield.training.run_folder import RunFolder

    folder = RunFolder(args.output, record(args, config), args.restart)
    folder.check()
    return _train(args, cls, config, folder)


def _train(args: Train, cls: Any, config: Any, folder: Any) -> int:
    from isofield.training.loop import train
    from isofield.training.state import seed_step
    from isofield.training.weights import load_weights

    options = args.options
    source = cls.batches(config, args.data, options.seed, options.batch_size)
    seed_step(options.seed, 0)
    system = cls(config)
    if args.weights:
        start = load_weights(args.weights)
        try:
            system.load_state_dict(start.tensors)
        except RuntimeError as error:
            raise InputError(f"{args.weights} doesn't fit {args.system} with this config: {error}") from None
    train(system, source, folder, options, quiet=args.quiet)
    return 0


def record(args: Train, config: Any) -> dict[str, Any]:
    """What config.json says about a training, as plain JSON values."""
    from importlib.metadata import version

    versions = {name: version(name) for name in ("isofield", "torch", "numpy", "accelerate")}
    data = str(args.data.resolve())
    start = str(args.weights.resolve()) if args.weights else None
    whole = {
        "system": args.system,
        "config": asdict(config),
        "data": data,
        "weights": start,
        "options": asdict(args.options),
        "versions": {**versions, "python": platform.python_version()},
    }
    return json.loads(json.dumps(whole, default=str))


def override(config: Any, settings: tuple[str, ...]) -> Any:
    """The config with `KEY=VALUE` settings applied, each read as its field's type.

    Raises:
        InputError: No such field, or the value isn't of its type.
    """
    hints = typing.get_type_hints(type(config))
    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting} is not KEY=VALUE")
        if key not in {f.name for f in dataclasses.fields(config)}:
            known = ", ".join(f.name for f in dataclasses.fields(config))
            raise InputError(f"{type(config).__name__} has no field {key!r}; there are: {known}")
        try:
            values[key] = read_as(hints[key], text)
        except ValueError:
            raise InputError(f"--set {setting}: {text!r} is not {type_words(hints[key])}") from None
    return dataclasses.replace(config, **values)


def read_as(hint: Any, text: str) -> Any:
    """The text as a value of the annotated type; tuples are separated by commas.

    Raises:
        ValueError: It can't be read so.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _first(inner, text)
    if origin is Literal:
        return next(value for value in inner if str(value) == text) if text in map(str, inner) else _fail()
    if origin is tuple:
        parts = [part.strip() for part in text.strip("()[] ").split(",") if part.strip()]
        kinds = [inner[0]] * len(parts) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) != len(parts):
            raise ValueError(text)
        return tuple(read_as(kind, part) for kind, part in zip(kinds, parts, strict=True))
    if hint is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        return words[text.lower()] if text.lower() in words else _fail()
    if hint is type(None):
        return None if text.lower() == "none" else _fail()
    return hint(text)


def _first(kinds: tuple[Any, ...], text: str) -> Any:
    for kind in sorted(kinds, key=lambda k: k is not type(None)):  # `none` before any string
        try:
            return read_as(kind, text)
        except ValueError:
            continue
    return _fail()


def _fail() -> typing.NoReturn:
    raise ValueError("not of this type")


def type_words(hint: Any) -> str:
    """The type in the words of an error message."""
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    return str(hint) if typing.get_origin(hint) else getattr(hint, "__name__", str(hint))
