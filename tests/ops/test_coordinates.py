"""Conventions of ConvONet that bite."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from isofield.ops.coordinates import LocalCoordinates, PaddedCube, Volume, flat_index


def at(*point: float) -> torch.Tensor:
    return torch.tensor([[point]])


def test_plane_and_grid_keep_different_gaps():
    cube = PaddedCube(0.1)
    plane = cube.coordinates(at(0.55, 9.0, -0.55), "xz")[0, 0]
    grid = cube.coordinates(at(0.55, 9.0, -0.55), "grid")[0, 0]
    torch.testing.assert_close(plane, torch.tensor([0.55, -0.55]) / 1.10001 + 0.5, rtol=0, atol=1e-7)
    torch.testing.assert_close(grid[0], torch.tensor(0.55 / 1.101 + 0.5), rtol=0, atol=1e-7)
    assert grid[1] == torch.tensor(0.999)
    assert cube.coordinates(at(0, 9.0, -9.0), "yz")[0, 0].tolist() == [float(torch.tensor(0.99999)), 0.0]


def test_first_coordinate_is_the_fastest():
    point = at(-0.54, 0.0, 0.54)
    assert PaddedCube().cells(point, "xz", 10).item() == 0 + 10 * 9
    assert PaddedCube().cells(point, "xy", 10).item() == 0 + 10 * 5
    assert PaddedCube().cells(point, "yz", 10).item() == 5 + 10 * 9
    assert PaddedCube().cells(point, "grid", 10).item() == 0 + 10 * 5 + 100 * 9


@given(st.integers(1, 200), st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3))
def test_every_point_has_a_cell(resolution, point):
    for name, cells in [("xy", resolution**2), ("grid", resolution**3)]:
        assert 0 <= PaddedCube().cells(at(*point), name, resolution).item() < cells


def test_volume_says_what_is_outside():
    volume = Volume(torch.tensor([1.0, 2.0, 3.0]), 2.0)
    points = torch.tensor([[[1.0, 2.0, 3.0], [2.9, 3.9, 4.9], [3.0, 2.0, 3.0], [1.5, 1.9, 3.5]]])
    assert volume.cells(points, "grid", 4).tolist() == [[0, 63, 64, 64]]
    assert volume.cells(points, "xz", 4).tolist() == [[0, 15, 16, 16]]  # outside in y counts as well
    torch.testing.assert_close(volume.coordinates(points, "xz")[0, 1], torch.tensor([0.95, 0.95]))


def test_centred_volume():
    assert Volume.centred(3.0).coordinates(at(0, 1.5, -1.5), "grid").tolist() == [[[0.5, 1.0, 0.0]]]


def test_flat_index_floors():
    assert flat_index(torch.tensor([[[0.999, 0.249]]]), 4).item() == 3


def test_local_coordinates_repeat_with_the_voxel():
    local = LocalCoordinates(0.25)
    torch.testing.assert_close(local(torch.tensor([[0.3, -0.05, 0.0]])), torch.tensor([[0.2, 0.8, 0.0]]))
    assert (local.size, LocalCoordinates(0.25, 10).size) == (3, 60)


def test_waves_come_by_frequency():
    waves = LocalCoordinates(1.0, 10)(torch.tensor([[0.25, 0.5, 0.75]]))[0]
    x = torch.pi * torch.tensor([-0.5, 0.0, 0.5])
    torch.testing.assert_close(waves[:9], torch.cat([x.sin(), x.cos(), (2 * x).sin()]), atol=1e-6, rtol=0)
    assert waves.shape == (60,)
