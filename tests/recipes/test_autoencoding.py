"""Trained representations compared on balls: every recipe is one, numbers are those of unseen models."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isofield.cli.train import override
from isofield.data.sdf_samples import write_sdf_samples
from isofield.systems import config_class

ROOT = Path(__file__).resolve().parents[2]
SPLITS = {"train": (0.25, 0.3, 0.4, 0.45), "val": (0.35,), "test": (0.31, 0.42)}


@pytest.fixture(autouse=True)
def rooms(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "recipes")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield
    for name in ("autoencoding", "unseen", "furniture", "points"):
        sys.modules.pop(name, None)


@pytest.fixture
def dataset(tmp_path, store):
    """Balls with everything that DeepSDF and PSGN learn from."""
    root, draw = tmp_path / "balls", np.random.default_rng(0)
    for split, radii in SPLITS.items():
        (root / "round").mkdir(parents=True, exist_ok=True)
        (root / "round" / f"{split}.lst").write_text("\n".join(f"ball-{radius}" for radius in radii))
        for radius in radii:
            folder = root / "round" / f"ball-{radius}"
            store(folder, radius, draw)
            places = draw.uniform(-1, 1, (4000, 3))
            sdf = np.linalg.norm(places, axis=1) - 0.97
            write_sdf_samples(folder / "sdf.npz", places, sdf, np.zeros(3), radius)
    (root / "manifest.json").write_text(json.dumps({"settings": {}, "models": []}))
    return root


def called(monkeypatch, name, *words):
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])


def test_every_recipe_is_one():
    from autoencoding import CLOUD, RECIPES

    assert set(RECIPES) == {"onet", "deepsdf", "imnet", "ldif", "voxel_decoder", "atlasnet", "psgn"}
    for name, recipe in RECIPES.items():
        settings = [f"{key}={value}" for key, value in recipe.config.items()]
        config = override(config_class(name)(), tuple(settings))
        assert getattr(config, "cloud_size", CLOUD) == CLOUD, name


def test_what_was_trained_is_measured_on_models_that_were_not_seen(tmp_path, dataset, monkeypatch, capsys):
    import autoencoding as recipes
    import unseen

    tiny = {
        "psgn": {
            "code_size": 8,
            "encoder_width": 8,
            "width": 16,
            "made": 64,
            "points": 100,
            "cloud_size": 300,
        },
        "deepsdf": {"code_size": 4, "widths": "16,16,16", "latent_in": "", "dropout": "", "norm_layers": ""}
        | {"samples": 256, "fit_steps": 20, "fit_samples": 100},
    }
    known = {
        name: replace(recipes.RECIPES[name], config=config, batch_size=2) for name, config in tiny.items()
    }
    monkeypatch.setattr(recipes, "RECIPES", known)
    runs, table = tmp_path / "runs", tmp_path / "table.json"
    called(monkeypatch, "autoencoding.py", "--data", dataset, "--runs", runs, "--steps", 12)
    assert recipes.main() == 0
    assert recipes.main() == 0  # nothing is left to do
    assert len((runs / "psgn" / "spent.jsonl").read_text().splitlines()) == 2

    words = ["--data", dataset, "--runs", runs, "--output", table]
    called(monkeypatch, "unseen.py", "psgn", "gauss", *words)
    assert unseen.main() == 0
    called(monkeypatch, "unseen.py", "deepsdf", *words)
    assert unseen.main() == 0
    found = json.loads(table.read_text())
    assert list(found) == ["psgn", "gauss", "deepsdf"]
    assert [row["model"] for row in found["psgn"]["rows"]] == ["round/ball-0.31", "round/ball-0.42"]
    assert found["gauss"]["iou_field"] > 0.95
    assert found["gauss"]["chamfer_l1"] < found["psgn"]["chamfer_l1"]
    assert "iou_field" not in found["psgn"]
    assert (found["psgn"]["numbers_per_shape"], found["deepsdf"]["numbers_per_shape"]) == (8, 4)
    assert found["deepsdf"]["steps"] == 12
