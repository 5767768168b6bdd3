"""Convolutional Occupancy Networks (Peng et al., ECCV 2020, arXiv:2003.04618).

    points or voxels -> features on planes and in a grid -> U-Net -> f(p, features at p) -> inside

The shape is the set of points whose occupancy probability exceeds tau = 0.2. An occupancy
network looks at one code for the whole shape; here each point looks at the features that
convolutions have spread around it, so the network is local and shift-equivariant, and its
crop variant walks over scenes of any size.
"""

from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from isofield.batch import OccupancyBatch
from isofield.condition import Condition, LocalFeatures
from isofield.data.occupancy import OccupancySource
from isofield.encoders.feature_maps import FeatureMaps
from isofield.encoders.local_pool import LocalPoolPointNet, PointEncoder
from isofield.encoders.pointnet2 import PointNet2
from isofield.encoders.unet2d import UNet2d
from isofield.encoders.unet3d import UNet3d
from isofield.encoders.voxel import VoxelEncoder
from isofield.errors import InputError
from isofield.fields.local import LocalField
from isofield.geometry import Box, Similarity
from isofield.observation import PointCloud, Voxels, unit_from_world
from isofield.ops.coordinates import LocalCoordinates, PaddedCube, Plane, Volume
from isofield.ops.tiles import Tile, Tiled, Values
from isofield.scene import Scene
from isofield.system import System


@dataclass(frozen=True)
class ConvONetConfig:
    """Convolutional occupancy network; defaults are the paper's 3 x 64^2 from 3,000 points."""

    encoder: Literal["points", "voxels", "pointnet2"] = "points"
    """What sees the input: PointNet with local pooling, a 3D convolution, or PointNet++."""
    channels: int = 32
    """Channels of the features."""
    encoder_width: int = 32
    """Channels of the PointNet's residual blocks."""
    encoder_blocks: int = 5
    """Residual blocks of the PointNet."""
    pooling: Literal["max", "mean"] = "max"
    """How points that share a cell pool their features."""
    kernel: Literal[1, 3] = 3
    """Width of the voxel encoder's convolution."""
    planes: tuple[Plane, ...] = ("xz", "xy", "yz")
    """Feature planes; they share one U-Net."""
    plane_resolution: int = 64
    """Cells along each edge of a plane."""
    plane_depth: int = 4
    """Levels of the planes' U-Net; 0 for none."""
    plane_width: int = 32
    """Channels of its first level."""
    plane_merge: Literal["concat", "add"] = "concat"
    """How it takes its skips in."""
    plane_upsampling: Literal["transpose", "upsample"] = "transpose"
    """How it grows: transposed convolutions, or bilinear."""
    grid_resolution: int = 0
    """Cells along each edge of the feature grid; 0 for no grid. Paper: 32 or 64."""
    grid_levels: int = 3
    """Levels of the grid's 3D U-Net; 0 for none. Paper: 3 for 32^3, 4 for 64^3 and crops."""
    grid_width: int = 32
    """Channels of its first level."""
    sampling: Literal["bilinear", "nearest"] = "bilinear"
    """How features are read between cells."""
    point_radius: float | None = 0.2
    """PointNet++: width of the Gaussian that spreads point features; None for weights 1 / distance."""
    field_width: int = 32
    """Channels of the field's residual blocks."""
    field_blocks: int = 5
    """Residual blocks of the field."""
    leaky: bool = False
    """LeakyReLU in the field's last activation."""
    unit_size: float = 0.0
    """Crops: edge of a voxel, 0.005 for rooms; 0 for networks that see the whole object."""
    local_coordinates: Literal["none", "linear", "sin_cos"] = "none"
    """Crops: what the network sees of a position: all of it, its place in the voxel, or that as waves."""
    query_voxels: int = 25
    """Crops: voxels along the part of a crop that is read."""
    metric_unit: float = 0.0
    """Crops: edge of a voxel in the input's units, 0.02 m for buildings; 0 scales to the unit box."""
    padding: float = 0.1
    """Part by which the features' cube exceeds the unit box."""
    cloud_size: int = 3000
    """Points the network was trained with; clouds are drawn to this size."""
    threshold: float = 0.2
    """Occupancy probability on the surface."""

    def __post_init__(self) -> None:
        step = 2 ** max(self.plane_depth - 1, 0)
        if self.planes and self.plane_resolution % step:
            raise InputError(f"plane_resolution {self.plane_resolution} must be a multiple of {step}")
        if not self.planes and not self.grid_resolution and self.encoder != "pointnet2":
            raise InputError("the network has neither planes nor a grid: set planes or grid_resolution")
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is not a probability between 0 and 1")


