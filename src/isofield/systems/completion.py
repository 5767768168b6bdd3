"""Completion of partial scans by a trained DeepSDF: where the scan lies in the shape, and which shape it is.

    (z, s, theta, t) = argmin  mean |clamp(f(z, x), delta) - clamp(s d, delta)| / s + lambda |z|^2 + prior(s)
    x = s R(theta) (p - t)

The scan tells distances d at places p: zero on its points, a little in front of and behind them, and as far
as the nearest point on the way to where the scanner stood; beside its outline all is free. Neither the size
of the whole nor its middle are known, nor which way it looks; up is. Many starts are fitted at once on few
places, the better ones go on with more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, degrees, exp, pi, sin

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isofield.condition import Code
from isofield.encoders.gauss import SolvedCloud, solve_cloud
from isofield.errors import InputError
from isofield.fields.deepsdf import inside_of
from isofield.geometry import Box, Similarity
from isofield.observation import PointCloud
from isofield.scene import Inside, Scene
from isofield.systems.completion_free import View, free_beside
from isofield.systems.deepsdf import DeepSDF
from isofield.systems.deepsdf_cloud import distances_of

POSE = 0.2
"""Rate of pose and size, in units of the code's."""
FREE_WEIGHT = 5.0
"""How much more a place counts that is free and lies inside."""
AXES = {"x": 0, "y": 1, "z": 2}
Watch = Callable[[float, str], None]
"""Hears the share that is done, and how it goes."""


@dataclass(frozen=True)
class Round:
    """A part of the descent, from which the better starts go on."""

    keep: int
    """Starts that take part."""
    steps: int
    places: int
    """Asked per start and step."""


@dataclass(frozen=True)
class CompletionConfig:
    """How a scan is fitted."""

    yaws: int = 4
    """Ways the whole may look, around the upright axis; 1: as training shapes do."""
    sizes: tuple[float, ...] = (0.9, 1.15)
    """Sizes of the whole to start from, in units of the longest edge of what was seen."""
    backs: tuple[float, ...] = (0.0, 0.25)
    """How far behind the middle of what was seen the middle of the whole may be, in the same unit."""
    rounds: tuple[Round, ...] = (Round(16, 60, 400), Round(4, 120, 1_000), Round(1, 300, 4_000))
    """Fewer starts and more places from round to round."""
    rate: float = 1e-2
    """Of Adam, for the code; pose moves at a fifth of it."""
    prior: float = 1e-3
    """Weight of the code's mean square."""
    size_prior: float = 1e-3
    """Weight of the squared logarithm of the size over that of the start."""
    move: bool = True
    """Whether pose and size are fitted; otherwise they are those of the best start."""
    free: float = 0.5
    """Places beside the outline of the scan, which are free, as a share of the others; 0 for none."""
    carve: bool = True
    """Whether what the scan says to be free is taken away from the shape at the end."""
    offset: float = 0.02
    """How far in front of and behind the points distances are told, in units of the scan's longest edge."""
    up: str = "y"
    """Which axis of the scan points up."""
    seed: int = 0


@dataclass
class Guess:
    """Codes and poses of several starts at once; leaves of the gradient."""

    codes: Float[Tensor, "s c"]
    log_scale: Float[Tensor, " s"]
    yaw: Float[Tensor, " s"]
    middle: Float[Tensor, "s 3"]

    def leaves(self) -> list[Tensor]:
        """All that is fitted."""
        return [self.codes, self.log_scale, self.yaw, self.middle]

    def kept(self, which: Tensor) -> "Guess":
        """Some of the starts, apart from the gradients so far."""
        return Guess(*(leaf.detach()[which].clone().requires_grad_() for leaf in self.leaves()))

    def balls(self, places: Float[Tensor, "s n 3"]) -> Float[Tensor, "s n 3"]:
        """Where places of the scan lie in the unit ball, y up."""
        x, y, z = (places - self.middle[:, None]).unbind(-1)
        c, s = torch.cos(self.yaw)[:, None], torch.sin(self.yaw)[:, None]
        turned = torch.stack([c * x + s * z, y, c * z - s * x], -1)
        return turned * self.log_scale.exp()[:, None, None]

    def similarity(self) -> Similarity:
        """The first start's map from the scan to the unit ball."""
        log_scale, yaw = (float(leaf.detach()[0]) for leaf in (self.log_scale, self.yaw))
        c, s, scale = cos(yaw), sin(yaw), exp(log_scale)
        rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        return Similarity(scale, rotation, -scale * rotation @ self.middle[0].detach().double().numpy())


