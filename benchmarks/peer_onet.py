"""The usual way to mesh an Occupancy Network, written plainly: what extraction is measured against.

The decoder as its authors wrote it (1x1 convolutions over (batch, channel, points), conditional
batch normalisation in evaluation mode), asked in batches; their extraction over dense arrays with
exactly their set of points; marching cubes of scikit-image on the whole padded grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.extract.mise import mise
from isofield.geometry import Mesh

PADDING = 0.1
COARSE = 32


class CBatchNorm1d(nn.Module):
    def __init__(self, code: int, width: int) -> None:
        super().__init__()
        self.conv_gamma = nn.Conv1d(code, width, 1)
        self.conv_beta = nn.Conv1d(code, width, 1)
        self.bn = nn.BatchNorm1d(width, affine=False)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        c = c.unsqueeze(2)
        return self.conv_gamma(c) * self.bn(x) + self.conv_beta(c)


class CResnetBlockConv1d(nn.Module):
    def __init__(self, code: int, width: int) -> None:
        super().__init__()
        self.bn_0, self.bn_1 = CBatchNorm1d(code, width), CBatchNorm1d(code, width)
        self.fc_0, self.fc_1 = nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        hidden = self.fc_0(relu(self.bn_0(x, c)))
        return x + self.fc_1(relu(self.bn_1(hidden, c)))


class DecoderCBatchNorm(nn.Module):
    def __init__(self, code: int, width: int) -> None:
        super().__init__()
        self.fc_p = nn.Conv1d(3, width, 1)
        for k in range(5):
            setattr(self, f"block{k}", CResnetBlockConv1d(code, width))
        self.bn = CBatchNorm1d(code, width)
        self.fc_out = nn.Conv1d(width, 1, 1)

    def forward(self, p: Tensor, c: Tensor) -> Tensor:
        net = self.fc_p(p.transpose(1, 2))
        for k in range(5):
            net = getattr(self, f"block{k}")(net, c)
        return self.fc_out(relu(self.bn(net, c))).squeeze(1)


@dataclass
class Times:
    """Seconds per stage and points of one extraction."""

    network: float = 0.0
    bookkeeping: float = 0.0
    marching: float = 0.0
    rounds: list[int] = field(default_factory=list)


class Peer:
    """Code -> mesh, in the original's frame."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        prefix = "decoder."
        state = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        width, code = state["block0.bn_0.conv_gamma.weight"].shape[:2]
        self.decoder = DecoderCBatchNorm(code, width)
        self.decoder.load_state_dict(state)
        self.decoder.eval()

    @torch.no_grad()
    def eval_points(self, points: Tensor, c: Tensor, batch: int) -> Tensor:
        found = [self.decoder(part.unsqueeze(0), c).squeeze(0).cpu() for part in torch.split(points, batch)]
        return torch.cat(found, dim=0)

    def extract(self, c: Tensor, resolution: int, batch: int, level: float = 0.0) -> tuple[Mesh, Times]:
        """The mesh and where its time went."""
        from skimage.measure import marching_cubes

        times, start = Times(), perf_counter()

        def values(nodes: np.ndarray) -> np.ndarray:
            begin = perf_counter()
            points = (1 + PADDING) * (nodes / resolution - 0.5)
            found = self.eval_points(torch.FloatTensor(points), c, batch).numpy().astype(np.float64)
            times.network += perf_counter() - begin
            return found

        steps = (resolution // COARSE).bit_length() - 1
        grid = mise(values, COARSE, steps, level)
        times.rounds = grid.rounds
        begin = perf_counter()
        times.bookkeeping = begin - start - times.network
        padded = np.pad(grid.values, 1, "constant", constant_values=-1e6)
        vertices, faces, _, _ = marching_cubes(padded, level)
        vertices = (1 + PADDING) * ((vertices - 1) / resolution - 0.5)
        times.marching = perf_counter() - begin
        return Mesh(vertices.astype(np.float64), faces[:, ::-1].astype(np.int64)), times
