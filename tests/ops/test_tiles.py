"""Functions of tiles."""

import numpy as np
import torch

from isofield.ops.tiles import Tiled


def test_each_point_asks_its_tile():
    def make(tile):
        return lambda points: points.new_full((len(points),), float(tile[0] + 10 * tile[1] + 100 * tile[2]))

    tiled = Tiled(make, np.array([1.0, 1.0, 1.0]), 2.0)
    points = torch.tensor([[1.5, 1.5, 1.5], [3.5, 1.5, 5.5], [0.5, 1.5, 1.5], [1.5, 1.5, 1.5]])
    assert tiled(points).tolist() == [0.0, 201.0, -1.0, 0.0]


def test_old_tiles_are_forgotten_and_made_again():
    made = []

    def make(tile):
        made.append(tile)
        return lambda points: points[:, 0]

    tiled = Tiled(make, np.zeros(3), 1.0, keep=2)
    for x in [0.5, 1.5, 0.5, 2.5, 0.5, 1.5]:
        assert tiled(torch.tensor([[x, 0, 0]])).item() == x
    assert [tile[0] for tile in made] == [0, 1, 2, 1]
    assert len(tiled.made) == 2


def test_gradients_pass_through():
    points = torch.rand(5, 3, requires_grad=True)
    Tiled(lambda tile: lambda p: (p**2).sum(1), np.zeros(3), 0.3)(points).sum().backward()
    torch.testing.assert_close(points.grad, 2 * points.detach())
