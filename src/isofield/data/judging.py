"""What a mesh's winding number says about its inside, and whether repairing it makes that clearer."""

import zlib
from dataclasses import dataclass

import numpy as np

from isofield.data import sampling
from isofield.data.orient import oriented
from isofield.data.surfaces import enclosed
from isofield.geometry.mesh import Mesh


def seed_of(seed: int, name: str) -> int:
    """The seed of all draws of one model."""
    return zlib.crc32(f"{seed}/{name}".encode())


@dataclass(frozen=True)
class Judged:
    """A mesh with what its winding number says on uniform points."""

    mesh: Mesh
    inside: float
    undecided: float
    crisp: bool
    """No point inside sees out, so rays that escape prove their origin outside."""
    repaired: float = 0.0

    @property
    def ambiguous(self) -> float:
        """Undecided volume in units of the inside volume; infinite without an inside."""
        return self.undecided / self.inside if self.inside > 0 else float("inf")


def judge(mesh: Mesh, seed: int, repaired: float = 0.0, count: int = 20_000) -> Judged:
    """Shares of uniform points inside, and undecided: |w| in (0.2, 0.8), or turned inside out."""
    samples = sampling.uniform(mesh, count, seed)
    w = samples.winding
    undecided = ((np.abs(w) > 0.2) & (np.abs(w) < 0.8)) | (w < -0.5)
    crisp = bool(enclosed(mesh, samples.points[samples.inside], tries=8).all())
    return Judged(mesh, float(samples.inside.mean()), float(undecided.mean()), crisp, repaired)


def clearest(mesh: Mesh, seed: int) -> Judged:
    """The mesh or a repaired version of it, whichever leaves the smallest share of its inside undecided."""
    best = judge(mesh, seed)
    if best.ambiguous < 0.01:
        return best
    for candidate, repaired in oriented(mesh, seed, (1.0, 2.0, 4.0)):
        other = judge(candidate, seed, repaired)
        if other.ambiguous < 0.9 * best.ambiguous:
            best = other
    return best
