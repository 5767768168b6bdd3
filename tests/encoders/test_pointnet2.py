"""Sampling and grouping of PointNet++ against loops."""

import torch

from isofield.encoders.pointnet2 import PointNet2, ball, farthest, propagate


def test_farthest_points_by_hand():
    line = torch.tensor([[[0.0, 0, 0], [0.1, 0, 0], [1.0, 0, 0], [0.4, 0, 0]]])
    assert farthest(line, 4).tolist() == [[0, 2, 3, 1]]
    assert farthest(line, 6).tolist() == [[0, 2, 3, 1, 0, 0]]


def test_farthest_points_spread():
    torch.manual_seed(0)
    cloud = torch.rand(2, 500, 3)
    chosen = farthest(cloud, 40, random=True)
    for b in range(2):
        picked = cloud[b, chosen[b]]
        gaps = torch.cdist(picked, picked).fill_diagonal_(9).min()
        reach = torch.cdist(cloud[b], picked).amin(1).max()
        assert gaps >= reach  # what makes them a net: no point is farther than chosen ones are apart


def test_ball_takes_the_first_in_order_and_repeats():
    points = torch.tensor([[[0.0, 0, 0], [5, 0, 0], [0.1, 0, 0], [0.2, 0, 0]]])
    centre = torch.tensor([[[0.05, 0, 0]]])
    assert ball(centre, points, 0.12, 3).tolist() == [[[0, 2, 0]]]
    assert ball(centre, points, 1.0, 2).tolist() == [[[0, 2]]]
    assert ball(centre, points, 9.0, 9).tolist() == [[[0, 1, 2, 3]]]


def test_propagation_interpolates():
    known = torch.rand(1, 20, 3)
    values = torch.rand(1, 20, 2)
    torch.testing.assert_close(propagate(known, known, values), values, atol=1e-3, rtol=1e-3)
    points = torch.rand(1, 7, 3)
    distance, nearest = torch.cdist(points.double(), known.double()).topk(3, largest=False)
    weight = 1 / distance**2
    expected = (values[0, nearest[0]] * weight[0, ..., None]).sum(1) / weight[0].sum(1, keepdim=True)
    torch.testing.assert_close(propagate(points, known, values)[0], expected.float(), atol=1e-4, rtol=1e-3)


def test_few_points_are_enough():
    condition = PointNet2(8).eval()(torch.rand(1, 10, 3))
    assert condition.features.shape == (1, 10, 8)
    assert condition.features.isfinite().all()


def test_evaluation_is_deterministic_and_training_draws():
    encoder, cloud = PointNet2(8), torch.rand(2, 600, 3)
    encoder.eval()
    assert encoder(cloud).features.equal(encoder(cloud).features)
    torch.manual_seed(0)
    starts = {farthest(cloud, 1, random=True)[0].item() for _ in range(5)}
    assert len(starts) > 1
