"""Features of points -> feature planes and a feature grid."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from isofield.condition import LocalFeatures
from isofield.ops.coordinates import AXES, Placement
from isofield.ops.scatter import scatter_mean


class FeatureMaps(nn.Module):
    """Averages features per cell, then spreads them by a U-Net; the planes share theirs.

    Args:
        planes: Names of the planes, of 'xz', 'xy', 'yz'.
        plane_resolution: Cells along each edge of a plane.
        grid_resolution: Cells along each edge of the grid; 0 for no grid.
        plane_unet: Applied to each plane; None leaves them as they are.
        grid_unet: The same for the grid.
        mode: How the maps will be read, 'bilinear' or 'nearest'.
    """

    def __init__(
        self,
        planes: Sequence[str],
        plane_resolution: int,
        grid_resolution: int,
        plane_unet: nn.Module | None,
        grid_unet: nn.Module | None,
        mode: str = "bilinear",
    ) -> None:
        super().__init__()
        wanted = {
            **dict.fromkeys(planes, plane_resolution),
            **({"grid": grid_resolution} if grid_resolution else {}),
        }
        self.resolution = {name: wanted[name] for name in AXES if name in wanted}
        self.plane_unet = plane_unet
        self.grid_unet = grid_unet
        self.mode = mode

    def cells(self, points: Float[Tensor, "b n 3"], placement: Placement) -> dict[str, Int[Tensor, "b n"]]:
        """The cell of each point on each map."""
        return {name: placement.cells(points, name, size) for name, size in self.resolution.items()}

    def forward(
        self, features: Float[Tensor, "b n c"], cells: Mapping[str, Int[Tensor, "b n"]], placement: Placement
    ) -> LocalFeatures:
        maps = {name: self._spread(name, features, cells[name]) for name in self.resolution}
        return LocalFeatures(maps, placement, self.mode)

    def _spread(self, name: str, features: Float[Tensor, "b n c"], cells: Int[Tensor, "b n"]) -> Tensor:
        size, dimensions = self.resolution[name], len(AXES[name])
        cell_means = scatter_mean(features, cells, size**dimensions).transpose(1, 2)
        shaped = cell_means.reshape(
            *cell_means.shape[:2], *[size] * dimensions
        )  # last axis: first coordinate
        unet = self.grid_unet if name == "grid" else self.plane_unet
        return shaped if unet is None else unet(shaped)
