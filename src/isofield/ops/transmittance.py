"""Light along a ray through a cloud of density sigma (NeRF, arXiv:2003.08934, sections 4 and 5.2).

    alpha_i = 1 - exp(-sigma_i delta_i)             light that interval i takes away
    T_i     = exp(-sum_{j<i} sigma_j delta_j)       light that arrives there
    w_i     = T_i alpha_i                           share of interval i in what is seen

Samples stand at the start of their intervals: delta_i = t_{i+1} - t_i. Rays are rows, samples columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FOREVER = 1e10
"""Length of the last interval in the released code: what has density at far hides everything behind."""
FAINT = 1e-5
"""Added to every weight before fine samples are drawn, so that no interval is impossible."""


def lengths(t: Float[Tensor, "r s"], last: float = FOREVER) -> Float[Tensor, "r s"]:
    """From each sample to the next; `last` is the length behind the last one."""
    return torch.cat([t[:, 1:] - t[:, :-1], torch.full_like(t[:, :1], last)], 1)


def opacity(density: Float[Tensor, "r s"], length: Float[Tensor, "r s"]) -> Float[Tensor, "r s"]:
    """alpha; exact, too, where little light is lost."""
    return -torch.expm1(-density * length)


def transmittance(density: Float[Tensor, "r s"], length: Float[Tensor, "r s"]) -> Float[Tensor, "r s"]:
    """T, the share of light that has passed all intervals before."""
    depth = (density * length)[:, :-1].cumsum(1)
    return torch.cat([torch.ones_like(density[:, :1]), torch.exp(-depth)], 1)


def weights(density: Float[Tensor, "r s"], length: Float[Tensor, "r s"]) -> Float[Tensor, "r s"]:
    """w; each row sums to what the ray loses in all, at most 1."""
    return transmittance(density, length) * opacity(density, length)


def middles(t: Float[Tensor, "r s"]) -> Float[Tensor, "r m"]:
    """Halfway between neighbours."""
    return 0.5 * (t[:, 1:] + t[:, :-1])


def stratified(
    near: Float[Tensor, " r"],
    far: Float[Tensor, " r"],
    count: int,
    draw: Float[Tensor, "r s"] | None = None,
) -> Float[Tensor, "r s"]:
    """Places along each ray: equidistant, near and far included; with `draw`, one in each stratum.

    Args:
        near: Where each ray begins.
        far: Where it ends.
        count: Places per ray, two or more.
        draw: Uniform numbers in [0, 1); strata end halfway between the equidistant places.
    """
    shares = torch.linspace(0, 1, count, dtype=near.dtype, device=near.device)
    t = near[:, None] * (1 - shares) + far[:, None] * shares
    if draw is None:
        return t
    between = middles(t)
    low, high = torch.cat([t[:, :1], between], 1), torch.cat([between, t[:, -1:]], 1)
    return low + (high - low) * draw


def inverse_cdf(
    edges: Float[Tensor, "r e"], weight: Float[Tensor, "r w"], draw: Float[Tensor, "r s"]
) -> Float[Tensor, "r s"]:
    """Places distributed as a histogram, by inverting its cumulative sum: sample_pdf of the original.

    Args:
        edges: Ends of the histogram's bins, rising; one more than there are bins.
        weight: Of each bin, up to a factor; `FAINT` is added.
        draw: Numbers in [0, 1]; equidistant ones give the same places every time.

    Returns:
        In the order of `draw`; linear within a bin. A bin of almost no weight gives its lower part.
    """
    share = weight + FAINT
    share = share / share.sum(1, keepdim=True)
    cdf = torch.cat([torch.zeros_like(share[:, :1]), share.cumsum(1)], 1)
    index = torch.searchsorted(cdf.contiguous(), draw.contiguous(), right=True)
    below, above = (index - 1).clamp(min=0), index.clamp(max=cdf.shape[1] - 1)
    low, high = cdf.gather(1, below), cdf.gather(1, above)
    step = torch.where(high - low < FAINT, 1.0, high - low)
    start, end = edges.gather(1, below), edges.gather(1, above)
    return start + (draw - low) / step * (end - start)


def refined(
    t: Float[Tensor, "r s"], weight: Float[Tensor, "r s"], draw: Float[Tensor, "r f"]
) -> Float[Tensor, "r m"]:
    """The samples t and as many more as drawn where the weights are, sorted; without gradient.

    The original's histogram: edges halfway between samples, the first and last weight left out.
    """
    with torch.no_grad():
        more = inverse_cdf(middles(t), weight[:, 1:-1], draw)
        return torch.cat([t, more], 1).sort(1).values
