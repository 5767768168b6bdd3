"""Write `commands.md` from the command line itself: `python docs/make_commands.py`."""

import argparse
import re
import warnings
from importlib import import_module
from pathlib import Path

import tyro

from isofield.cli import VERBS

PAGE = Path(__file__).with_name("commands.md")
HEAD = """# Commands

Made from the command line itself by `python docs/make_commands.py`. `isofield VERB --help` says the same.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return HEAD + "".join(section(name) for name in VERBS)


def section(name: str) -> str:
    """One verb: what it does, its arguments, its options."""
    verb = VERBS[name]
    arguments = getattr(import_module(verb.module), verb.arguments)
    # The same settings as `isofield.cli` parses with.
    flags = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    with warnings.catch_warnings():
        # tyro will drop its argparse face one day; there is no other list of options yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        parser = tyro.extras.get_parser(arguments, prog=f"isofield {name}", config=flags)
    rows = [row(action) for action in parser._actions if "--help" not in action.option_strings]
    about = re.sub(r"\s*\n\s*", " ", (parser.description or "").strip())
    return f"\n## isofield {name}\n\n{about}\n\n| argument | default | meaning |\n|---|---|---|\n" + "".join(
        rows
    )


def row(action: argparse.Action) -> str:
    """One line of the table."""
    text = " ".join(str(action.help or "").split())
    text, _, default = text.partition(" (default: ")
    default = default.rstrip(")")
    if action.option_strings:
        words = ", ".join(f"`{option}`" for option in sorted(action.option_strings, key=len, reverse=True))
    else:
        words = f"`{plain(str(action.metavar or action.dest))}`"
    default = f"`{default}`" if default not in ("", "None", "False") else ""
    default = "required" if "(required)" in text else default
    text = text.replace(" (required)", "").replace("|", "\\|")
    return f"| {words} | {default} | {text} |\n"


def plain(words: str) -> str:
    """What stands for an argument, without the brackets that tell how often it may."""
    bare = re.sub(r"[\[\]{}]", "", words).removeprefix("None|")
    return re.sub(r"(\w+) \1 \.\.\.", r"\1 ...", bare)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
