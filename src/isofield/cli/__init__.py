"""The command line; one file per verb.

Each file holds a frozen dataclass of arguments, named after its verb, and `run(args) -> int`.
Only the verb that was typed is imported, and torch only when it starts to work.
"""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from isofield.cli.options import Options
from isofield.errors import InputError


@dataclass(frozen=True)
class Verb:
    """Where a verb lives and what it does, in one line."""

    module: str
    arguments: str
    """Name of the dataclass of arguments in that module."""
    summary: str


VERBS: dict[str, Verb] = {
    "reconstruct": Verb("isofield.cli.reconstruct", "Reconstruct", "a scan, picture or voxels become a mesh"),
    "generate": Verb("isofield.cli.generate", "Generate", "shapes that a network makes up"),
    "interpolate": Verb("isofield.cli.interpolate", "Interpolate", "the shapes between two shapes"),
    "complete": Verb("isofield.cli.complete", "Complete", "a scan of one side becomes a whole"),
    "fit": Verb("isofield.cli.fit", "Fit", "a system learns the shape of a mesh by heart"),
    "render": Verb("isofield.cli.render", "Render", "pictures and films of a mesh or a learnt scene"),
    "check": Verb("isofield.cli.check", "Check", "what a scan or a folder holds, and what to type next"),
    "convert": Verb("isofield.cli.convert", "Convert", "an official checkpoint becomes a weights file"),
    "prepare": Verb("isofield.cli.prepare", "Prepare", "meshes become a data set to train on"),
    "train": Verb("isofield.cli.train", "Train", "a system learns its weights from a data set"),
    "evaluate": Verb("isofield.cli.evaluate", "Evaluate", "meshes or systems are measured against the truth"),
    "bench": Verb("isofield.cli.bench", "Bench", "representations of the same shapes are compared"),
    "cite": Verb("isofield.cli.cite", "Cite", "the papers behind a system, as BibTeX"),
}

ALONE = ("--texture",)
"""Options whose number may be left out."""
EXAMPLE = "isofield reconstruct scan.ply -o mesh.glb"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 a fault of isofield, 2 a fault of the input, 130 interrupted.

    Nobody meets a traceback: faults of isofield are written to a file that the message names.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except InputError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # Whoever read our output has left (`isofield ... | head`): nothing more to say to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _complain("not enough memory; try a smaller --resolution or fewer points", 1)
    except Exception as error:
        where = _write_traceback(words)
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return _complain(f"this is a bug in isofield ({what}); its traceback is in {where}", 1)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] == "--version":
        from isofield import __version__

        print(f"isofield {__version__}")
        return 0
    name, *rest = words
    if name not in VERBS:
        raise InputError(_unknown(name))
    verb = VERBS[name]
    module = import_module(verb.module)
    try:
        args = _parse(name, getattr(module, verb.arguments), rest)
    except SystemExit as stop:  # tyro has printed help (0) or what is wrong with the words (2)
        return int(stop.code or 0)
    common = getattr(args, "common", None)
    if isinstance(common, Options):
        common.apply()
    return module.run(args)


def overview() -> str:
    """What `isofield --help` prints; made from the table alone, so that it comes at once."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items())
    return (
        f"usage: isofield VERB ...\n\n3D reconstruction in function space, on a laptop.\n\n{verbs}\n\n"
        f"For example:  {EXAMPLE}\nMore on one:  isofield VERB --help"
    )


def _unknown(name: str) -> str:
    if Path(name).suffix:
        return f"the first word is a verb, {name!r} is not; try: isofield reconstruct {name}"
    close = get_close_matches(name, VERBS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "isofield --help lists all verbs"
    return f"there is no verb {name!r}; {hint}"


def _parse(name: str, arguments: type, words: list[str]) -> object:
    import tyro

    flags = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    return tyro.cli(arguments, prog=f"isofield {name}", args=_alone_last(words), config=flags)


def _alone_last(words: list[str]) -> list[str]:
    """Options that stand without their number go to the end, where they take no other word for it."""
    ahead = [*words[1:], ""][: len(words)]
    alone = [
        word in ALONE and not after.lstrip("-").isdigit() for word, after in zip(words, ahead, strict=True)
    ]
    kept = [word for word, stands in zip(words, alone, strict=True) if not stands]
    return kept + [word for word, stands in zip(words, alone, strict=True) if stands]


def _complain(sentence: str, code: int) -> int:
    print(f"isofield: {sentence}", file=sys.stderr)
    return code


def _write_traceback(words: list[str]) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="isofield-", suffix=".traceback.txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"isofield {' '.join(words)}\n\n{traceback.format_exc()}")
    return Path(file.name)
