"""Models of a data set by what a catalogue calls them."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from isofield.data.manifest import Entry, Manifest
from isofield.data.shapenet import Item
from isofield.errors import InputError


def chosen(root: Path, models: Sequence[Item], words: Iterable[str], none_ok: bool = False) -> list[Item]:
    """Models with one of the words in their title, tags or id; all of them if there are no words.

    Whole words count, in the singular or the plural: `table` finds "Coffee tables" and `roundTable`, not
    "Vegetables". So ask for `chair` and `armchair`.

    Args:
        root: Folder of the data set.
        models: To choose from.
        words: What they may be called.
        none_ok: No model is an answer.

    Raises:
        InputError: The data set has no manifest, or the words fit none of the models.
    """
    wanted = {word.lower() for word in words}
    if not wanted:
        return list(models)
    manifest = Manifest.read(root)
    if manifest is None:
        raise InputError(f"{root} has no manifest.json, which would tell what its models are called")
    found = [
        model
        for model in models
        if (entry := manifest.entries.get((model.category, model.id))) and wanted & words_of(entry)
    ]
    if not found and not none_ok:
        raise InputError(f"{root} has no model that is called {' or '.join(sorted(wanted))}")
    return found


def words_of(entry: Entry) -> set[str]:
    """Words of a model's title, tags and id in small letters, and what their singular may be."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", f"{entry.title} {entry.tags} {entry.id}")
    plain = set(re.findall(r"[^\W\d_]+", apart.lower()))
    return plain | {word[:-1] for word in plain if word.endswith("s")}
