import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.errors import InputError
from isofield.training.loop import train
from isofield.training.options import TrainOptions
from isofield.training.run_folder import RunFolder
from isofield.training.step import Losses, parameter_groups
from isofield.training.weights import load_weights

SCRIPT = Path(__file__).with_name("sphere_run.py")
QUICK = TrainOptions(
    steps=30,
    batch_size=64,
    learning_rate=1e-2,
    warmup=5,
    save_minutes=None,
    log_every=10,
    threads=1,
    device="cpu",
)


@pytest.fixture
def start(sphere, tmp_path):
    """Trains the ball in a folder; returns the system."""

    def start(options=QUICK, source=None, name="run", dropout=0.0, restart=False):
        torch.manual_seed(0)
        ball = sphere.Ball(dropout=dropout)
        run = RunFolder(tmp_path / name, sphere.config(options), restart)
        train(ball, source or sphere.BallPoints(), run, options, quiet=True)
        return ball

    return start


def lines(folder: Path, kind: str) -> list[dict]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_learns_a_sphere(start, tmp_path, precision):
    start(replace(QUICK, steps=300, precision=precision))
    losses = [line["loss"] for line in lines(tmp_path / "run", "train")]
    assert losses[0] > 0.5
    assert losses[-1] < 0.25
    assert lines(tmp_path / "run", "validation")[-1]["accuracy"] > 0.9


def test_bf16_is_the_arithmetic_inside_only(sphere):
    torch.manual_seed(0)
    ball, batch = sphere.Ball(), sphere.BallPoints().batch(0, 0, 1)
    whole, half = (Losses(ball, precision)(batch)["occupancy"] for precision in ("float32", "bf16"))
    assert half.dtype == torch.float32
    assert half != whole
    assert abs(half - whole) < 1e-2


def test_interrupted_and_whole_run_agree_to_the_bit(start, tmp_path):
    whole = start(name="whole", dropout=0.3)
    # the same run in two pieces; the careless validation between them draws random numbers
    start(replace(QUICK, steps=13, schedule="constant"), name="a", dropout=0.3)
    pieces = start(replace(QUICK, schedule="constant"), name="a", dropout=0.3)
    straight = start(replace(QUICK, schedule="constant", validate_every=None), name="b", dropout=0.3)
    assert same(pieces, straight)
    assert not same(pieces, whole)
    result = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "ab"]
    assert result[0] == result[1]
    assert [line["step"] for line in lines(tmp_path / "a", "train")] == [10, 13, 20, 30]
    assert lines(tmp_path / "a", "train")[-1] == lines(tmp_path / "b", "train")[-1]


