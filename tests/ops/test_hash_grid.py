"""Hash grids: the compiled loops beside the tensor operations, gradients, and what a lone level is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isofield.ops.hash_grid import COMPILED, Levels, encode, encode_plain, rows_of
from isofield.ops.interpolate import interpolate

LEVELS = Levels.between(3, 40, 4, 2**9)
compiled = pytest.mark.skipif(not COMPILED, reason="numba is not installed")


def table(channels: int = 2, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(LEVELS.starts[-1], channels, generator=torch.Generator().manual_seed(0), dtype=dtype)


def places(count: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """In and around the unit cube, its corners included."""
    inside = torch.rand(count, 3, generator=torch.Generator().manual_seed(1), dtype=dtype) * 1.2 - 0.1
    return torch.cat([inside, torch.eye(3, dtype=dtype), torch.ones(1, 3, dtype=dtype)])


def test_levels_grow_by_one_factor_and_share_rows_once_they_must():
    assert LEVELS.cells == (3, 7, 17, 40)
    assert LEVELS.rows == (64, 512, 512, 512)
    assert [LEVELS.shared(k) for k in range(4)] == [False, False, True, True]
    assert LEVELS.starts == (0, 64, 576, 1088, 1600)


@pytest.mark.parametrize("numbers", [(0, 8, 2, 64), (8, 4, 2, 64), (4, 8, 0, 64), (4, 8, 2, 63)])
def test_no_levels(numbers):
    with pytest.raises(ValueError, match="no levels"):
        Levels.between(*numbers)


def test_a_level_with_rows_of_its_own_is_a_dense_grid():
    levels = Levels((6,), (343,))
    rows = torch.rand(343, 3, generator=torch.Generator().manual_seed(2))
    dense = rows.T.reshape(1, 3, 7, 7, 7)  # the first coordinate runs fastest
    at = places(200)
    torch.testing.assert_close(encode_plain(rows, at, levels), interpolate(dense, at[None])[0])


def test_rows_stay_in_their_level_and_spread():
    corners = torch.cartesian_prod(*[torch.arange(41)] * 3)
    rows = rows_of(corners, 3, LEVELS)
    assert rows.min() == 0
    assert rows.max() == 511
    counts = np.bincount(rows.numpy(), minlength=512)
    assert counts.min() > 0.5 * counts.mean()


@compiled
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_compiled_is_plain(channels, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows, at = table(channels).requires_grad_(), places(9_000)
        fast = encode(rows, at, LEVELS, compiled=True)
        slope = torch.rand(fast.shape, generator=torch.Generator().manual_seed(3))
        (fast_slope,) = torch.autograd.grad(fast, rows, slope)
        plain = encode(rows, at, LEVELS, compiled=False)
        (plain_slope,) = torch.autograd.grad(plain, rows, slope)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(fast_slope, plain_slope, rtol=1e-4, atol=1e-4)


@compiled
def test_the_gradient_has_the_same_bytes_every_time():
    rows, at = table().requires_grad_(), places(20_000)
    slopes = [torch.autograd.grad(encode(rows, at, LEVELS).square().sum(), rows)[0] for _ in range(3)]
    assert all(slope.equal(slopes[0]) for slope in slopes)


def test_gradients_are_those_of_finite_differences():
    rows, at = table(dtype=torch.float64).requires_grad_(), places(6, torch.float64)
    at = at[(at > 0.01).all(1) & (at < 0.99).all(1)].requires_grad_()
    assert len(at) > 2
    assert torch.autograd.gradcheck(lambda r, p: encode(r, p, LEVELS), (rows, at))


@compiled
@given(seed=st.integers(0, 2**31), scale=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_it_is_linear_in_the_table(seed, scale):
    rows, at = table(), torch.rand(50, 3, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        encode(rows * scale, at, LEVELS), scale * encode(rows, at, LEVELS), rtol=1e-4, atol=1e-4
    )
