"""Training samples of the indicator network: degraded clouds, solved, with known occupancy.

Each model of an ONet-layout data set gives several variants: another density, noise, rotation,
view, hole. A variant is a pure function of (seed, model, variant); solved once, then kept on
disk beside the data set.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt16

from isofield.data.degrade import Degradation, degraded, random_rotation
from isofield.ops.indicator import (
    CELLS_PER_SPACING,
    FINEST_FEATURES,
    MARGIN,
    feature_side,
    indicator_of,
    oriented_normals,
)
from isofield.ops.neighbourhood import neighbourhood

SIDES = (32, 24, 40, 48, 32, 48, 24, 40, 32, 16, 48, 32)
"""Cells along an edge in each variant; the density of its points follows."""
VERSION = 4
"""Changes when samples are made differently, so that old ones are not used."""


@dataclass(frozen=True)
class SolvedSample:
    """One solved cloud with queries, all in the unit cube."""

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    scatter: Float[np.ndarray, " n"]
    indicator: Float[np.ndarray, "r r r"]
    queries: Float[np.ndarray, "m 3"]
    base: Float[np.ndarray, " m"]
    inside: Bool[np.ndarray, " m"]

    def save(self, path: Path) -> None:
        """Write the sample in fixed point: 16 bits in space, 8 bits for directions."""
        from isofield.data.atomic import atomic_write

        path.parent.mkdir(parents=True, exist_ok=True)

        def fixed(x: Float[np.ndarray, "n 3"]) -> UInt16[np.ndarray, "n 3"]:
            return np.round(x * 65535).astype(np.uint16)

        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                points=fixed(self.points),
                normals=np.round(self.normals * 127).astype(np.int8),
                scatter=self.scatter.astype(np.float16),
                indicator=self.indicator.astype(np.float16),
                queries=fixed(self.queries),
                base=self.base.astype(np.float16),
                inside=np.packbits(self.inside),
            )

    @classmethod
    def load(cls, path: Path) -> "SolvedSample":
        with np.load(path) as z:
            a = {k: z[k] for k in z.files}

        def place(x: UInt16[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
            return x.astype(np.float32) / 65535

        return cls(
            points=place(a["points"]),
            normals=a["normals"].astype(np.float32) / 127,
            scatter=a["scatter"].astype(np.float32),
            indicator=a["indicator"].astype(np.float32),
            queries=place(a["queries"]),
            base=a["base"].astype(np.float32),
            inside=np.unpackbits(a["inside"])[: len(a["queries"])].astype(bool),
        )


def solve_sample(model: Path, variant: int, seed: int, queries: int = 16_384) -> SolvedSample:
    """One variant of one model; half of the queries lie near the surface."""
    draw = np.random.default_rng([seed, zlib.crc32(f"{model.parent.name}/{model.name}".encode()), variant])
    surface, normals = _surface(model)
    side = SIDES[variant % len(SIDES)]
    # the finest cells serve clouds that are denser still
    spacing = CELLS_PER_SPACING / side * MARGIN * draw.uniform(0.6 if side == FINEST_FEATURES else 0.8, 1.3)
    points = degraded(surface, normals, Degradation.drawn(draw, surface, spacing), draw)
    known, inside = _queries(model, queries, draw)
    turn = random_rotation(draw) if draw.random() < 0.5 else np.eye(3)
    return _solved(points @ turn.T, known @ turn.T, inside, side)


def solve_held_out(model: Path, count: int, noise: float, queries: int = 16_384) -> SolvedSample:
    """A plain scan of a model for validation, upright; queries are uniform."""
    draw = np.random.default_rng(0)
    surface, _ = _surface(model)
    points = surface[draw.choice(len(surface), count, replace=count > len(surface))].astype(np.float64)
    points += noise * draw.standard_normal(points.shape)
    z = np.load(model / "points.npz")
    inside = np.unpackbits(z["occupancies"])[:queries].astype(bool)
    return _solved(points, z["points"][:queries].astype(np.float64), inside)


def _solved(
    points: Float[np.ndarray, "n 3"],
    known: Float[np.ndarray, "m 3"],
    inside: Bool[np.ndarray, " m"],
    side: int | None = None,
) -> SolvedSample:
    """The cloud in its cube, solved; without `side` the cells follow the spacing."""
    low, high = points.min(axis=0), points.max(axis=0)
    longest, centre = MARGIN * (high - low).max(), (low + high) / 2
    unit = ((points - centre) / longest + 0.5).astype(np.float32)
    known = (known - centre) / longest + 0.5
    within = ((known > 0.01) & (known < 0.99)).all(axis=1)
    known, inside = known[within].astype(np.float32), inside[within]
    x = torch.from_numpy(unit)
    near = neighbourhood(x)
    side = feature_side(near.spacing) if side is None else side
    outwards = oriented_normals(x, near)
    indicator = indicator_of(x, outwards, near, 2 * side)
    return SolvedSample(
        points=unit,
        normals=outwards.numpy(),
        scatter=(near.scatter * side).numpy(),
        indicator=indicator.grid.numpy(),
        queries=known,
        base=indicator.at(torch.from_numpy(known)).numpy(),
        inside=inside,
    )


def _surface(model: Path) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    cloud = np.load(model / "pointcloud.npz")
    return cloud["points"].astype(np.float32), cloud["normals"].astype(np.float32)


def _queries(
    model: Path, count: int, draw: np.random.Generator
) -> tuple[Float[np.ndarray, "m 3"], Bool[np.ndarray, " m"]]:
    """Points of known occupancy: half uniform, half near the surface."""
    points, inside = [], []
    for name in ("points.npz", "points_surface.npz"):
        path = model / name
        z = np.load(path if path.exists() else model / "points.npz")  # official data has no second file
        every = z["points"]
        pick = draw.choice(len(every), count // 2, replace=count // 2 > len(every))
        points.append(every[pick].astype(np.float64))
        inside.append(np.unpackbits(z["occupancies"])[: len(every)][pick].astype(bool))
    return np.concatenate(points), np.concatenate(inside)
