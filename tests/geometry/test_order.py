"""Points along a curve: neighbours in the order lie together, and every point comes once."""

import pytest
import torch

from isofield.geometry.order import near_order


def plainly(place: list[int]) -> int:
    """The key of a node of 256^3, bit by bit."""
    return sum(
        ((value >> bit) & 1) << (3 * bit + axis) for axis, value in enumerate(place) for bit in range(8)
    )


def test_nodes_of_a_cube_come_by_their_interleaved_bits():
    nodes = torch.cat([torch.randint(0, 256, (500, 3)), torch.tensor([[0, 0, 0], [255, 255, 255]])])
    order = near_order(nodes.double())
    keys = [plainly(place) for place in nodes.tolist()]
    assert order.tolist() == sorted(range(len(keys)), key=keys.__getitem__)


def test_pieces_of_the_order_are_small():
    points = torch.rand(8_000, 3)
    pieces = points[near_order(points)].split(500)
    assert sum((piece.amax(0) - piece.amin(0)).prod() for piece in pieces) < 4
    assert sum((piece.amax(0) - piece.amin(0)).prod() for piece in points.split(500)) > 15


@pytest.mark.parametrize("value", [0.25, torch.nan, torch.inf])
def test_every_point_comes_once(value):
    points = torch.rand(100, 3)
    points[::3] = value
    assert sorted(near_order(points).tolist()) == list(range(100))
    assert near_order(torch.full((5, 3), value)).tolist() == [0, 1, 2, 3, 4]
