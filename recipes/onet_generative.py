"""How well the generative network knows held-out shapes, and how new its samples are."""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from onet_baselines import Library, grids, scored
from torch.nn.functional import binary_cross_entropy

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.data.chosen import chosen
from isofield.data.occupancy import collate, labelled, rows
from isofield.data.shapenet import Item, items
from isofield.metrics import iou
from isofield.metrics.baselines import grid_points, mean_shape, overlaps, packed, shares_at
from isofield.metrics.table import summary
from isofield.ops.query import query

SAMPLES = 64
REPEATS = 8
"""Draws of labelled points and of z over which the bound is averaged."""


def generative(args: argparse.Namespace, system: Any) -> dict[str, Any]:
    """Bound, autoencoding and samples, on validation and test together: the test part alone is small.

    Raises:
        InputError: The data set has no such shapes.
    """
    config = system.config
    train = chosen(args.data, items(args.data, "train"), config.only)
    held = [
        item
        for part in ("val", "test")
        for item in chosen(args.data, items(args.data, part), config.only, none_ok=True)
    ]
    held = held[: args.limit]
    library = Library.of(train, grids(args.data, train, args.jobs), config.mirror)
    bits = grids(args.data, held, args.jobs)
    nearest = [int(overlaps(library.bits, own).argmax()) for own in bits]
    found = {
        "autoencoded": autoencoded(system, held),
        "oracle": [scored(item, library, number) for item, number in zip(held, nearest, strict=True)],
    }
    return {
        "held": len(held),
        "candidates": len(library.bits),
        "bound": {**bound(system, held), "mean_shape": mean_shape_entropy(library, held)},
        "means": {name: summary(part) for name, part in found.items()},
        "samples": samples(system, library, bits),
        "rows": found,
    }


@torch.no_grad()
def bound(system: Any, held: Sequence[Item]) -> dict[str, float]:
    """Cross entropy and divergence per labelled point, in nats, and the divergence per shape."""
    count = system.config.points
    torch.manual_seed(0)
    totals: dict[str, float] = {}
    for repeat in range(REPEATS):
        drawn = [labelled(item, np.random.default_rng([7, repeat, n]), count) for n, item in enumerate(held)]
        batch = collate([OccupancyBatch(None, rows(points), rows(inside)) for points, inside in drawn])
        for name, loss in system.losses(batch).items():
            totals[name] = totals.get(name, 0.0) + float(loss) / REPEATS
    per_point = {name: total / count for name, total in totals.items()}
    return {**per_point, "total": sum(per_point.values()), "divergence_per_shape": totals["divergence"]}


def mean_shape_entropy(library: Library, held: Sequence[Item]) -> float:
    """Cross entropy per point of the mean training shape taken as probability: knowing nothing."""
    mean = mean_shape(library.bits)
    losses = []
    for item in held:
        known = item.occupied()
        share = torch.from_numpy(np.clip(shares_at(mean, known.points), 1e-3, 1 - 1e-3))
        losses.append(float(binary_cross_entropy(share, torch.from_numpy(known.inside).double())))
    return float(np.mean(losses))


def autoencoded(system: Any, held: Sequence[Item]) -> list[dict[str, Any]]:
    """IoU of each shape with what the mean of its posterior decodes to."""
    result = []
    for number, item in enumerate(held):
        points, inside = labelled(item, np.random.default_rng([8, number]), system.config.points)
        z = system.posterior_mean(rows(points), rows(inside))
        known = item.occupied()
        decoded = query(system.scene(Code(z)).inside, known.points) > 0
        result.append({"class": item.category, "name": item.id, "iou": iou(decoded, known.inside)})
    return result


def samples(system: Any, library: Library, held: np.ndarray) -> dict[str, Any]:
    """How near samples of the prior come to training shapes, and to the held-out ones.

    `novelty` has the IoU of each sample with the training shape nearest to it; held-out shapes have
    `held_to_training`. `coverage` has the IoU of each held-out shape with the nearest of the samples; as many
    training shapes, chosen by chance, reach `coverage_by_training`.
    """
    places = grid_points()
    made = []
    for seed in range(SAMPLES):
        scene = system.scene(system.condition(None, system.draw([seed])))
        made.append(packed(query(scene.inside, places) > 0))
    drawn = np.stack(made)
    solid = drawn.any(axis=1)
    some = np.random.default_rng(0).choice(len(library.bits), min(SAMPLES, len(library.bits)), replace=False)
    return {
        "count": SAMPLES,
        "empty": int((~solid).sum()),
        "novelty": spread([overlaps(library.bits, one).max() for one in drawn[solid]]),
        "held_to_training": spread([overlaps(library.bits, one).max() for one in held]),
        "coverage": spread([overlaps(drawn, one).max() for one in held]),
        "coverage_by_training": spread([overlaps(library.bits[some], one).max() for one in held]),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, least, median and greatest."""
    array = np.array(values if len(values) else [np.nan])
    found = {"mean": array.mean(), "least": array.min(), "median": np.median(array), "most": array.max()}
    return {name: float(value) for name, value in found.items()}