@dataclass(frozen=True)
class Known:
    """What a scan tells, in its own upright frame; with a leading axis for several starts."""

    places: Float[Tensor, "*s n 3"]
    sdf: Float[Tensor, "*s n"]
    """Distances there; infinite where it is only known that the place is free."""

    @classmethod
    def of(cls, scan: PointCloud, config: CompletionConfig) -> "Known":
        """Of a scan with normals."""
        places, sdf = distances_of(scan, config.offset, config.seed)
        view = View.of(scan)
        count = 0 if view is None else round(config.free * len(places))
        free = free_beside(view, count, config.seed + 1) if view else np.zeros((0, 3))
        beyond = torch.full((len(free),), torch.inf)
        return cls(torch.cat([places, torch.from_numpy(free).float()]), torch.cat([sdf, beyond]))

    def drawn(self, starts: int, count: int, draw: torch.Generator) -> "Known":
        """So many of the places for each start, at random."""
        pick = torch.randint(len(self.places), (starts, count), generator=draw)
        return Known(self.places[pick], self.sdf[pick])

    def difference(self, system: DeepSDF, guess: Guess) -> Float[Tensor, " s"]:
        """Mean clamped difference of each start, in units of the scan's frame.

        Free places count by how deep inside they are, several times over: they alone bound what is unseen.
        """
        clamp, scale = system.config.clamp, guess.log_scale.exp()[:, None]
        found = system.field(guess.balls(self.places), Code(guess.codes)).clamp(-clamp, clamp)
        free = self.sdf.isinf()
        told = (scale * self.sdf.masked_fill(free, 0.0)).clamp(-clamp, clamp)
        return (torch.where(free, FREE_WEIGHT * (-found).relu(), (found - told).abs()) / scale).mean(1)

    @torch.no_grad()
    def errors(self, system: DeepSDF, guess: Guess, count: int, draw: torch.Generator) -> Float[Tensor, " s"]:
        """The difference of each start on the same places."""
        pick = torch.randperm(len(self.places), generator=draw)[:count]
        rows = len(guess.codes), -1
        same = Known(self.places[pick].expand(*rows, 3), self.sdf[pick].expand(*rows))
        return same.difference(system, guess)


@dataclass(frozen=True)
class Completed:
    """The whole that a scan is a part of."""

    scene: Scene
    code: Float[Tensor, "1 c"]
    error: float
    """Mean difference of the distances that the scan tells, in its own units."""
    scan: PointCloud
    """What was used of the scan, in its own frame."""

    @property
    def edge(self) -> float:
        """Longest edge of the scan."""
        return float(np.ptp(self.scan.points, axis=0).max())


def complete(
    system: DeepSDF, cloud: PointCloud, config: CompletionConfig | None = None, watch: Watch | None = None
) -> Completed:
    """The shape that suits a partial scan best, in the frame of the scan; deterministic.

    Raises:
        InputError: The scan has too few points, or no extent.
    """
    config, told = config or CompletionConfig(), watch or (lambda share, words: None)
    solved = solve_cloud(cloud)
    upright = upright_from(config.up)
    scan = replace(solved.cloud, normals=outward(solved)).transformed(upright)
    known = Known.of(scan, config)
    draw = torch.Generator().manual_seed(config.seed)
    guess = descended(system, known, starts(system, scan, config), config, draw, told)
    ball, code = guess.similarity() @ upright, guess.codes.detach()[:1].clone()
    world = solved.world_from_scene
    view = View.of(solved.cloud) if config.carve else None
    pose = {
        "yaw_degrees": degrees(float(guess.yaw.detach()[0])),
        "ball_radius": world.scale / ball.scale,
    }
    scene = Scene(
        box=box_of(ball),
        world_from_scene=world,
        inside=carved(inside_of(system.field, code, ball), view),
        notes={**solved.notes, "pose": pose},
    )
    left = float(known.errors(system, guess, len(known.places), draw)[0])
    return Completed(scene, code, left * world.scale, solved.cloud.transformed(world))


