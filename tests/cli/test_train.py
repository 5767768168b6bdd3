"""`isofield train` with a system that lives in this file."""

import json
import signal
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isofield.cli import main
from isofield.cli.train import override
from isofield.data.occupancy import share
from isofield.errors import InputError
from isofield.system import System
from isofield.systems import SYSTEMS
from isofield.training import loop
from isofield.training.weights import load_weights


@dataclass(frozen=True)
class LineConfig:
    """A line through points."""

    slope: float = 0.0
    width: int = 1
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[int, float] = (1, 2.0)
    bias: bool = True
    kind: Literal["plain", "fancy"] = "plain"
    limit: float | None = None
    names: tuple[str, ...] = field(default=())


class Points:
    def __init__(self, seed: int, size: int) -> None:
        self.seed, self.size = seed, size

    def batch(self, step: int, rank: int, world: int) -> Tensor:
        x = np.random.default_rng([self.seed, step]).normal(size=(self.size, 1)).astype(np.float32)
        mine = share(self.size, rank, world)
        return torch.from_numpy(x[mine.start : mine.stop])


class Line(System):
    """Learns y = 3x."""

    def __init__(self, config: LineConfig) -> None:
        super().__init__()
        self.layer = nn.Linear(1, config.width, bias=config.bias)

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"square": (self.layer(batch) - 3 * batch).square().mean()}

    @classmethod
    def batches(cls, config: LineConfig, data: Path, seed: int, size: int) -> Points:
        return Points(seed, size)


class Rock(System):
    """Learns nothing."""


@contextmanager
def in_line(batches, start, steps, rank, world, **_):
    """Batches made when they are asked for."""
    yield (batches.batch(step, rank, world) for step in range(start, steps))


@pytest.fixture(autouse=True)
def catalogue(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "line_systems", sys.modules[__name__])
    monkeypatch.setitem(SYSTEMS, "line", (__name__, "Line"))
    monkeypatch.setitem(SYSTEMS, "rock", (__name__, "Rock"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def train(tmp_path):
    """Runs the verb on a data folder; returns the exit code."""

    def train(*words, system="line", data=tmp_path, output="run"):
        quick = ("--device", "cpu", "--threads", "1", "--steps", "80", "--warmup", "5")
        step = ("--learning-rate", "0.1", "--ema", "None", "--save-minutes", "None")
        return main(["train", system, str(data), "-o", str(tmp_path / output), *quick, *step, *words])

    return train


def test_stopped_by_a_signal_it_says_so_and_goes_on(train, tmp_path, capsys, monkeypatch):
    batch = Points.batch

    def stopping(self, step, rank, world):
        if step == 30:
            signal.raise_signal(signal.SIGINT)
        return batch(self, step, rank, world)

    # in the training's own thread, where signals arrive
    monkeypatch.setattr(loop, "prefetched", in_line)
    monkeypatch.setattr(Points, "batch", stopping)
    assert train() == 130
    said = capsys.readouterr().err
    assert "stopping when this step is done; once more stops at once" in said
    assert "stopped after step 31; the same command resumes" in said
    monkeypatch.setattr(Points, "batch", batch)
    assert train() == 0
    assert "resuming after step 31" in capsys.readouterr().err


def test_trains_and_says_so(train, tmp_path, capsys):
    assert train("--set", "width=2", "--weight-decay", "0") == 0
    weights = load_weights(tmp_path / "run" / "weights.safetensors")
    assert weights.system == "line"
    assert weights.config == json.loads(json.dumps(asdict(LineConfig(width=2))))
    torch.testing.assert_close(weights.tensors["layer.weight"], torch.full((2, 1), 3.0), atol=0.05, rtol=0)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["system"] == "line"
    assert config["config"]["width"] == 2
    assert config["options"]["steps"] == 80
    assert config["versions"]["torch"] == torch.__version__
    said = capsys.readouterr()
    assert "80 of 80" in said.out
    assert str(tmp_path / "run" / "weights.safetensors") in said.out


def test_json_for_programs(train, capsys):
    assert train("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"] == 80
    assert 0 < found["loss"] < 9  # 9 is the loss of y = 0


def test_same_command_does_nothing_twice_and_more_steps_go_on(train, tmp_path, capsys):
    assert train() == 0
    first = (tmp_path / "run" / "weights.safetensors").read_bytes()
    assert train() == 0
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == first
    assert train("--steps", "90") == 0
    assert "resuming after step 80" in capsys.readouterr().err
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() != first


def test_another_config_is_refused_until_restart(train, tmp_path, capsys):
    assert train() == 0
    assert train("--set", "width=2") == 2
    assert "config.width was 1 and now is 2" in capsys.readouterr().err
    assert train("--set", "width=2", "--restart") == 0
    assert load_weights(tmp_path / "run" / "weights.safetensors").config["width"] == 2
    (old,) = tmp_path.glob("run-until-*")
    assert load_weights(old / "weights.safetensors").config["width"] == 1


def test_starts_from_weights(train, tmp_path, capsys):
    assert train("--weight-decay", "0") == 0
    start = str(tmp_path / "run" / "weights.safetensors")
    assert train("--steps", "1", "--learning-rate", "1e-9", "--weights", start, output="next") == 0
    a, b = (load_weights(tmp_path / name / "weights.safetensors").tensors for name in ("run", "next"))
    torch.testing.assert_close(a["layer.weight"], b["layer.weight"])
    assert train("--set", "width=2", "--weights", start, output="third") == 2
    assert "doesn't fit line with this config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "widht=2"], "LineConfig has no field 'widht'; there are: slope, width, sizes"),
        (["--set", "width=wide"], "--set width=wide: 'wide' is not int"),
        (["--set", "width"], "--set width is not KEY=VALUE"),
        (["--steps", "0"], "--steps 0 is impossible; give a positive number"),
        (["--batch-size", "-1"], "--batch-size -1 is impossible"),
        (["--ema", "1.5"], "--ema 1.5 is impossible; give a decay between 0 and 1, or None"),
        (["--clip", "nan"], "--clip nan is impossible"),
        (["--weights", "nowhere.safetensors"], "there is no weights file nowhere.safetensors"),
    ],
)
def test_wrong_words_end_in_one_sentence(train, words, said, capsys):
    assert train(*words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_wrong_system_or_data(train, tmp_path, capsys):
    for given, said in [
        ({"system": "lime"}, "there is no system 'lime'; choose one of gauss"),
        ({"system": "rock"}, "rock learns nothing"),
        ({"system": "grid"}, "grid learns nothing from data sets; isofield fit learns it from a mesh"),
        ({"data": tmp_path / "gone"}, "there is no data set"),
    ]:
        assert train(**given) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("slope=1e-3", 1e-3),
        ("sizes=3,4,5", (3, 4, 5)),
        ("sizes=(7,)", (7,)),
        ("pair=2,0.5", (2, 0.5)),
        ("bias=no", False),
        ("bias=True", True),
        ("kind=fancy", "fancy"),
        ("limit=None", None),
        ("limit=2", 2.0),
        ("names=a,b", ("a", "b")),
    ],
)
def test_settings_are_read_as_their_type(setting, value):
    found = getattr(override(LineConfig(), (setting,)), setting.split("=")[0])
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "setting", ["bias=maybe", "kind=odd", "pair=1", "sizes=1,x", "limit=high", "width=1.5"]
)
def test_settings_of_the_wrong_type(setting):
    with pytest.raises(InputError, match=rf"--set {setting}"):
        override(LineConfig(), (setting,))
