"""How far an extraction is: progress within stages as a share of all work."""

from collections.abc import Callable, Sequence

import numpy as np

Progress = Callable[[str, float], None]
"""Called with the name of the stage and the share of the whole extraction that is done."""
REFINEMENT = 5
"""Evaluations that one step of refinement costs per face: value, gradient, and the gradient's gradient."""


class Stages:
    """Weighs the stages by the evaluations that each will need.

    A surface crosses some 3 n^2 cells of an n^3 grid and has twice as many triangles as vertices. Each
    step of projection evaluates one point per vertex, normals six, each step of refinement one per face.
    """

    def __init__(
        self, progress: Progress | None, resolution: int, project: int, gradients: bool, polish: int = 0
    ) -> None:
        self.progress = progress
        self.crossed = 3.0 * resolution**2
        """Cells that the surface crosses, roughly."""
        self.tail = [(project + 1) * self.crossed]
        if polish:
            self.tail.append(REFINEMENT * polish * 2 * self.crossed)
        self.tail.append((6 if gradients else 1) * self.crossed)
        self.stage, self.name, self.done = -1, "", 0.0
        self.plan([])

    def plan(self, work: Sequence[float]) -> None:
        """The evaluations of each stage that finds the surface, before the first of them is entered."""
        all_work = [*work, *self.tail]
        self.ends = np.cumsum([0.0, *all_work]) / sum(all_work)

    def enter(self, name: str) -> None:
        self.stage, self.name = self.stage + 1, name
        self._tell(0.0)

    def report(self, share: float) -> None:
        """`share` of the current stage is done."""
        self._tell(share)

    def _tell(self, share: float) -> None:
        if self.progress:
            last = len(self.ends) - 1
            begin, end = self.ends[min(self.stage, last)], self.ends[min(self.stage + 1, last)]
            # Following the surface begins anew several times within a stage.
            self.done = max(self.done, float(begin + share * (end - begin)))
            self.progress(self.name, self.done)
