"""A training that learns nothing begins again, says so, and gives up after some times."""

from dataclasses import dataclass, field, replace

import pytest
import torch

from isofield.training.collapse import ATTEMPTS
from isofield.training.loop import train
from isofield.training.options import TrainOptions
from isofield.training.run_folder import RunFolder
from isofield.training.weights import load_weights

QUICK = TrainOptions(
    steps=12, batch_size=64, learning_rate=1e-2, warmup=2, save_minutes=None, save_every=4, log_every=4,
    validate_every=None, preview_every=None, threads=1, device="cpu",
)  # fmt: skip


@pytest.fixture
def run(sphere, tmp_path):
    """Trains balls that collapse so many times; the source and the folder."""

    @dataclass
    class Pessimist(sphere.BallPoints):
        times: int = 0
        asked: list[int] = field(default_factory=list)
        collapses: int = 0

        def collapsed(self, step, means):
            self.asked.append(step)
            if step == 9 and self.collapses < self.times:
                self.collapses += 1
                return True
            return False

    class Ball(sphere.Ball):
        def __init__(self, config=None):
            super().__init__()
            self.config = config

    def run(times, name="run", options=QUICK):
        torch.manual_seed(0)
        source, folder = Pessimist(times=times), tmp_path / name
        ball = Ball()
        outcome = train(ball, source, RunFolder(folder, sphere.config(options)), options)
        assert outcome.step == options.steps
        return source, folder

    return run


def weights(folder):
    return load_weights(folder / "weights.safetensors").tensors


def test_it_begins_again_with_other_weights_and_says_so(run, capsys):
    source, folder = run(1)
    assert source.asked == [*range(1, 10), *range(1, 13)]
    assert capsys.readouterr().err.count("beginning again with other weights") == 1
    _, plain = run(0, "plain")
    first, second = weights(folder), weights(plain)
    assert any(not first[name].equal(second[name]) for name in first)


def test_the_same_again_is_the_same(run):
    (_, a), (_, b) = run(1, "a"), run(1, "b")
    first, second = weights(a), weights(b)
    assert all(first[name].equal(second[name]) for name in first)


def test_no_state_of_the_failed_attempt_is_resumed(run):
    _, folder = run(1)
    run(1, options=replace(QUICK, steps=14))  # goes on from step 12 of the second attempt
    assert sorted(p.name for p in (folder / "state").glob("*.safetensors")) == [
        "000000012.safetensors",
        "000000014.safetensors",
    ]


def test_after_some_times_it_goes_on_with_a_warning(run, capsys):
    source, _ = run(99)
    assert source.collapses == ATTEMPTS
    assert "warning: step 9: no better than a constant answer" in capsys.readouterr().err
