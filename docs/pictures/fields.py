"""Draw what certified extraction finds and sampling misses: `python docs/pictures/fields.py`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from isofield.extract import extract_mesh
from isofield.fields.mlp import BoundMlp
from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh
from isofield.ops.steps import Activation, Affine
from isofield.report.picture import Look, draw_mesh, write_picture

HERE = Path(__file__).parent


def specks() -> None:
    """A network of one octahedron and sixty specks, sampled from a coarse grid and certified."""
    random = np.random.default_rng(1)
    centres = random.uniform(-0.8, 0.8, (400, 3))
    centres = centres[np.abs(centres).sum(axis=1) > 0.6][:60]
    field = octahedra(np.concatenate([np.zeros((1, 3)), centres]), np.array([0.5] + [0.035] * len(centres)))
    box = Box.cube(2.0)
    look = Look(width=480, height=440, samples=4, sky_rays=12, frame=Box.cube(1.6), floor=False)
    pictures = []
    for certified in (False, True):
        mesh = extract_mesh(field, box, resolution=128, certified=certified, normals="faces")
        print("certified" if certified else "sampled", check_mesh(mesh).components, "parts")
        small = (np.abs(mesh.vertices).sum(axis=1) > 0.52)[:, None]
        colours = np.where(small, [0.75, 0.25, 0.15], [0.83, 0.79, 0.73])
        pictures.append(draw_mesh(replace(mesh, colours=colours), look))
    write_picture(HERE / "certified.png", np.concatenate(pictures, axis=1))


def octahedra(centres: np.ndarray, radii: np.ndarray) -> BoundMlp:
    """sum_k relu(1 - |x - c_k|_1 / r_k) - 1/1000, a network of two hidden layers."""
    sides = np.concatenate([np.eye(3), -np.eye(3)], axis=1)  # |x|_1 = sum of relu(x @ sides)
    count = len(centres)
    mix = np.kron(np.diag(-1 / radii), np.ones((6, 1)))
    layers = [
        (np.tile(sides, count), -(centres @ sides).ravel()),
        (mix, np.ones(count)),
        (np.ones((count, 1)), np.array([-1e-3])),
    ]
    relu, steps = Activation("relu"), []
    for weight, bias in layers:
        steps += [Affine(torch.tensor(weight).float(), torch.tensor(bias).float()), relu]
    return BoundMlp(steps[:-1])


if __name__ == "__main__":
    specks()
