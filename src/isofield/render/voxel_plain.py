"""The march of `voxels.py` in plain operations of torch: slower, differentiable by autograd."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag, softplus

from isofield.geometry import Box
from isofield.geometry.rays import Rays

if TYPE_CHECKING:
    from isofield.render.voxels import VoxelField


def marched(
    voxels: "VoxelField",
    raw: Float[Tensor, " all"],
    features: Float[Tensor, "n c"],
    rays: Rays,
    shift: Float[Tensor, " r"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features seen, light that passed, depth and number of samples of each ray."""
    from isofield.render.voxels import END, FLOOR

    ray, t = samples(voxels, rays, shift)
    node, share = corners(voxels, places(voxels, rays[ray].at(t)))
    density = thickness((raw[node] * share).sum(dim=1), voxels.surface, voxels.sharpness)
    count = torch.bincount(ray, minlength=len(rays))
    optical = density * voxels.step
    after = _running(optical, count)
    left = torch.exp(optical - after)  # of the light, before each sample
    alive = (left >= END).detach()
    weight = left * -torch.expm1(-optical) * alive
    shown = (weight > FLOOR).detach()
    rows = torch.from_numpy(voxels.cells.rows)[node[shown]]
    found = embedding_bag(rows.long(), features, per_sample_weights=share[shown], mode="sum")
    weighed = weight[shown]
    seen = features.new_zeros(len(rays), features.shape[1]).index_add(0, ray[shown], found * weighed[:, None])
    depth = features.new_zeros(len(rays)).index_add(0, ray[shown], weighed * t[shown])
    passed = torch.exp(-features.new_zeros(len(rays)).index_add(0, ray, optical * alive))
    met = torch.zeros_like(count).index_add(0, ray, alive.long())
    return seen, passed, depth, met.int()


def reached(voxels: "VoxelField", rays: Rays, most: Float[Tensor, " all"]) -> None:
    """Raises `most`, at the node nearest to each sample, to the light that is left behind the sample."""
    from isofield.render.voxels import END

    ray, t = samples(voxels, rays, torch.full((len(rays),), 0.5))
    node, share = corners(voxels, places(voxels, rays[ray].at(t)))
    raw = (torch.from_numpy(voxels.raw)[node] * share).sum(dim=1)
    optical = thickness(raw, voxels.surface, voxels.sharpness) * voxels.step
    after = _running(optical, torch.bincount(ray, minlength=len(rays)))
    alive = torch.exp(optical - after) >= END
    nearest = node.gather(1, share.argmax(dim=1, keepdim=True))[:, 0]
    most.scatter_reduce_(0, nearest[alive], torch.exp(-after[alive]), "amax")


def samples(
    voxels: "VoxelField", rays: Rays, shift: Float[Tensor, " r"]
) -> tuple[Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Rays and distances of the samples in active cells, along each ray in order."""
    step = voxels.step
    bounded = rays if voxels.unbounded else rays.within(Box.cube())
    t = bounded.near.clamp(min=0) + shift * step
    every = []
    while bool((t < bounded.far).any()):
        place = rays.at(t)
        every.append((t, active(voxels, places(voxels, place)) & (t < bounded.far)))
        t = t + step * (stretch(place) if voxels.unbounded else 1.0)
    if not every:
        return torch.zeros(0, dtype=torch.long), torch.zeros(0)
    all_t = torch.stack([t for t, _ in every], dim=1)
    ray, index = torch.stack([inside for _, inside in every], dim=1).nonzero(as_tuple=True)
    return ray, all_t[ray, index]


def places(voxels: "VoxelField", points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Points of the scene in the grid."""
    return contracted(points) if voxels.unbounded else points


def contracted(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """[-0.5, 0.5]^3 becomes half as large along each axis, the rest of space comes around it."""
    m = 2 * points.abs().amax(dim=1, keepdim=True)
    return points * torch.where(m <= 1, 0.5, (2 - 1 / m.clamp(min=1)) / m.clamp(min=1) * 0.5)


def stretch(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """How much longer a step is in the scene than in the contracted grid."""
    return 2 * (2 * points.abs().amax(dim=1)).clamp(min=1) ** 2


def active(voxels: "VoxelField", places: Float[Tensor, "n 3"]) -> Tensor:
    """Whether the cell of each place is active."""
    size = voxels.cells.resolution
    cell = ((places + 0.5) * size).int().clamp(0, size - 1)
    index = (cell[:, 0] * size + cell[:, 1]) * size + cell[:, 2]
    return torch.from_numpy(voxels.cells.flat)[index.long()] > 0


def corners(
    voxels: "VoxelField", places: Float[Tensor, "n 3"]
) -> tuple[Int[Tensor, "n 8"], Float[Tensor, "n 8"]]:
    """Nodes around each place, and their shares in what lies between."""
    size, side = voxels.cells.resolution, voxels.cells.side
    scaled = (places + 0.5) * size
    cell = scaled.floor().clamp(0, size - 1)
    part = scaled - cell
    cell = cell.long()
    node, share = [], []
    for i in (0, 1):
        for j in (0, 1):
            for k in (0, 1):
                node.append(((cell[:, 0] + i) * side + cell[:, 1] + j) * side + cell[:, 2] + k)
                along = [part[:, axis] if on else 1 - part[:, axis] for axis, on in enumerate((i, j, k))]
                share.append(along[0] * along[1] * along[2])
    return torch.stack(node, dim=1), torch.stack(share, dim=1)


def thickness(raw: Float[Tensor, " n"], surface: bool, sharpness: float) -> Float[Tensor, " n"]:
    """Density: softplus of the raw value, or the Laplace distribution of a signed distance."""
    if not surface:
        return softplus(raw) * sharpness
    half = 0.5 * torch.exp(-raw.abs() * sharpness)
    return sharpness * torch.where(raw > 0, half, 1 - half)


def _running(values: Float[Tensor, " m"], count: Int[Tensor, " r"]) -> Float[Tensor, " m"]:
    """Sums along each ray, up to and with each sample."""
    total = values.double().cumsum(0)
    ends = count.cumsum(0)
    before = torch.cat([total.new_zeros(1), total])[ends - count]
    return (total - before.repeat_interleave(count)).to(values.dtype)
