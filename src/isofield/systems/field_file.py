"""A trained network in a file, as a scene: nothing is observed or learnt any more."""

import os

import torch

from isofield.data.field_file import Dense, FieldFile, read_field
from isofield.fields.mlp import BoundMlp
from isofield.ops.steps import Activation, Affine, Step
from isofield.scene import Scene


def read_scene(path: str | os.PathLike[str]) -> Scene:
    """The scene whose `inside` is the network in the file; its `layers` can be bounded.

    Raises:
        InputError: The file is damaged, or holds no network from 3 channels to 1.
    """
    file = read_field(path)
    return Scene(box=file.box, inside=bound_network(file), resolution=256)


def bound_network(file: FieldFile) -> BoundMlp:
    """The function of space that the file's layers compute."""
    return BoundMlp([_step(layer) for layer in file.layers])


def _step(layer: Dense | str) -> Step:
    if isinstance(layer, Dense):
        return Affine(torch.from_numpy(layer.weight), torch.from_numpy(layer.bias))
    return Activation(layer)  # type: ignore[arg-type]
