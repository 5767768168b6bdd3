"""The recipe of the model cards on balls: numbers are right, and the card says who wins."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.data.shapenet import items
from isofield.metrics.baselines import unpacked
from isofield.systems.onet import ONet, ONetConfig
from isofield.training.weights import save_weights

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SPLITS = {"train": (0.2, 0.3, 0.4, 0.5), "val": (0.35,), "test": (0.31, 0.49)}


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(RECIPES)
    yield
    for name in ("onet_card", "onet_baselines", "onet_generative", "onet_card_text"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, store):
    """Balls named as chairs, off to the left."""
    root = tmp_path_factory.mktemp("set") / "balls"
    draw = np.random.default_rng(0)
    models = []
    for split, radii in SPLITS.items():
        (root / "round").mkdir(parents=True, exist_ok=True)
        names = [f"chair-{radius}" for radius in radii]
        (root / "round" / f"{split}.lst").write_text("\n".join(names))
        known = {"status": "ok", "licence": "Public  domain", "split": split, "category": "round"}
        known |= {"source": "", "fingerprint": ""}
        models += [known | {"id": name} for name in names]
        for name, radius in zip(names, radii, strict=True):
            store(root / "round" / name, radius, draw)
    (root / "manifest.json").write_text(json.dumps({"settings": {}, "models": models}))
    return root


def made(tmp_path, dataset, kind, monkeypatch, *more, **config):
    """The card of a network that has learned nothing."""
    import onet_card

    torch.manual_seed(0)
    config = ONetConfig(field_width=8, field_blocks=1, points=64, **config)
    run = tmp_path / "run"
    run.mkdir()
    save_weights(run / "weights.safetensors", "onet", config, ONet(config).state_dict())
    options = {
        "batch_size": 4,
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup": 9,
    }
    (run / "config.json").write_text(json.dumps({"options": options}))
    (run / "metrics.jsonl").write_text('{"kind": "train", "step": 1250}\n')
    words = ["--data", dataset, "--run", run, "--weights", run / "weights.safetensors"]
    words += ["--card", tmp_path / "card.md", "--jobs", "1", *more]
    monkeypatch.setattr(sys, "argv", ["onet_card.py", kind, *map(str, words)])
    monkeypatch.setattr(onet_card, "OTHERS", {})
    assert onet_card.main() == 0
    return json.loads((run / "card.json").read_text()), (tmp_path / "card.md").read_text()


def test_a_network_that_learned_nothing_does_not_beat_retrieval(tmp_path, dataset, monkeypatch, capsys):
    card, text = made(
        tmp_path, dataset, "points", monkeypatch, code_size=8, encoder_width=8, cloud_size=50, mirror=True
    )
    assert card["candidates"] == 8
    assert card["training"]["steps"] == 1250
    rows = {row["name"]: row for row in card["rows"]["oracle"]}
    assert rows["chair-0.31"]["found"] == "round/chair-0.3"
    assert rows["chair-0.31"]["iou"] == pytest.approx((0.3 / 0.31) ** 3, abs=0.05)
    assert rows["chair-0.49"]["found"] == "round/chair-0.5"
    assert rows["chair-0.49"]["chamfer_l1"] == pytest.approx(0.013, abs=0.006)
    retrieved = card["means"]["retrieval"]["mean_over_classes"]["iou"]
    assert 0.05 < retrieved <= card["means"]["oracle"]["mean_over_classes"]["iou"] + 1e-9
    assert card["rows"]["mean_shape"][0]["level"] > 0.25  # a ball of 0.4, which half of them fill
    assert card["means"]["mean_of_category"] == card["means"]["mean_shape"]
    assert "**does not beat** looking up the nearest training shape" in text
    assert "1,250 steps of 4 objects" in text
    assert "The validation part decided" not in text
    assert "- 7 models: Public domain" in text
    assert "| nearest training shape, by the encoder's code | 0." in text


def test_the_quick_card_has_the_same_ious(tmp_path, dataset, monkeypatch, capsys):
    sizes = {"code_size": 8, "encoder_width": 8, "cloud_size": 50}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    slow, _ = made(tmp_path / "a", dataset, "points", monkeypatch, **sizes)
    quick, text = made(tmp_path / "b", dataset, "points", monkeypatch, "--quick", **sizes)
    for name, means in slow["means"].items():
        same = quick["means"][name]["mean_over_classes"]
        assert same["iou"] == pytest.approx(means["mean_over_classes"]["iou"], abs=0.02), name
        assert "chamfer_l1" not in same
    assert "distances were not measured" in text


def test_the_generative_network_is_measured_without_observation(tmp_path, dataset, monkeypatch, capsys):
    card, text = made(
        tmp_path, dataset, "generative", monkeypatch,
        sees="nothing", code_size=0, latent_size=4, field="simple", only=("chair", "table"),
    )  # fmt: skip
    assert (card["held"], card["candidates"]) == (3, 4)
    bound = card["bound"]
    assert bound["total"] == pytest.approx(bound["occupancy"] + bound["divergence"])
    assert bound["divergence_per_shape"] == pytest.approx(64 * bound["divergence"])
    # A network that knows nothing says one half everywhere, about; the mean shape knows more.
    assert bound["occupancy"] == pytest.approx(np.log(2), abs=0.2)
    assert bound["mean_shape"] < 0.5
    assert 0 < card["means"]["autoencoded"]["mean_over_objects"]["iou"] < 0.3
    assert card["samples"]["held_to_training"]["least"] > 0.6
    assert "**does not beat** the best of 4 training shapes" in text


def test_distances_are_compared_where_both_have_a_surface():
    from onet_card import distances

    def row(name, distance):
        return {"class": "a", "name": name, "iou": 0.5, "chamfer_l1_x10": distance}

    own = [row("easy", 0.3), row("hard", None)]
    assert distances(own, [row("easy", 0.2), row("hard", 0.9)]) == pytest.approx((0.3, 0.2))
    assert distances(own, [row("hard", 0.9)]) is None


def test_what_validation_decided_is_told(tmp_path):
    from onet_card import best_step
    from onet_card_text import chosen

    lines = [{"kind": "validation", "step": step, "iou": iou} for step, iou in ((1, 0.1), (2, 0.3), (3, 0.3))]
    assert best_step([*lines, {"kind": "train", "step": 4, "loss": 9.0}]) == 2
    assert best_step([]) is None
    card = {"training": {"best": 2000}, "config": {"threshold": 0.14}}
    assert chosen(card) == (
        "The validation part decided that the weights of step 2,000 ship"
        " and that the surface lies at a probability of 0.14."
    )


def test_grids_are_computed_once(tmp_path, dataset, monkeypatch):
    import onet_baselines

    train = items(dataset, "train")
    first = onet_baselines.grids(dataset, train, 1)
    shares = [unpacked(each).mean() for each in first]
    balls = [4 / 3 * np.pi * radius**3 / 1.1**3 for radius in SPLITS["train"]]
    assert shares == pytest.approx(balls, rel=0.03)
    monkeypatch.setattr(onet_baselines, "_grid", None)
    assert (onet_baselines.grids(dataset, train, 1) == first).all()


def test_what_is_missing_is_told_in_one_sentence(tmp_path, monkeypatch, capsys):
    import onet_card

    monkeypatch.setattr(sys, "argv", ["onet_card.py", "points", "--weights", str(tmp_path / "none")])
    assert onet_card.main() == 2
    assert capsys.readouterr().err.startswith("onet_card: ")
