"""What a system reconstructs: functions of space and the way back to the user's frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from isofield.geometry import Box, Mesh, Similarity
from isofield.geometry.rays import Rays
from isofield.ops.query import query

Inside = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]
"""Positive inside, zero on the surface."""
Colour = Callable[[Float[Tensor, "n 3"]], Float[Tensor, "n 3"]]
"""RGB in [0, 1]."""
Radiance = Callable[
    [Float[Tensor, "n 3"], Float[Tensor, "n 3"]], tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]
]
"""Points and unit directions of sight -> density per unit length of the scene, and RGB in [0, 1]."""
Light = Callable[
    [Rays, Float[Tensor, "r 3"]], tuple[Float[Tensor, "r 3"], Float[Tensor, " r"], Float[Tensor, " r"]]
]
"""Rays of the scene and what is behind it, per ray -> RGB in [0, 1], opacity, and opacity times distance."""
Confidence = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]
"""How well the observation supports the surface here: 1 next to data, 0 far from all of it."""


@dataclass(frozen=True)
class Scene:
    """The functions a system offers, all in the scene's own frame.

    Which functions are there is what can be done: `inside` gives a mesh, `inside` and
    `colour` a coloured one, `radiance` or `light` new views. Explicit systems give `mesh` or `points`.
    """

    box: Box = field(default_factory=lambda: Box.cube(1.1))
    """Where the functions are meaningful; everything outside is free space."""
    world_from_scene: Similarity = field(default_factory=Similarity)
    """Takes results back to the frame and units of the input."""
    inside: Inside | None = None
    colour: Colour | None = None
    radiance: Radiance | None = None
    light: Light | None = None
    """Whole rays at once, where the system has a way of its own; preferred to `radiance`."""
    background: Callable[[Float[Tensor, "n 3"]], Float[Tensor, "n 3"]] | None = None
    """RGB that light from infinity has, by unit direction of sight, seen where radiance lets it pass."""
    confidence: Confidence | None = None
    mesh: Mesh | None = None
    """A surface that the system gives as it is, in the scene's frame; it may be open."""
    points: Float[np.ndarray, "n 3"] | None = None
    """Points of the surface, where the system gives nothing else, in the scene's frame."""
    resolution: int = 128
    """Cells along the longest edge of the box that the observation supports."""
    notes: Mapping[str, object] = field(default_factory=dict)
    """What the system found out on the way, for reports: plain JSON values."""

    def occupied(self, places: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Whether each place, in the frame of the input, is inside; free outside the scene's box.

        Raises:
            TypeError: The scene has no `inside`.
        """
        if self.inside is None:
            raise TypeError("the scene has no inside to measure")
        local = self.world_from_scene.inverse().apply(places)
        within = self.box.contains(local)
        occupied = np.zeros(len(places), bool)
        if within.any():
            occupied[within] = query(self.inside, local[within]) > 0
        return occupied
