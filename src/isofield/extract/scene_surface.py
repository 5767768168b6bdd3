"""The surface of a scene, whichever way it has one."""

from isofield.errors import InputError
from isofield.extract.extract import extract_mesh
from isofield.geometry import Mesh
from isofield.scene import Scene


def surface_of(scene: Scene, resolution: int | None = None) -> Mesh:
    """The mesh of a scene in its own frame: extracted where there is an inside, else the scene's own.

    Args:
        scene: With a surface.
        resolution: Cells along the longest edge; what the scene supports if None.

    Raises:
        InputError: It has no surface, or its inside never crosses zero.
    """
    if scene.inside is not None:
        cells = resolution or scene.resolution
        return extract_mesh(scene.inside, scene.box, resolution=cells, normals="faces")
    if scene.mesh is None:
        raise InputError("the system offers no surface")
    return scene.mesh
