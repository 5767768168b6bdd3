"""`isofield train SYSTEM DATA -o RUN`: learn a system's weights from a data set."""

import dataclasses
import json
import os
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from isofield.cli.console import print_table
from isofield.cli.options import Options
from isofield.cli.run_record import as_json, versions
from isofield.errors import InputError
from isofield.training.options import TrainOptions


@dataclass(frozen=True)
class Train:
    """Train a system; the same command again resumes.

    On several GPUs or machines: torchrun --nproc-per-node=4 -m isofield train ...
    """

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
    json: bool = False
    """Print one JSON object on stdout, for programs; nothing else goes there."""
    quiet: bool = False
    """Print nothing but errors."""
    options: tyro.conf.OmitArgPrefixes[TrainOptions] = field(default_factory=TrainOptions)


def run(args: Train) -> int:
    """Exit code 0 once the training has ended.

    Raises:
        InputError: No such system, field or data, or another training in the folder.
    """
    check_options(args.options)
    Options(threads=args.options.threads).apply()
    from isofield.training.run_folder import RunFolder

    cls, config = _system(args.system, args.set)
    if not args.data.exists():
        raise InputError(f"there is no data set {args.data}")
    config = cls.suited(config, args.data)
    folder = RunFolder(args.output, record(args, config), args.restart)
    folder.check()
    from isofield.training.loop import train
    from isofield.training.state import seed_step

    source = cls.batches(config, args.data, args.options.seed, args.options.batch_size)
    seed_step(args.options.seed, 0)
    system = cls(config)
    if args.weights is not None:
        _start_from(system, args.system, args.weights)
    outcome = train(system, source, folder, args.options, quiet=args.quiet)
    if os.environ.get("RANK", "0") == "0":
        _finish(args, folder.weights, outcome)
    return 0 if outcome.step >= args.options.steps else 130


def _system(name: str, settings: tuple[str, ...]) -> tuple[Any, Any]:
    """Class and config of the system."""
    from isofield.systems import SYSTEMS, config_class, system_class

    if name not in SYSTEMS:
        raise InputError(f"there is no system {name!r}; choose one of {', '.join(SYSTEMS)}")
    cls = system_class(name)
    if not hasattr(cls, "batches"):
        raise InputError(f"{name} learns nothing from data sets{_instead(name)}")
    return cls, override(config_class(name)(), settings)


def _instead(name: str) -> str:
    """What to do with a system that is not trained, in words that end a sentence."""
    known = {
        "grid": "isofield fit learns it from a mesh",
        "radiance": "isofield reconstruct learns it from photos",
        "idr": "docs/idr.md tells how it learns one object in Python",
    }
    return f"; {known[name]}" if name in known else ", so there is nothing to train; choose another system"


def _start_from(system: Any, name: str, weights: Path) -> None:
    from isofield.training.weights import load_weights

    try:
        system.load_state_dict(load_weights(weights).tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{weights} doesn't fit {name} with this config: {reason}") from None


def _finish(args: Train, weights: Path, outcome: Any) -> None:
    if args.json:
        found = {"weights": str(weights), "steps": outcome.step, "seconds": outcome.seconds, **outcome.means}
        print(json.dumps(found))
    elif not args.quiet:
        loss = outcome.means.get("loss")
        rows = {
            "weights": str(weights),
            "steps": f"{outcome.step} of {args.options.steps}",
            "loss": "none was finite" if loss is None else f"{loss:.5f}",
            "time": f"{outcome.seconds:.0f} s",
        }
        print_table("Training", rows)


def check_options(options: TrainOptions) -> None:
    """Nothing, if all values are possible.

    Raises:
        InputError: One isn't; the message names it.
    """
    rule = "is impossible; give a positive number"
    for name in ("steps", "batch_size", "learning_rate", "log_every", "patience", "workers"):
        value = getattr(options, name)
        if not value > 0:
            raise InputError(f"--{name.replace('_', '-')} {value} {rule}")
    for name in ("clip", "save_every", "save_minutes", "validate_every", "preview_every"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise InputError(
                f"--{name.replace('_', '-')} {value} is impossible; give a positive number or None"
            )
    if options.ema is not None and not 0 < options.ema < 1:
        raise InputError(f"--ema {options.ema} is impossible; give a decay between 0 and 1, or None")


def record(args: Train, config: Any) -> dict[str, Any]:
    """What config.json says about a training, as plain JSON values."""
    return {
        "system": args.system,
        "config": as_json(config),
        "data": str(args.data.resolve()),
        "weights": None if args.weights is None else str(args.weights.resolve()),
        "options": as_json(args.options),
        "versions": versions(),
    }


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