class ConvONet(System):
    """Occupancy from local features."""

    def __init__(self, config: ConvONetConfig) -> None:
        super().__init__()
        self.config = config
        octaves = {"none": None, "linear": 0, "sin_cos": 10}[config.local_coordinates]
        local = None if octaves is None else LocalCoordinates(config.unit_size, octaves)
        self.encoder = _encoder(config, local)
        self.field = LocalField(config.channels, config.field_width, config.field_blocks, config.leaky, local)

    def losses(self, batch: OccupancyBatch) -> dict[str, Float[Tensor, ""]]:
        """Binary cross entropy, summed over the points and averaged over the batch (section 3.4).

        A crop network learns from crops that are moved to the origin, clouds `grid_resolution`
        and points `query_voxels` voxels wide.
        """
        seen = batch.voxels if self.config.encoder == "voxels" else batch.cloud
        logits = self.field(batch.points, self.encoder(seen))
        entropy = binary_cross_entropy_with_logits(logits, batch.inside, reduction="none")
        return {"occupancy": entropy.sum(-1).mean()}

    @classmethod
    def batches(cls, config: ConvONetConfig, data: Path, seed: int, size: int) -> OccupancySource:
        """Noisy clouds and labelled points of a data set in the ONet layout.

        Raises:
            InputError: `data` is no such data set, or the variant learns from voxels or crops.
        """
        if config.encoder == "voxels" or config.unit_size:
            raise InputError("training from voxels or crops is not supported; set no encoder or unit_size")
        return OccupancySource.of(data, seed, size, config.cloud_size)

    @property
    def wants(self) -> type[PointCloud | Voxels]:
        """What the encoder sees."""
        return Voxels if self.config.encoder == "voxels" else PointCloud

    def reconstruct(self, observation: PointCloud | Voxels) -> Scene:
        """The shape the network sees; deterministic.

        Raises:
            ValueError: The observation isn't what the network was trained on, or has no extent.
        """
        if not isinstance(observation, self.wants):
            raise InputError(f"this network reads {self.wants.__name__}, not {type(observation).__name__}")
        training = self.training
        try:
            self.eval()
            if isinstance(observation, Voxels):
                return self._from_voxels(observation)
            return self._from_crops(observation) if self.config.unit_size else self._from_cloud(observation)
        finally:
            self.train(training)

    def _from_cloud(self, cloud: PointCloud) -> Scene:
        unit = unit_from_world(cloud.points)
        return self._scene(self._encode(self._drawn(unit.apply(cloud.points))), unit)

    def _from_voxels(self, voxels: Voxels) -> Scene:
        steps = voxels.box.extent / voxels.occupied.shape
        if len(set(voxels.occupied.shape)) > 1 or np.ptp(steps) > 1e-3 * steps.max():
            raise InputError(
                f"the voxels must fill a cube, not {voxels.occupied.shape} over {voxels.box.extent}"
            )
        unit = unit_from_world(np.stack([voxels.box.low, voxels.box.high]))
        return self._scene(self._encode(voxels.occupied), unit)

    def _scene(self, condition: Condition, unit: Similarity) -> Scene:
        box = Box.cube(1 + self.config.padding)
        return Scene(box, unit.inverse(), inside=self._inside(condition))

    def _from_crops(self, cloud: PointCloud) -> Scene:
        """A window slides over the scene, as in section 4.4; each crop is encoded when first asked for."""
        config = self.config
        scene_from_world = unit_from_world(cloud.points)
        if config.metric_unit:
            scale = config.unit_size / config.metric_unit
            scene_from_world = Similarity(scale, translation=-scale * Box.around(cloud.points).centre)
        points = scene_from_world.apply(cloud.points)
        points = points.astype(np.float32) if config.metric_unit else self._drawn(points)
        box = Box.around(points).padded(0.01)
        side = config.query_voxels * config.unit_size
        margin = (_crop_cells(config) * config.unit_size - side) / 2

        def crop(tile: Tile) -> Values:
            low = box.low + side * np.array(tile)
            near = ((points >= low - margin) & (points < low + side + margin)).all(1)
            if not near.any():  # nothing seen: free space
                return lambda p: torch.full_like(p[:, 0], -1.0)
            volume = Volume(torch.tensor(low - margin, dtype=torch.float32), side + 2 * margin)
            query = Volume(torch.tensor(low, dtype=torch.float32), side)
            condition = self._encode(points[near], volume)
            if isinstance(condition, LocalFeatures):  # forget the margin
                condition = condition.within(query)
            return self._inside(condition)

        cells = round(float(box.extent.max()) / config.unit_size)
        return Scene(box, scene_from_world.inverse(), inside=Tiled(crop, box.low, side), resolution=cells)

    @torch.no_grad()
    def _encode(self, seen: np.ndarray, *where: Volume) -> Condition:
        tensor = torch.as_tensor(seen, dtype=torch.float32, device=self.field.out.weight.device)
        return self.encoder(tensor[None], *where)

    def _inside(self, condition: Condition) -> Values:
        logit = self.field.bind(condition)
        surface = log(self.config.threshold / (1 - self.config.threshold))
        return lambda points: logit(points) - surface

    def _drawn(self, points: np.ndarray) -> np.ndarray:
        """As many points as the network was trained with: a random part, or all of them repeated."""
        order = np.random.default_rng(0).permutation(len(points))
        return points[np.resize(order, self.config.cloud_size)].astype(np.float32)


def _crop_cells(config: ConvONetConfig) -> int:
    """Voxels along the edge of a crop."""
    return config.grid_resolution or config.plane_resolution


def _encoder(
    config: ConvONetConfig, local: LocalCoordinates | None
) -> PointEncoder | VoxelEncoder | PointNet2:
    """Input -> condition, as the config says."""
    c = config
    if c.encoder == "pointnet2":
        return PointNet2(c.channels, c.point_radius)
    planes = grid = None
    if c.planes and c.plane_depth:
        planes = UNet2d(c.channels, c.plane_depth, c.plane_width, c.plane_merge, c.plane_upsampling)
    if c.grid_resolution and c.grid_levels:
        grid = UNet3d(c.channels, c.grid_levels, c.grid_width)
    maps = FeatureMaps(c.planes, c.plane_resolution, c.grid_resolution, planes, grid, c.sampling)
    if c.encoder == "voxels":
        return VoxelEncoder(c.channels, maps, PaddedCube(c.padding), c.kernel)
    placement = Volume.centred(_crop_cells(c) * c.unit_size) if c.unit_size else PaddedCube(c.padding)
    pointnet = LocalPoolPointNet(
        local.size if local else 3, c.channels, c.encoder_width, c.encoder_blocks, c.pooling
    )
    return PointEncoder(pointnet, maps, placement, local)
