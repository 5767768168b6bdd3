"""Point cloud -> one code, by the PointNet of AtlasNet (arXiv:1802.05384)."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Code
from isofield.ops.norm import PointNorm


class AtlasPointNet(nn.Module):
    """Normalised layers for each point, the maximum over all points, two normalised layers on it.

    Args:
        code: Channels of the code.
        width: Channels of the first layer; the second has twice as many.
    """

    def __init__(self, code: int, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([3, width, 2 * width, code]))
        self.norms = nn.ModuleList(PointNorm(size) for size in (width, 2 * width, code))
        self.after = nn.ModuleList(nn.Linear(code, code) for _ in range(2))
        self.after_norms = nn.ModuleList(nn.BatchNorm1d(code) for _ in range(2))

    def forward(self, cloud: Float[Tensor, "b n 3"]) -> Code:
        x = cloud
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = norm(layer(relu(x) if number else x))
        code = x.amax(1)
        for layer, norm in zip(self.after, self.after_norms, strict=True):
            code = relu(norm(layer(code)))
        return Code(code)
