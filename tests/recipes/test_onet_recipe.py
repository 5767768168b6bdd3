"""What the recipe of the occupancy networks ships."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.data.occupancy import Known
from isofield.observation import PointCloud
from isofield.scene import Scene
from isofield.systems.onet import ONet, ONetConfig
from isofield.training.weights import load_weights, save_weights

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SMALL = ONetConfig(code_size=8, encoder_width=8, field_width=8, field_blocks=1)


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(RECIPES)
    yield
    for name in ("onet", "onet_level"):
        sys.modules.pop(name, None)


class Slope:
    """Thinks that the probability of being inside falls from 1 to 0 between x = 0 and x = 1."""

    config, wants = SMALL, PointCloud

    def reconstruct(self, observation):
        def inside(points):
            return torch.logit((1 - points[:, 0]).clamp(1e-4, 1 - 1e-4)) - np.log(0.2 / 0.8)

        return Scene(inside=inside, resolution=32)


def test_ious_are_those_of_every_level():
    from onet_level import LEVELS, ious

    points = np.random.default_rng(0).uniform(0, 1, (4000, 3))
    known = Known("half", PointCloud(points[:9]), points, points[:, 0] < 0.7)
    values, peak = ious(Slope(), known)
    assert peak == pytest.approx(np.log(1 / 1e-4), rel=0.2)
    found = dict(zip(LEVELS, values, strict=True))
    assert max(found, key=found.__getitem__) == pytest.approx(0.3)
    assert found[0.3] == pytest.approx(1, abs=0.01)
    assert found[0.44] == pytest.approx(0.56 / 0.7, abs=0.03)


@pytest.mark.parametrize(("rare", "best"), [(0.01, 0.3), (0.1, 0.1)])
def test_a_level_has_to_find_nearly_all(monkeypatch, rare, best):
    import onet_level

    def ious(system, known):  # some models are found at low levels alone
        levels = np.array(onet_level.LEVELS)
        return 0.5 - abs(levels - 0.3), onet_level.logit(0.11 if known < rare else 0.9)

    monkeypatch.setattr(onet_level, "held", lambda system, data: np.linspace(0.005, 1, 100))
    monkeypatch.setattr(onet_level, "ious", ious)
    assert onet_level.chosen_level(None, Path())[0] == best


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A run of ten steps whose best and last weights differ."""
    import onet
    import onet_level

    for number, name in enumerate(("weights", "best")):
        torch.manual_seed(number)
        save_weights(tmp_path / f"{name}.safetensors", "onet", SMALL, ONet(SMALL).state_dict())
    (tmp_path / "metrics.jsonl").write_text('{"kind": "validation", "step": 10, "iou": 0.5}\n')
    monkeypatch.setattr(onet, "WEIGHTS", tmp_path / "shipped")
    monkeypatch.setattr(onet_level, "chosen_level", lambda system, data: (0.12, {0.12: 0.5}))
    (tmp_path / "shipped").mkdir()
    return argparse.Namespace(kind="points", run=tmp_path, data=tmp_path, steps=10)


@pytest.mark.parametrize(("kept", "chooses"), [("best", True), ("weights", False)])
def test_what_was_kept_ships_at_its_level(finished, kept, chooses):
    import onet

    recipe = onet.Recipe(10, {}, kept=f"{kept}.safetensors", chooses_level=chooses)
    assert onet.ship(finished, recipe) == 0
    shipped = load_weights(finished.run / "shipped" / "onet_points.safetensors")
    assert shipped.config["threshold"] == (0.12 if chooses else SMALL.threshold)
    own = load_weights(finished.run / f"{kept}.safetensors").tensors
    assert all(torch.equal(shipped.tensors[name], tensor.half()) for name, tensor in own.items())


def test_a_training_that_was_stopped_ships_nothing(finished):
    import onet

    finished.steps = 11
    assert onet.ship(finished, onet.RECIPES["points"]) != 0
    assert not list((finished.run / "shipped").iterdir())


def test_draws_that_are_empty_are_told_and_do_not_ship(finished, monkeypatch, capsys):
    import onet
    import onet_level

    config = replace(SMALL, sees="nothing", code_size=0, latent_size=4, field="simple")
    torch.manual_seed(0)
    system = ONet(config).eval()
    save_weights(finished.run / "best.safetensors", "onet", config, system.state_dict())
    assert onet_level.empty_draws(system, 0.01) == []
    assert onet_level.empty_draws(system, 0.99) == list(range(8))
    monkeypatch.setattr(onet_level, "chosen_level", lambda system, data: (0.99, {}))
    finished.kind = "generative"
    assert onet.ship(finished, onet.Recipe(10, {})) == 0
    assert "draws [0, 1, 2, 3, 4, 5, 6, 7] of the first 8 are empty" in capsys.readouterr().out
    assert not list((finished.run / "shipped").iterdir())
