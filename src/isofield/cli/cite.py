"""`isofield cite SYSTEM ...`: what to cite when a system was used."""

import json
from dataclasses import dataclass
from typing import Annotated

import tyro

from isofield.errors import InputError


@dataclass(frozen=True)
class Cite:
    """Print the BibTeX entries of the papers behind systems, ready to be appended to a .bib file."""

    systems: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Names of systems, or the run records (.run.json, fit.json, config.json) of what was made; all
    systems if left out."""
    json: bool = False
    """Print one JSON object on stdout, for programs; nothing else goes there."""


def run(args: Cite) -> int:
    """Exit code 0; raises InputError for a name that is no system's."""
    from isofield.systems import SYSTEMS
    from isofield.systems.citations import PAPERS

    names = [system_named(word) for word in args.systems] or list(SYSTEMS)
    papers = {paper.key: paper for name in names for paper in PAPERS[name]}
    if args.json:
        print(json.dumps({key: paper.bibtex() for key, paper in papers.items()}, indent=2))
    else:
        print("\n\n".join(paper.bibtex() for paper in papers.values()))
    return 0


def system_named(word: str) -> str:
    """The system that a word names, or whose record it is the file of.

    Raises:
        InputError: It names none.
    """
    from pathlib import Path

    from isofield.systems import SYSTEMS

    if word in SYSTEMS:
        return word
    path = Path(word)
    if not path.is_file():
        raise InputError(f"there is no system {word!r}; choose one of {', '.join(SYSTEMS)}")
    try:
        name = json.loads(path.read_text())["system"]
    except (ValueError, KeyError, TypeError):
        name = None
    if name not in SYSTEMS:
        raise InputError(f"{path} is no record of a run: it names no system")
    return name
