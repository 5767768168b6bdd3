"""The geometry that `viewer.js` draws, as JSON."""

import json
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry import Box, Mesh
from isofield.observation import PointCloud
from isofield.report.colours import near_to_far
from isofield.report.contents import Contents, up_axis
from isofield.report.distances import Distances, distances_to_points, even_subset
from isofield.report.elements import ellipsoids
from isofield.report.packing import pack_mesh, pack_normals, pack_positions, pack_share

MOST_POINTS = 50_000
MOST_FACES = 100_000


def viewer_data(contents: Contents, thin: Mesh, distances: Distances | None) -> str:
    """JSON that is safe inside a script element.

    Args:
        contents: With the cloud and the upward axis.
        thin: The mesh as it is shown.
        distances: From the points to the mesh; None if there are no points.
    """
    elements = ellipsoids(contents.found)
    corners = [thin.vertices] if elements is None else [thin.vertices, elements.vertices]
    if contents.cloud is None or distances is None:
        box, frame = Box.around(np.concatenate(corners)), Box.around(thin.vertices)
        edge = _edge(box)
        geometries = {"mesh": pack_mesh(thin, box.low, 1 / edge)}
    else:
        shown = contents.cloud[shown_points(contents.cloud, distances)]
        box = Box.around(np.concatenate([*corners, shown.points]))
        edge, frame = _edge(box), _framed(thin, shown)
        geometries = {
            "points": _points(shown, thin, distances, box),
            "mesh": _mesh(thin, contents.cloud, box),
        }
    if elements is not None:
        geometries["elements"] = pack_mesh(elements, box.low, 1 / edge)
    data = {
        "up": up_axis(contents.cloud, contents.up),
        "centre": ((frame.centre - box.low) / edge).tolist(),
        "diagonal": float(np.linalg.norm(frame.extent)) / edge,
        **geometries,
    }
    return json.dumps(data).replace("<", "\\u003c")


def shown_points(cloud: PointCloud, distances: Distances) -> Int[np.ndarray, " n"]:
    """The measured points first, then others up to `MOST_POINTS`."""
    others = np.setdiff1d(even_subset(len(cloud), MOST_POINTS), distances.chosen, assume_unique=True)
    return np.concatenate([distances.chosen, others])[:MOST_POINTS]


def _points(shown: PointCloud, thin: Mesh, distances: Distances, box: Box) -> dict[str, Any]:
    edge = _edge(box)
    top = float(np.quantile(distances.lengths, 0.995)) or 1.0
    packed: dict[str, Any] = {
        "positions": pack_positions(shown.points, box.low, 1 / edge),
        "normals": pack_normals(_point_normals(shown, thin)),
        "distances": pack_share(near_to_far(distances.lengths / top)),
        "measured": len(distances.chosen),
        "spacing": _spacing(shown, edge),
    }
    if shown.colours is not None:
        packed["colours"] = pack_share(shown.colours)
    return packed


def _mesh(thin: Mesh, cloud: PointCloud, box: Box) -> dict[str, Any]:
    edge = _edge(box)
    far = distances_to_points(thin.vertices, cloud.points[even_subset(len(cloud), 200_000)])
    return pack_mesh(thin, box.low, 1 / edge) | {"distances": pack_share(near_to_far(far / (0.05 * edge)))}


def _edge(box: Box) -> float:
    """The longest edge, which is 1 on the page; 1 if there is no extent."""
    return float(box.extent.max()) or 1.0


def _framed(thin: Mesh, cloud: PointCloud) -> Box:
    """What the camera looks at: the mesh, and the points without the outermost percent per axis."""
    inner = np.quantile(cloud.points, [0.01, 0.99], axis=0)
    return Box.around(np.concatenate([thin.vertices, inner]))


def _point_normals(cloud: PointCloud, thin: Mesh) -> Float[np.ndarray, "n 3"]:
    """For shading only: those of the nearest vertices, which lie on the surface as reconstructed."""
    from scipy.spatial import cKDTree

    assert thin.normals is not None
    return thin.normals[cKDTree(thin.vertices).query(cloud.points)[1]]


def _spacing(cloud: PointCloud, edge: float) -> float:
    """Typical distance between shown points, in units of the page."""
    from scipy.spatial import cKDTree

    if len(cloud) < 2:
        return 0.01
    some = cloud.points[even_subset(len(cloud), 2_000)]
    return float(np.median(cKDTree(cloud.points).query(some, k=2)[0][:, 1])) / edge