def descended(
    system: DeepSDF, known: Known, guess: Guess, config: CompletionConfig, draw: torch.Generator, told: Watch
) -> Guess:
    """The starts that are left after all rounds, as far down as these lead."""
    total, done = sum(each.steps * each.places * each.keep for each in config.rounds), 0
    with torch.inference_mode(False), torch.enable_grad():
        first = guess.log_scale.detach().clone()
        for each in config.rounds:
            if each.keep < len(guess.codes):
                error = known.errors(system, guess, 2 * each.places, draw)
                best = error.argsort(stable=True)[: each.keep]
                guess, first = guess.kept(best), first[best]
            optimiser = adam(guess, config)
            for step in range(each.steps):
                slower = 0.1 if 2 * step >= each.steps else 1.0
                for group in optimiser.param_groups:
                    group["lr"] = slower * group["rate"]
                error = known.drawn(len(guess.codes), each.places, draw).difference(system, guess)
                size = config.size_prior * (guess.log_scale - first).square()
                optimiser.zero_grad()
                (error + config.prior * guess.codes.square().mean(1) + size).sum().backward()
                optimiser.step()
                done += each.places * len(guess.codes)
                words = f"{len(guess.codes)} starts, error {float(error.detach().min()):.4f}"
                told(min(done / total, 1.0), words)
    return guess


def adam(guess: Guess, config: CompletionConfig) -> torch.optim.Adam:
    """The optimiser of codes and, where asked for, poses."""
    groups = [{"params": [guess.codes], "rate": config.rate}]
    if config.move:
        groups.append({"params": guess.leaves()[1:], "rate": config.rate * POSE})
    return torch.optim.Adam(groups, config.rate)


def outward(solved: SolvedCloud) -> Float[np.ndarray, "n 3"]:
    """Normals of a solved cloud, turned to the sensors where these are known."""
    normals = solved.normals.double().numpy()
    if solved.cloud.sensors is None:
        return normals
    away = ((solved.cloud.sensors - solved.cloud.points) * normals).sum(1, keepdims=True) < 0
    return np.where(away, -normals, normals)


def upright_from(up: str) -> Similarity:
    """The turn that makes an axis y; raises InputError for anything but x, y and z."""
    if up not in AXES:
        raise InputError(f"up is x, y or z, not {up!r}")
    return Similarity(rotation=np.roll(np.eye(3), AXES[up] - 1, axis=1))


def starts(system: DeepSDF, scan: PointCloud, config: CompletionConfig) -> Guess:
    """Poses to begin with: sizes and places around what was seen, which way it may look; codes near zero."""
    box = Box.around(scan.points)
    longest = float(box.extent.max())
    behind = np.zeros(3)
    if scan.sensors is not None:
        behind = box.centre - scan.sensors.mean(axis=0)
        behind[1] = 0.0
        behind /= max(float(np.linalg.norm(behind)), 1e-12)
    places = [box.centre + back * longest * behind for back in (config.backs if behind.any() else (0.0,))]
    rows = [
        (place, size, 2 * pi * turn / config.yaws)
        for place in places
        for size in config.sizes
        for turn in range(config.yaws)
    ]
    # a whole with this longest edge has its farthest point at about 0.75 of it
    scale = [-np.log(0.75 * size * longest * 1.03) for _, size, _ in rows]
    draw = torch.Generator().manual_seed(config.seed)
    codes = 0.01 * torch.randn(1, system.config.code_size, generator=draw).repeat(len(rows), 1)
    parts = [codes, torch.tensor(scale).float(), torch.tensor([row[2] for row in rows]).float()]
    middles = torch.from_numpy(np.stack([row[0] for row in rows])).float()
    return Guess(*(part.requires_grad_() for part in (*parts, middles)))


def carved(inside: Inside, view: View | None) -> Inside:
    """A shape without what a scan says to be free."""
    if view is None:
        return inside
    return lambda points: torch.minimum(inside(points), -view.free(points))


def box_of(ball: Similarity) -> Box:
    """The box around the unit ball, in the frame that a map takes to it."""
    centre = ball.inverse().apply(np.zeros((1, 3)))[0]
    return Box(centre - 1 / ball.scale, centre + 1 / ball.scale)
