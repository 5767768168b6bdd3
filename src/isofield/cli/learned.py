"""What a network has learned, for whoever shows it something else and gets no surface."""

from typing import TYPE_CHECKING

from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.cli.seen import Kind
    from isofield.system import System

LEARNED = {
    "onet_points": "furniture from 300 noisy points, upright (y up)",
    "onet_image": "furniture from renders of one object on white",
    "onet_voxels": "furniture from 32 x 32 x 32 voxels",
    "indicator": "solid objects from scans",
    "deepsdf": "seats, upright (y up)",
}
"""What the weights that come with isofield have seen, by the name of their file."""
INSTEAD: "dict[Kind, str]" = {
    "points": "leave out --system for indicator, or take --system gauss, which has learned nothing",
    "image": "try a picture of one such object on an even background",
    "voxels": "leave out --system and --weights for gauss, which has learned nothing",
}
CAUSES = "; likely causes"
"""Where the message of the extraction begins to guess."""


def no_surface(error: InputError, name: str, system: "System | None", kind: "Kind", own: bool) -> InputError:
    """The error of an extraction; of a network that finds no surface, in words that help.

    Args:
        error: What extraction says, with the range of values and the box.
        name: The system's name.
        system: None for fields, which are shapes already.
        kind: What the network was shown.
        own: Whether the user gave the weights.
    """
    found, guesses, _ = str(error).partition(CAUSES)
    if not guesses or system is None or not hasattr(type(system), "batches"):
        return error
    learned = None if own else LEARNED.get(f"{name}_{kind}", LEARNED.get(name))
    who = f"{name} with these weights" if own else f"{name} as it comes"
    what = f"has learned {learned}," if learned else "knows only shapes like those it has learned"
    values = found.removeprefix("the field never crosses zero: ")
    return InputError(f"{who} {what} and finds no surface here ({values}): {INSTEAD[kind]}")
