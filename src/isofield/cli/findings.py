"""What is found out about one file of points."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isofield.cli import describe

if TYPE_CHECKING:
    from isofield.data import PointFile
    from isofield.geometry import Mesh
    from isofield.geometry.mesh_checks import MeshChecks
    from isofield.metrics.survey import Survey


@dataclass(frozen=True)
class Findings:
    """Everything known about one file."""

    file: "PointFile"
    survey: "Survey"
    checks: "MeshChecks | None"
    path: Path

    def rows(self) -> dict[str, str]:
        """The table for people."""
        survey, cloud = self.survey, self.file.cloud
        rows = {
            "kind": describe.kind(self.file, self.checks),
            "extent": describe.extent(survey),
            "units": describe.units(survey),
            "spacing": describe.spacing(survey),
            "noise": describe.noise(survey),
            "outliers": describe.outliers(survey),
            "duplicates": describe.duplicates(survey),
            "normals": describe.normals(survey),
            "colours": "there; the mesh will carry them" if cloud.colours is not None else "none",
            "surface": describe.surface(survey, self.checks),
        }
        if self.checks is not None:  # spacing and the like are those of our own samples
            rows = {
                k: v
                for k, v in rows.items()
                if k not in ("spacing", "noise", "outliers", "duplicates", "normals")
            }
        if cloud.sensors is not None:
            rows["sensor"] = "its position is in the file, which tells the outside"
        for i, remark in enumerate(describe.remarks(survey, self.file)):
            rows[f"note {i + 1}"] = remark
        rows["next"] = describe.next_line(self.path, survey)
        if hint := describe.options(survey, self.checks):
            rows["option"] = hint
        return rows

    def record(self) -> dict[str, Any]:
        """The same for programs: plain JSON values."""
        survey = {k: None if isinstance(v, float) and v != v else v for k, v in asdict(self.survey).items()}
        return {
            "path": str(self.path),
            "format": self.file.kind,
            "points": self.file.claimed,
            "not_finite": self.file.dropped,
            "has_normals": self.file.cloud.normals is not None,
            "has_colours": self.file.cloud.colours is not None,
            "has_sensors": self.file.cloud.sensors is not None,
            "closedness": self.survey.closedness,
            "extent": list(self.survey.extent),
            "survey": survey,
            "mesh": None if self.checks is None else asdict(self.checks),
            "words": self.rows(),
            "next": describe.next_line(self.path, self.survey),
        }

    def line(self) -> str:
        """One row of a folder's table."""
        extent = " x ".join(describe.number(e) for e in self.survey.extent)
        count = f"{self.checks.faces:,} faces" if self.checks else f"{self.file.claimed:,} points"
        extras = [
            w
            for w, a in (("normals", self.file.cloud.normals), ("colours", self.file.cloud.colours))
            if a is not None
        ]
        surface = self.survey.closedness
        if self.checks is not None:
            surface = "closed" if self.checks.is_closed else f"{self.checks.boundary_edges:,} open edges"
        return ", ".join([self.file.kind, count, extent, surface, *extras])


def inspect(path: Path, seed: int = 0) -> Findings:
    """Reads the file and measures it.

    Raises:
        InputError: It cannot be read, or its points can't lie on a surface.
    """
    return look(path, read(path, seed), seed)


def read(path: Path, seed: int) -> "PointFile":
    """The points of the file; raises InputError as `inspect` does."""
    from isofield.data import read_point_file, require_surface

    file = read_point_file(path, seed=seed)
    require_surface(file.cloud, path)
    return file


def look(path: Path, file: "PointFile", seed: int) -> Findings:
    """Everything measured about points that have been read."""
    from isofield.geometry.mesh_checks import check_mesh
    from isofield.metrics.survey import survey

    checks = None if file.mesh is None else check_mesh(_welded(file.mesh))
    return Findings(file, survey(file.cloud, seed), checks, path)


def _welded(mesh: "Mesh") -> "Mesh":
    """Vertices at the same place as one: files repeat them where textures or normals break."""
    import numpy as np

    vertices, number = np.unique(mesh.vertices, axis=0, return_inverse=True)
    return replace(mesh, vertices=vertices, faces=number.reshape(-1)[mesh.faces], normals=None, colours=None)