@pytest.mark.slow
def test_resumes_exactly_after_sigkill(one_thread, tmp_path):
    settings = ["save_every=20", "dropout=0.2", "validate_every=50"]

    def command(name):
        return [sys.executable, str(SCRIPT), str(tmp_path / name), "600", *settings]

    subprocess.run(command("whole"), env=one_thread, check=True, capture_output=True)
    moment, kills = np.random.default_rng(), 0
    for _ in range(3):
        before = set((tmp_path / "killed" / "state").glob("0*"))
        process = subprocess.Popen(command("killed"), env=one_thread, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(set((tmp_path / "killed" / "state").glob("0*")) - before) < 1:
            time.sleep(0.01)
        time.sleep(moment.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2
    end = subprocess.run(command("killed"), env=one_thread, check=True, capture_output=True, text=True)
    assert "resuming after step" in end.stderr
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    for file in ("weights.safetensors", "best.safetensors"):
        assert (killed / file).read_bytes() == (whole / file).read_bytes()
    assert (killed / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    states = [sorted(p.name for p in (run / "state").iterdir()) for run in (whole, killed)]
    assert states[0] == states[1]


def test_sigterm_saves_and_ends(one_thread, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, str(SCRIPT), str(run), "1000000", "log_every=1"]
    process = subprocess.Popen(command, env=one_thread, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (run / "metrics.jsonl").exists():
        time.sleep(0.02)
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert "the same command resumes" in said
    (state,) = (run / "state").glob("0*.safetensors")
    assert lines(run, "train")[-1]["step"] == int(state.stem)


@pytest.mark.slow
def test_two_ranks_do_what_one_does(one_thread, tmp_path):
    settings = ["30", "learning_rate=0.01", "warmup=5", "validate_every=10"]
    one = [sys.executable, str(SCRIPT), str(tmp_path / "one"), *settings]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0"]
    two = [
        *launch,
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0",
        str(SCRIPT),
        str(tmp_path / "two"),
        *settings,
    ]
    for command in (one, two):
        done = subprocess.run(command, env=one_thread, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    a, b = (load_weights(tmp_path / name / "weights.safetensors").tensors for name in ("one", "two"))
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=1e-6)
    logs = [lines(tmp_path / name, "train")[-1] for name in ("one", "two")]
    for key in ("loss", "gradient", "rate"):
        assert logs[0][key] == pytest.approx(logs[1][key], rel=1e-4)


def test_steps_without_finite_loss_change_nothing(start, sphere):
    broken = frozenset({12, 13, 29})
    skipping = start(replace(QUICK, steps=30, ema=None), sphere.BallPoints(broken=broken), "broken")
    assert all(torch.isfinite(p).all() for p in skipping.parameters())
    last = start(replace(QUICK, steps=29, schedule="constant"), sphere.BallPoints(broken=broken), "c")
    again = start(replace(QUICK, steps=30, schedule="constant"), sphere.BallPoints(broken=broken), "c")
    assert same(last, again)


def test_gives_up_when_no_loss_is_finite(start, sphere, tmp_path):
    source = sphere.BallPoints(broken=frozenset(range(10, 99)))
    options = replace(QUICK, patience=4, save_every=5)
    with pytest.raises(InputError, match="not finite for 4 steps, the last one 14; lower the learning rate"):
        start(options, source)
    weights = load_weights(tmp_path / "run" / "weights.safetensors")
    assert all(torch.isfinite(t).all() for t in weights.tensors.values())


def test_says_when_nothing_is_learnt(sphere, capsys, tmp_path):
    class Surprises(sphere.BallPoints):
        def batch(self, step, rank, world):
            points, _ = super().batch(step, rank, world)
            return points, torch.full((len(points),), 0.5 + step / 800)  # the loss can only rise

    options = replace(QUICK, steps=400, learning_rate=1e-9, log_every=10)
    torch.manual_seed(0)
    ball = sphere.Ball()
    ball.layers[-1].bias.data.fill_(-3.0)
    train(ball, Surprises(), RunFolder(tmp_path / "run", sphere.config(options)), options)
    assert "nothing is being learnt" in capsys.readouterr().err


def test_failing_preview_stops_nothing(start, sphere, tmp_path, capsys):
    class Painter(sphere.BallPoints):
        def preview(self, system, step, folder):
            assert not system.training
            if step == 20:
                raise RuntimeError("no paint left")
            (folder / f"{step}.txt").write_text("a sphere")

    options = replace(QUICK, preview_every=10)
    train(sphere.Ball(), Painter(), RunFolder(tmp_path / "run", sphere.config(options)), options)
    assert sorted(p.stem for p in (tmp_path / "run" / "previews").iterdir()) == ["10", "30"]
    assert "step 20: the preview failed: RuntimeError: no paint left" in capsys.readouterr().err


def test_weights_file_holds_the_average(start, tmp_path):
    averaged = start(replace(QUICK, ema=0.9), name="average")
    last = start(replace(QUICK, ema=None), name="last")
    assert not same(averaged, last)
    stored = load_weights(tmp_path / "average" / "weights.safetensors")
    assert stored.system == "ball"
    for name, parameter in averaged.named_parameters():
        assert torch.equal(stored.tensors[name], parameter)
    assert not averaged.training


def test_biases_do_not_decay(sphere):
    decayed, free = parameter_groups(sphere.Ball(), 0.1)
    assert decayed["weight_decay"] == 0.1
    assert free["weight_decay"] == 0.0
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in free["params"]} == {1}
