"""Completion: a cap tells its ball, in any place, size and direction."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.condition import Code
from isofield.data.half_scan import half_scan
from isofield.errors import InputError
from isofield.fields.deepsdf import DeepSdfField
from isofield.geometry.mesh import Mesh
from isofield.geometry.similarity import Similarity
from isofield.observation import PointCloud
from isofield.systems.completion import CompletionConfig, Round, complete, upright_from
from isofield.systems.deepsdf import DeepSDF, DeepSDFConfig


class Boxes(DeepSdfField):
    """Distances of boxes along the axes whose height is the code, as a trained decoder might know them."""

    def __init__(self) -> None:
        super().__init__(2, (8,) * 4, (2,), ())

    def forward(self, points: torch.Tensor, condition: Code) -> torch.Tensor:
        height = (0.5 + 0.5 * condition.vector[:, :1]).clamp(0.05, 0.9)
        size = torch.cat([torch.full_like(height, 0.25), height, torch.full_like(height, 0.4)], 1)
        q = points.abs() - size[:, None]
        return q.clamp(min=0).add(1e-9).norm(dim=-1) + q.amax(-1).clamp(max=0)

    def bind(self, condition: Code):
        return lambda points: self.forward(points[None], condition)[0]


@pytest.fixture
def system() -> DeepSDF:
    made = DeepSDF(DeepSDFConfig(code_size=2, widths=(8,) * 4, latent_in=(2,), norm_layers=()))
    made.field = Boxes()
    return made.eval()


def box_scan(height: float, azimuth: float) -> PointCloud:
    """A box of half edges 0.25, height and 0.4, seen from one side."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * [0.25, height, 0.4]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    return half_scan(Mesh(corners, faces), azimuth, count=2_000)


QUICK = CompletionConfig(rounds=(Round(16, 40, 200), Round(4, 80, 400), Round(1, 200, 1_000)))


@pytest.mark.parametrize("up", ["y", "z"])
def test_what_one_side_tells_is_the_whole(system, up):
    scan = box_scan(0.7, azimuth=120.0)
    world = Similarity(40.0, upright_from(up).inverse().rotation, np.array([300.0, -20.0, 7.0]))
    found = complete(system, scan.transformed(world), replace(QUICK, up=up))
    assert found.error < 0.01 * 40
    assert found.scene.inside is not None
    draw = np.random.default_rng(0)
    places = draw.uniform(-1, 1, (4_000, 3))
    truth = (np.abs(places) < [0.25, 0.7, 0.4]).all(1)
    inside = found.scene.occupied(world.apply(places))
    assert (inside & truth).sum() / (inside | truth).sum() > 0.6  # how far the back reaches is hardly told


def test_it_is_deterministic_and_tells_how_it_goes(system):
    heard: list[float] = []
    scan = box_scan(0.6, azimuth=200.0)
    short = replace(QUICK, rounds=(Round(4, 5, 50), Round(1, 5, 50)))
    first = complete(system, scan, short, lambda share, words: heard.append(share))
    second = complete(system, scan, short)
    assert first.code.equal(second.code)
    assert first.error == second.error
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_only_three_axes_point_up(system):
    with pytest.raises(InputError, match="up is x, y or z"):
        complete(system, box_scan(0.5, 0.0), replace(QUICK, up="w"))


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_upright(up):
    axis = np.zeros((1, 3))
    axis[0, "xyz".index(up)] = 1
    np.testing.assert_allclose(upright_from(up).apply(axis), [[0, 1, 0]], atol=1e-12)
    assert np.linalg.det(upright_from(up).rotation) == pytest.approx(1)


def test_a_half_scan_shows_what_faces_the_camera():
    scan = box_scan(0.5, azimuth=0.0)
    assert scan.sensors is not None
    assert scan.points[:, 2].max() == pytest.approx(0.4, abs=1e-6)
    front = np.isclose(scan.points[:, 2], 0.4)
    top = np.isclose(scan.points[:, 1], 0.5)
    assert (front | top).mean() > 0.98  # and what lies within the rays' offset of the edges
    assert front.any()
    assert top.any()
