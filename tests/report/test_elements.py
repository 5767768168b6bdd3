"""Elements are ellipsoids where the Gaussians are, in the frame of the mesh, and the report has them."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.report import Contents, write_report
from isofield.report.elements import ellipsoids

TURNS = Rotation.from_euler("xyz", [[0.3, -0.2, 0.5], [0, 0, 0]]).as_matrix()
NOTES = {
    "centres": [[0.1, 0.2, 0.3], [0, 0, 0]],
    "radii": [[0.3, 0.1, 0.05], [0.1, 0.1, 0.1]],
    "rotations": TURNS.tolist(),
    "symmetric": 1,
    "axis": "z",
}
MOVED = {"scale": 2.0, "rotation": np.eye(3).tolist(), "translation": [5.0, 0, 0]}


def found(frame: dict | None = None) -> dict:
    where = {} if frame is None else {"normalisation": {"world_from_scene": frame}}
    return {"mesh": {"is_closed": True}, "system": "ldif", "notes": {"elements": NOTES}, **where}


def test_every_vertex_is_one_deviation_away() -> None:
    mesh = ellipsoids(found())
    assert mesh is not None
    first, second, mirrored = np.split(mesh.vertices, 3)
    for vertices, turn in ((first, TURNS[0]), (mirrored * [1, 1, -1], TURNS[0])):
        away = (vertices - NOTES["centres"][0]) @ turn / NOTES["radii"][0]
        np.testing.assert_allclose(np.linalg.norm(away, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(second, axis=1), 0.1, atol=1e-6)


def test_they_are_closed_face_outwards_and_pairs_have_one_colour() -> None:
    mesh = ellipsoids(found())
    assert mesh is not None
    assert mesh.normals is not None
    assert mesh.colours is not None
    assert check_mesh(mesh).is_closed
    crosses = mesh.face_crosses()
    outwards = mesh.normals[mesh.faces].mean(axis=1)
    assert (np.einsum("fk,fk->f", crosses, outwards) > 0).all()
    centre = np.repeat([*NOTES["centres"], [0.1, 0.2, -0.3]], len(mesh.vertices) // 3, axis=0)
    assert (np.einsum("vk,vk->v", mesh.normals, mesh.vertices - centre) > 0).all()
    first, second, mirrored = np.split(mesh.colours, 3)
    np.testing.assert_array_equal(first, mirrored)
    assert np.abs(first - second).max() > 0.1


def test_they_are_where_the_mesh_is() -> None:
    plain, moved = ellipsoids(found()), ellipsoids(found(MOVED))
    assert plain is not None
    assert moved is not None
    np.testing.assert_allclose(moved.vertices, 2 * plain.vertices + [5, 0, 0])


def contents(found: dict) -> Contents:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    mesh = Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    return Contents("shape.txt", None, mesh, found, {"extract": 0.5})


def test_the_report_offers_them_where_there_are_some(tmp_path) -> None:
    write_report(tmp_path / "r.html", contents(found()))
    page = (tmp_path / "r.html").read_text()
    assert '<input id="elements"' in page
    assert "2, 1 of them mirrored along z" in page
    assert '"elements":' in page
    none = {**found(), "notes": {"level": 0.5}}
    write_report(tmp_path / "none.html", contents(none))
    page = (tmp_path / "none.html").read_text()
    assert '<input id="elements"' not in page
    assert not re.search(r'"elements":', page)
    assert ellipsoids(none) is None
    assert ellipsoids({}) is None


def test_nothing_of_them_is_cut_off(tmp_path) -> None:
    import base64
    import json

    write_report(tmp_path / "r.html", contents(found()))
    page = (tmp_path / "r.html").read_text()
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.S)[1])
    corners = []
    for part in ("mesh", "elements"):
        raw = np.frombuffer(base64.b64decode(data[part]["positions"]["data"]), "<u2")
        corners.append(raw.reshape(-1, 3) / 65535)
    edge = np.ptp(np.concatenate(corners), axis=0).max()
    assert edge == pytest.approx(1, abs=1e-4)
    # the mesh reaches from 0 to 1 and the elements below it: both in one frame
    assert np.ptp(corners[0], axis=0).max() < 0.95
