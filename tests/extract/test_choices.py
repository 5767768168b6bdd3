"""What `extract_mesh` is told, in every combination that means something, and in those that do not."""

import numpy as np
import pytest
import torch

from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.extract.mise import extract_mise
from isofield.extract.polish import polish
from isofield.fields.mlp import BoundMlp
from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh
from isofield.ops.steps import Activation, Affine

BOX = Box.cube(1.1)


def ball(p):
    return 0.4 - p.norm(dim=1)


def octahedron(turned=False):
    """0.4 - |x|_1 as a network; turned, no edge lies along the grid."""
    skew = torch.tensor([[1.0, 0.3, -0.2], [0.2, 1.0, 0.5], [-0.4, 0.1, 1.0]])
    frame = torch.linalg.qr(skew)[0] if turned else torch.eye(3)
    sides = torch.cat([frame, -frame], dim=1)
    last = Affine(-torch.ones(6, 1), torch.tensor([0.4]))
    return BoundMlp([Affine(sides, torch.zeros(6)), Activation("relu"), last])


def test_mise_is_the_original_to_the_letter():
    mesh = extract_mesh(ball, BOX, resolution=64, mise=True, normals=None)
    theirs, _ = extract_mise(ball, BOX, 32, 1)
    assert mesh.vertices.tobytes() == theirs.vertices.tobytes()
    assert mesh.faces.tobytes() == theirs.faces.tobytes()


@pytest.mark.parametrize(("resolution", "coarse", "steps"), [(64, 16, 2), (20, None, 0), (100, None, 2)])
def test_mise_splits_until_the_resolution_is_reached(resolution, coarse, steps):
    mesh = extract_mesh(ball, BOX, resolution=resolution, coarse=coarse, mise=True, normals=None)
    start = (resolution >> steps) + (steps == 0)
    assert mesh.vertices.tobytes() == extract_mise(ball, BOX, start, steps)[0].vertices.tobytes()


@pytest.mark.parametrize("method", [{}, {"mise": True}, {"certified": True}])
def test_every_search_ends_in_the_same_way(method):
    told = []
    mesh = extract_mesh(
        octahedron(),
        BOX,
        resolution=48,
        **method,
        colour=lambda p: p.abs(),
        faces=600,
        keep="largest",
        polish=2,
        progress=lambda stage, share: told.append((stage, share)),
    )
    assert check_mesh(mesh).is_sound
    assert len(mesh.faces) == pytest.approx(600, abs=40)
    assert mesh.colours == pytest.approx(np.abs(mesh.vertices), abs=1e-6)
    assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1, abs=1e-6)
    assert (mesh.normals * mesh.vertices).sum(axis=1).min() > 0
    assert {"surface", "refinement", "normals", "done"} <= {stage for stage, _ in told}
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize("certified", [False, True])
def test_sharp_edges_stay_sharp(certified):
    """Of an octahedron of volume 4/3 r^3: marching cubes cuts its edges off, its dual does not."""
    cut = extract_mesh(octahedron(True), BOX, resolution=32, certified=certified, normals=None)
    kept = extract_mesh(octahedron(True), BOX, resolution=32, certified=certified, sharp=True, normals=None)
    checks = check_mesh(kept)
    assert checks.is_closed
    assert checks.is_manifold
    truth = 4 / 3 * 0.4**3
    assert abs(kept.volume() - truth) < 0.2 * abs(cut.volume() - truth)


def test_polish_comes_after_simplifying():
    plain = extract_mesh(ball, BOX, resolution=32, faces=500, normals=None)
    polished = extract_mesh(ball, BOX, resolution=32, faces=500, normals=None, polish=4)
    assert polished.vertices.tobytes() == polish(plain, ball, steps=4).mesh.vertices.tobytes()


@pytest.mark.parametrize(
    ("choices", "error", "sentence"),
    [
        ({"mise": True, "certified": True}, ValueError, "choose one"),
        ({"mise": True, "sharp": True}, ValueError, "leave out sharp"),
        ({"mise": True, "closed": False}, ValueError, "leave out project and closed"),
        ({"mise": True, "project": 2}, ValueError, "leave out project and closed"),
        ({"mise": True, "resolution": 1024}, ValueError, "at most 512 cells"),
        ({"certified": True, "coarse": 16}, ValueError, "no coarse grid"),
        ({"certified": True}, InputError, "only networks whose layers are known"),
        ({"polish": -1}, ValueError, "0 or more steps"),
    ],
)
def test_what_does_not_go_together_is_told(choices, error, sentence):
    with pytest.raises(error, match=sentence):
        extract_mesh(ball, BOX, **choices)
