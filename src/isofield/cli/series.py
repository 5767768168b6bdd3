"""Several shapes into one folder: what `generate` and `interpolate` share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from isofield.cli.console import Console
from isofield.errors import InputError

if TYPE_CHECKING:
    from isofield.scene import Scene


@dataclass(frozen=True)
class Series:
    """Where several shapes go, and how finely they are meshed."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("shapes")
    """Folder of the meshes; made if it is not there."""
    resolution: Annotated[int, tyro.conf.arg(metavar="CELLS")] = 128
    """Cells along the longest edge."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Weights of an onet or a deepsdf, instead of the generative ones that come with isofield."""

    def check(self) -> None:
        """Nothing, if the folder is there or can be made, and the resolution is possible.

        Raises:
            InputError: It is not so; one sentence says what.
        """
        if not 8 <= self.resolution <= 4096:
            raise InputError(f"--resolution {self.resolution} is out of range; give 8 to 4096 cells")
        if self.output.exists() and not self.output.is_dir():
            raise InputError(f"{self.output} is a file; give a folder for the meshes with --output")
        try:
            self.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the folder {self.output} cannot be made: {error.strerror}") from None

    def write(
        self, stage: str, names: Sequence[str], scene: Callable[[int], "Scene"], console: Console
    ) -> None:
        """Meshes of the scenes, by name, and the table at the end; shapes without surface are only told."""
        files = []
        with console.stage(stage) as advance:
            for number, name in enumerate(names):
                path = self.output / f"{name}.glb"
                if self._one(path, scene(number), console):
                    files.append(path)
                advance((number + 1) / len(names))
        if not files:
            raise InputError("none of the shapes has a surface; this network has not learned enough")
        record = {"outputs": [str(path) for path in files], "warnings": console.warnings}
        console.finish(f"{len(files)} shapes", {"meshes": f"{len(files)} in {self.output}"}, record)

    def _one(self, path: Path, scene: "Scene", console: Console) -> bool:
        from isofield.data import write_mesh
        from isofield.extract import extract_mesh

        assert scene.inside is not None
        try:
            mesh = extract_mesh(scene.inside, scene.box, resolution=self.resolution, normals="faces")
        except InputError as error:
            console.warn(f"{path.name} is left out: {error}")
            return False
        write_mesh(path, mesh.transformed(scene.world_from_scene))
        return True
