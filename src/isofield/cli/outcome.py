"""What came of a reconstruction: for the record, the report and the table at the end."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from isofield.cli.paths import Paths
from isofield.cli.run_record import peak_memory

if TYPE_CHECKING:
    from isofield.cli.seen import Seen
    from isofield.geometry import Mesh
    from isofield.scene import Scene


def findings(
    system: str, seen: "Seen", scene: "Scene", mesh: dict[str, Any], resolution: int | None
) -> dict[str, Any]:
    """What the record says about this reconstruction.

    Args:
        system: Its name.
        seen: What it saw.
        scene: What it made of it.
        mesh: What the record says about the mesh.
        resolution: Cells along the longest edge; None where nothing was extracted.
    """
    found: dict[str, Any] = {"system": system, **observed(seen), "mesh": mesh}
    if resolution is not None:
        cell = float(scene.box.extent.max()) * scene.world_from_scene.scale / resolution
        found["resolution"] = {"cells": resolution, "cell": cell}
    return {**found, "normalisation": placed(scene), "notes": dict(scene.notes)}


def placed(scene: "Scene") -> dict[str, Any]:
    """Where the scene is, for the record."""
    back = scene.world_from_scene
    rotation, translation = back.rotation.tolist(), back.translation.tolist()
    return {"world_from_scene": {"scale": back.scale, "rotation": rotation, "translation": translation}}


def observed(seen: "Seen") -> dict[str, Any]:
    """What the record says about the input."""
    what: Any = seen.observation
    if seen.kind == "points":
        said = {"normals": what.normals is not None, "colours": what.colours is not None}
        return {"points": {"count": len(what), **said}}
    if seen.kind == "image":
        return {"image": {"height": what.image.shape[0], "width": what.image.shape[1]}}
    if seen.kind == "voxels":
        return {"voxels": {"shape": list(what.occupied.shape), "full": int(what.occupied.sum())}}
    return {"field": {"values": "a network in the file"}}


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
        **input_rows(found),
        "vertices": f"{mesh['vertices']:,}",
        "faces": f"{mesh['faces']:,}",
        "closed": "yes" if mesh["is_closed"] else "no",
    }
    if "resolution" in found:
        rows["cell"] = f"{found['resolution']['cell']:.4g}"
    rows["seconds"] = f"{seconds:.1f}"
    if memory is not None:
        rows["peak memory"] = f"{memory / 2**20:,.0f} MiB"
    return rows


def input_rows(found: dict[str, Any]) -> dict[str, str]:
    """One row about the input."""
    if "points" in found:
        return {"points": _points(found)}
    if "image" in found:
        return {"picture": f"{found['image']['width']} x {found['image']['height']} pixels, squared on white"}
    if "voxels" in found:
        return {
            "voxels": f"{' x '.join(map(str, found['voxels']['shape']))}, {found['voxels']['full']:,} full"
        }
    return {"field": found["field"]["values"]}


def _points(found: dict[str, Any]) -> str:
    """How many there were, and what a system noted under these words."""
    notes, said = found["notes"], [f"{found['points']['count']:,}"]
    if "thinned" in notes:
        said.append(f"thinned to {notes['thinned']:,}, which is what the resolution can use")
    if notes.get("outliers"):
        said.append(f"{notes['outliers']:,} outliers left out")
    return "; ".join(said)
