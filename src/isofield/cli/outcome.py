"""What came of a reconstruction: for the record, the report and the table at the end."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from isofield.cli.paths import Paths
from isofield.cli.run_record import peak_memory

if TYPE_CHECKING:
    from isofield.geometry import Mesh
    from isofield.observation import PointCloud
    from isofield.scene import Scene


def findings(
    system: str, cloud: "PointCloud", scene: "Scene", mesh: "Mesh", resolution: int
) -> dict[str, Any]:
    """What the record says about this reconstruction."""
    back = scene.world_from_scene
    cell = float(scene.box.extent.max()) * back.scale / resolution
    return {
        "system": system,
        "points": {
            "count": len(cloud),
            "normals": cloud.normals is not None,
            "colours": cloud.colours is not None,
        },
        "mesh": checks(mesh),
        "resolution": {"cells": resolution, "cell": cell},
        "normalisation": {
            "world_from_scene": {
                "scale": back.scale,
                "rotation": back.rotation.tolist(),
                "translation": back.translation.tolist(),
            }
        },
        "notes": dict(scene.notes),
    }


def checks(mesh: "Mesh") -> dict[str, Any]:
    """All checks of the mesh, verdicts first."""
    from isofield.geometry.mesh_checks import check_mesh

    found = check_mesh(mesh)
    verdicts = ("is_closed", "is_manifold", "is_oriented", "genus")
    return {name: getattr(found, name) for name in verdicts} | asdict(found)


def table(paths: Paths, found: dict[str, Any], seconds: float, report: bool) -> dict[str, str]:
    """Rows of the table at the end."""
    mesh, memory = found["mesh"], peak_memory()
    rows = {
        "mesh": str(paths.mesh),
        "report": str(paths.report) if report else "none",
        "record": str(paths.record),
        "points": _points(found),
        "vertices": f"{mesh['vertices']:,}",
        "faces": f"{mesh['faces']:,}",
        "closed": "yes" if mesh["is_closed"] else "no",
        "cell": f"{found['resolution']['cell']:.4g}",
        "seconds": f"{seconds:.1f}",
    }
    if memory is not None:
        rows["peak memory"] = f"{memory / 2**20:,.0f} MiB"
    return rows


def _points(found: dict[str, Any]) -> str:
    """How many there were, and what a system noted under these words."""
    notes, said = found["notes"], [f"{found['points']['count']:,}"]
    if "thinned" in notes:
        said.append(f"thinned to {notes['thinned']:,}, which is what the resolution can use")
    if notes.get("outliers"):
        said.append(f"{notes['outliers']:,} outliers left out")
    return "; ".join(said)
