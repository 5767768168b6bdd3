"""Positions as waves, so that a network can tell near places apart (NeRF, arXiv:2003.08934, section 5.1).

    gamma(x) = [x, sin(x), cos(x), sin(2 x), cos(2 x), ..., sin(2^(L-1) x), cos(2^(L-1) x)]

The paper writes sin(2^k pi x); the released code, and every weight trained with it, has no pi.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def encoded_size(octaves: int, channels: int = 3) -> int:
    """Channels of the encoding."""
    return channels * (1 + 2 * octaves)


def encode(x: Float[Tensor, "*b c"], octaves: int) -> Float[Tensor, "*b e"]:
    """The input, then of each octave the sines of all channels and their cosines."""
    frequencies = 2.0 ** torch.arange(octaves, dtype=x.dtype, device=x.device)
    phase = x[..., None, :] * frequencies[:, None]  # (*b o c)
    waves = torch.stack([phase.sin(), phase.cos()], -2)  # (*b o 2 c)
    return torch.cat([x, waves.flatten(-3)], -1)


def encode_rows(x: Float[Tensor, "n c"], octaves: int) -> Float[Tensor, "n e"]:
    """As `encode`, without gradient, for speed: one sine and cosine, then octaves by doubling the angle.

    sin(2 a) = 2 sin(a) cos(a),  cos(2 a) = 1 - 2 sin(a)^2. Each doubling doubles the rounding error, so
    every fourth octave is computed afresh.
    """
    n, c = x.shape
    out = x.new_empty(n, c * (1 + 2 * octaves))
    out[:, :c] = x
    waves = out[:, c:].view(n, octaves, 2, c)
    for k in range(octaves):
        sine, cosine = waves[:, k, 0], waves[:, k, 1]
        if k % 4 == 0:
            phase = x * 2.0**k
            torch.sin(phase, out=sine)
            torch.cos(phase, out=cosine)
        else:
            before = waves[:, k - 1]
            torch.mul(before[:, 0], before[:, 1], out=sine).mul_(2)
            torch.mul(before[:, 0], before[:, 0], out=cosine).mul_(-2).add_(1)
    return out
