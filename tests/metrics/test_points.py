"""What is measured of bare points."""

import numpy as np
import pytest

from isofield.geometry import Mesh
from isofield.geometry.template import icosphere
from isofield.metrics import Samples, Truth, measure_points


def test_distances_of_points_are_those_of_samples():
    vertices, faces = icosphere(4)
    truth, _ = Truth.of(Mesh(vertices / 2, faces), 20_000)
    on, off = (measure_points(Samples(radius * vertices, None), truth) for radius in (0.5, 0.4))
    assert on["accuracy"] < 0.01
    assert on["fscore_0.02"] > 0.9
    assert off["accuracy"] == pytest.approx(0.1, abs=0.005)
    assert off["completeness"] == pytest.approx(0.1, abs=0.01)
    assert "iou" not in off
    with pytest.raises(ValueError, match="no points"):
        measure_points(Samples(np.zeros((0, 3)), None), truth)
