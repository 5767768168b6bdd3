"""The parts of the loop: schedule, averages, sources, state, weights."""

import json
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from isofield.data.occupancy import share
from isofield.errors import InputError
from isofield.training.averages import Ema, Smoothed
from isofield.training.logs import PlainProgress, clock
from isofield.training.options import FREE, TrainOptions
from isofield.training.schedule import FLOOR, learning_rate
from isofield.training.source import prefetched, to_device
from isofield.training.state import load_state, save_state, seed_step
from isofield.training.weights import load_weights, save_weights


class TestSchedule:
    def test_rises_then_falls(self):
        options = TrainOptions(steps=1000, learning_rate=2.0, warmup=100)
        rates = [learning_rate(step, options) for step in range(1000)]
        assert 0 < rates[0] < 0.03
        assert np.argmax(rates) == 100
        assert rates[100] == pytest.approx(2.0)
        assert rates[550] == pytest.approx(2.0 * (FLOOR + (1 - FLOOR) / 2))
        assert rates[-1] == pytest.approx(2.0 * FLOOR, rel=0.01)

    def test_constant_stays(self):
        options = TrainOptions(steps=10, learning_rate=0.5, warmup=0, schedule="constant")
        assert [learning_rate(step, options) for step in (0, 5, 10**6)] == [0.5] * 3


class TestEma:
    def test_is_the_weighted_mean_of_the_weights(self):
        layer = nn.Linear(1, 1, bias=False)
        layer.weight.data.fill_(0.0)
        ema, expected = Ema(layer, 0.9), 0.0
        for step in range(200):
            layer.weight.data.fill_(float(step))
            ema.update(step)
            decay = min(0.9, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * step
        assert ema.averages[0].item() == pytest.approx(expected, rel=1e-5)
        with ema.applied():
            assert layer.weight.item() == pytest.approx(expected, rel=1e-5)
        assert layer.weight.item() == 199

    def test_state_goes_round(self):
        a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        ema = Ema(b, 0.5)
        ema.restore(Ema(a, 0.5).state())
        with ema.applied():
            assert torch.equal(a.weight, b.weight)
        assert not torch.equal(a.weight, b.weight)


def test_smoothed_is_unbiased_and_ignores_nan():
    smoothed = Smoothed(0.9)
    assert smoothed.means() == {}
    for value in (3.0, float("nan"), 3.0, float("inf")):
        smoothed.update({"loss": value})
    assert smoothed.means()["loss"] == pytest.approx(3.0)


class TestPrefetch:
    class Numbers:
        def batch(self, step, rank, world):
            if step == 7:
                raise InputError("file 7 is damaged")
            self.thread = threading.current_thread()
            return step, rank, world

    @pytest.mark.parametrize("ahead", [0, 1, 5])
    @pytest.mark.parametrize("workers", [1, 3])
    def test_order_is_kept(self, ahead, workers):
        source = self.Numbers()
        with prefetched(source, 8, 30, 1, 2, ahead, workers) as batches:
            assert list(batches) == [(step, 1, 2) for step in range(8, 30)]
        assert source.thread is not threading.current_thread()

    def test_errors_come_in_their_place(self):
        got = []
        with pytest.raises(InputError, match="file 7"), prefetched(self.Numbers(), 5, 30) as batches:
            got.extend(batch[0] for batch in batches)
        assert got == [5, 6]

    def test_nothing_left_to_do(self):
        with prefetched(self.Numbers(), 5, 5) as batches:
            assert list(batches) == []


def test_shares_are_equal_and_complete():
    assert [*share(6, 0, 3), *share(6, 1, 3), *share(6, 2, 3)] == list(range(6))
    with pytest.raises(ValueError, match="a batch of 7 can't be split evenly over 2 ranks"):
        share(7, 0, 2)


def test_to_device_follows_records():
    @dataclass(frozen=True)
    class Batch:
        points: torch.Tensor
        names: list[str]
        more: dict

    batch = Batch(torch.zeros(2), ["a"], {"pair": (torch.ones(1), 3)})
    moved = to_device(batch, torch.device("meta"))
    assert moved.points.device.type == "meta"
    assert moved.more["pair"][0].device.type == "meta"
    assert moved.names == ["a"]
    assert moved.more["pair"][1] == 3


class TestState:
    def network(self, seed):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4)).to(memory_format=torch.channels_last_3d)
        return net, torch.optim.AdamW(net.parameters(), fused=True), Ema(net, 0.9)

    def work(self, net, optimiser, ema, steps):
        for step in steps:
            seed_step(0, step)
            optimiser.zero_grad()
            net(torch.randn(2, 2, 5, 5, 5)).square().mean().backward()
            optimiser.step()
            ema.update(step)

    def test_everything_comes_back(self, tmp_path):
        parts = self.network(0)
        self.work(*parts, range(4))
        save_state(tmp_path, 4, *parts, {"note": 1.5})
        other = self.network(1)
        assert load_state(tmp_path, *other) == (4, {"note": 1.5})
        for each in (parts, other):
            self.work(*each, range(4, 8))
        for name, value in parts[0].state_dict().items():
            assert torch.equal(value, other[0].state_dict()[name]), name
        for a, b in zip(parts[2].averages, other[2].averages, strict=True):
            assert torch.equal(a, b)

    def test_last_two_are_kept_and_the_older_serves_if_the_newer_is_damaged(self, tmp_path):
        parts = self.network(0)
        for step in (5, 10, 100):
            save_state(tmp_path, step, *parts, {})
        newest = tmp_path / "000000100.safetensors"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["000000010.safetensors", newest.name]
        newest.write_bytes(newest.read_bytes()[:100])
        assert load_state(tmp_path, *parts) == (10, {})

    def test_no_state(self, tmp_path):
        assert load_state(tmp_path, *self.network(0)) is None


