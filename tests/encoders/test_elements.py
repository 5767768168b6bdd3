"""Elements from clouds: where they begin, and what is folded."""

import pytest
import torch

from isofield.encoders.elements import HEIGHT, ElementEncoder, LocalCodes, spread
from isofield.ops.elements import Elements


def cloud(count: int = 60) -> torch.Tensor:
    return torch.rand(2, count, 3, generator=torch.Generator().manual_seed(0)) - 0.5


def untold(symmetric: int = 0, axis: int = 2) -> ElementEncoder:
    """An encoder whose elements stay where they begin."""
    torch.manual_seed(0)
    encoder = ElementEncoder(8, 10, width=8, blocks=2, symmetric=symmetric, axis=axis)
    torch.nn.init.zeros_(encoder.out.weight)
    return encoder


def test_points_are_spread_as_by_the_plain_way() -> None:
    seen = cloud()
    for shape, found in zip(seen, spread(seen, 12), strict=True):
        chosen = [int((shape - shape.mean(0)).norm(dim=1).argmax())]
        while len(chosen) < 12:
            chosen.append(int(torch.cdist(shape, shape[chosen]).amin(1).argmax()))
        assert torch.equal(found, shape[chosen])
        assert len(set(chosen)) == 12


def test_few_points_come_again() -> None:
    seen = cloud(3)
    found = spread(seen, 5)
    assert found.shape == (2, 5, 3)
    assert {tuple(row) for row in found[0].tolist()} == {tuple(row) for row in seen[0].tolist()}
    assert spread(seen, 0).shape == (2, 0, 3)


def test_elements_begin_at_points_of_the_cloud_as_low_bumps() -> None:
    seen = cloud()
    raw = untold()(seen)
    torch.testing.assert_close(raw[..., 1:4] / 2, spread(seen, 8))
    assert (raw[..., 0] == HEIGHT).all()
    assert not raw[..., 4:].any()


@pytest.mark.parametrize("axis", [0, 2])
def test_mirrored_elements_begin_on_one_side(axis: int) -> None:
    seen = cloud()
    centres = untold(5, axis)(seen)[..., 1:4] / 2
    assert (centres[:, :5, axis] >= 0).all()
    folded = seen.clone()
    folded[..., axis].abs_()
    torch.testing.assert_close(centres[:, :5], spread(folded, 5))
    torch.testing.assert_close(centres[:, 5:], spread(seen, 3))


def test_the_order_of_the_points_does_not_matter() -> None:
    torch.manual_seed(0)
    encoder, seen = ElementEncoder(8, 10, width=8, blocks=2, symmetric=3), cloud()
    other = seen[:, torch.randperm(60, generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(encoder(other), encoder(seen), rtol=1e-4, atol=1e-5)


def test_codes_are_those_of_the_points_that_are_there() -> None:
    torch.manual_seed(0)
    local, seen = LocalCodes(4, count=30, reach=2.0), cloud()
    centres, zeros = torch.cat([seen[:, :5], torch.full((2, 1, 3), 9.0)], 1), torch.zeros(2, 6, 3)
    elements = Elements(torch.ones(2, 6), centres, zeros + 0.15**2, zeros, zeros[..., :0])
    near, there = local.near(seen, elements)
    assert there.any(-1).tolist() == 2 * [5 * [True] + [False]]
    assert not there[:, :5].all()
    plain = local.widen(local.between(local.before(near))).relu().masked_fill(~there[..., None], 0).amax(2)
    torch.testing.assert_close(local(seen, elements), local.out(local.behind(plain)))
