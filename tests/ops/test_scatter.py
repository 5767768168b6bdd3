"""Scattering against loops."""

import torch

from isofield.ops.scatter import Groups, scatter_mean


def drawn(batch=2, count=40, channels=3, cells=7):
    torch.manual_seed(0)
    return torch.randn(batch, count, channels), torch.randint(cells, (batch, count))


def test_mean_per_cell_and_zero_where_empty():
    features, cells = drawn()
    found = scatter_mean(features, cells, 9)
    assert found.shape == (2, 9, 3)
    for b in range(2):
        for cell in range(7):
            torch.testing.assert_close(found[b, cell], features[b, cells[b] == cell].mean(0))
    assert found[:, 7:].eq(0).all()


def test_rows_in_the_cell_behind_the_last_are_dropped():
    features, cells = drawn()
    found = scatter_mean(features, cells.masked_fill(cells == 2, 7), 7)
    assert found[:, 2].eq(0).all()
    torch.testing.assert_close(found[1, 3], features[1, cells[1] == 3].mean(0))


def test_pooling_in_groups():
    features, cells = drawn()
    groups = Groups.of(cells)
    for how, naive in [("max", lambda x: x.amax(0)), ("mean", lambda x: x.mean(0))]:
        pooled = groups.pool(features, how)
        for b in range(2):
            for row in range(40):
                mine = features[b, cells[b] == cells[b, row]]
                torch.testing.assert_close(pooled[b, row], naive(mine))


def test_items_of_a_batch_stay_apart():
    features, cells = drawn()
    alone = Groups.of(cells[1:]).pool(features[1:], "max")
    torch.testing.assert_close(Groups.of(cells).pool(features, "max")[1:], alone)