def test_random_numbers_belong_to_the_step():
    import random

    def draw(*key):
        seed_step(*key)
        return torch.rand(1).item(), float(np.random.rand()), random.random()  # noqa: NPY002

    assert draw(1, 2, 0) == draw(1, 2, 0)
    keys = [(1, 2, 0), (1, 3, 0), (2, 2, 0), (1, 2, 1)]
    for column in zip(*(draw(*key) for key in keys), strict=True):
        assert len(set(column)) == 4


class TestWeights:
    def test_round_trip_with_the_same_bytes(self, tmp_path):
        tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.int64)}
        for name in ("one", "two"):
            save_weights(tmp_path / name, "ball", {"width": 3, "sizes": [1, 2]}, tensors)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        weights = load_weights(tmp_path / "one")
        assert weights.system == "ball"
        assert weights.config == {"width": 3, "sizes": [1, 2]}
        assert {name: t.tolist() for name, t in weights.tensors.items()} == {
            "a": [[1, 1], [1, 1]],
            "b": [0.0, 1, 2],
        }

    def test_shared_tensors_are_stored(self, tmp_path):
        one = torch.ones(4)
        save_weights(tmp_path / "w", "ball", {}, {"a": one, "b": one[:2]})
        assert load_weights(tmp_path / "w").tensors["b"].tolist() == [1, 1]

    def test_wrong_files_are_named(self, tmp_path):
        from safetensors.torch import save_file

        (tmp_path / "junk").write_bytes(b"not at all")
        save_file({"a": torch.ones(1)}, tmp_path / "foreign")
        later = json.dumps({"format": 99, "system": "x", "config": {}})
        save_file({"a": torch.ones(1)}, tmp_path / "later", {"isofield": later})
        for name, words in {
            "missing": "there is no weights file",
            "junk": "is not a readable safetensors file",
            "foreign": "was not written by isofield",
            "later": "update isofield",
        }.items():
            with pytest.raises(InputError, match=words):
                load_weights(tmp_path / name)


def test_free_options_are_options():
    assert set(TrainOptions.__dataclass_fields__) >= FREE


def test_progress_in_plain_lines(capsys):
    progress = PlainProgress(10, 20, every=1e9)
    for step in range(11, 21):
        progress.update(step, 0.25, 1e-3)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("step 20/20  loss 0.25000  lr 1.00e-03")
    assert line.endswith("left 0:00:00")


def test_clock():
    assert clock(3723.4) == "1:02:03"
