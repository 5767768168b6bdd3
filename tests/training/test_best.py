"""The weights that the validation found best."""

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from isofield.training.loop import train
from isofield.training.options import TrainOptions
from isofield.training.run_folder import RunFolder
from isofield.training.step import Training
from isofield.training.weights import load_weights

NAN = float("nan")


class Scored:
    """Measures as told, and remembers the weights it saw."""

    def __init__(self, points: Any, values: Iterable[float], name: str = "accuracy") -> None:
        self.batch, self.name = points.batch, name
        self.values = iter(values)
        self.seen: list[dict[str, torch.Tensor]] = []

    def validate(self, system: torch.nn.Module) -> dict[str, float]:
        """The next of the measures."""
        self.seen.append({name: t.clone() for name, t in system.state_dict().items()})
        return {self.name: next(self.values)}


def run(sphere: ModuleType, folder: Path, *values: float, steps: int = 30, name: str = "accuracy") -> Scored:
    """Train the ball for so many steps, measured every ten; the source, which remembers."""
    options = TrainOptions(
        steps=steps,
        batch_size=64,
        learning_rate=1e-2,
        warmup=5,
        schedule="constant",
        save_minutes=None,
        validate_every=10,
        threads=1,
        device="cpu",
    )
    torch.manual_seed(0)
    source = Scored(sphere.BallPoints(), values, name)
    train(sphere.Ball(), source, RunFolder(folder, sphere.config(options)), options, quiet=True)
    return source


def holds(file: Path, tensors: dict[str, torch.Tensor]) -> bool:
    stored = load_weights(file).tensors
    return all(torch.equal(stored[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize(
    ("values", "best"), [((0.3, 0.5, 0.4), 1), ((0.5, 0.5, NAN), 0), ((NAN, -2.0, -1.0), 2)]
)
def test_the_best_are_kept_beside_the_last(
    sphere: ModuleType, tmp_path: Path, values: tuple[float, ...], best: int
) -> None:
    source = run(sphere, tmp_path / "run", *values)
    assert [holds(tmp_path / "run" / "best.safetensors", seen) for seen in source.seen] == [
        number == best for number in range(3)
    ]
    assert holds(tmp_path / "run" / "weights.safetensors", source.seen[-1])


def test_what_was_best_is_known_after_resuming(sphere: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (first,) = run(sphere, folder, 0.9, steps=10).seen
    (second,) = run(sphere, folder, 0.8, steps=20).seen
    assert holds(folder / "best.safetensors", first)
    assert not holds(folder / "best.safetensors", second)
    (third,) = run(sphere, folder, 0.95, steps=30).seen
    assert holds(folder / "best.safetensors", third)


def test_a_best_file_ahead_of_the_state_is_written_again(
    sphere: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(sphere, tmp_path / "whole", 0.1, 0.9, 0.2)
    save = Training.save

    def cut(training: Training) -> None:
        if training.step == 20:  # the best weights are there, the state doesn't know of them yet
            raise KeyboardInterrupt
        save(training)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "save", cut)
        with pytest.raises(KeyboardInterrupt):
            run(sphere, tmp_path / "cut", 0.1, 0.9, 0.2)
    run(sphere, tmp_path / "cut", 0.9, 0.2)
    for file in ("best.safetensors", "weights.safetensors", "metrics.jsonl"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_without_the_measure_nothing_is_best(sphere: ModuleType, tmp_path: Path) -> None:
    run(sphere, tmp_path / "run", 1.0, 2.0, 3.0, name="loss")
    assert not (tmp_path / "run" / "best.safetensors").exists()
