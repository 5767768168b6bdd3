import numpy as np
import pytest

from isofield.data.occupancy import Known
from isofield.errors import InputError
from isofield.geometry import Similarity
from isofield.observation import PointCloud
from isofield.scene import Scene
from isofield.system import System
from isofield.training.loop import train
from isofield.training.options import TrainOptions
from isofield.training.run_folder import RunFolder
from isofield.training.validation import mean_iou, write_previews


class Guess(System):
    """Takes everything for a ball of radius 0.4 in a scene frame half as large as the user's."""

    def reconstruct(self, observation: PointCloud) -> Scene:
        return Scene(world_from_scene=Similarity(2.0), inside=lambda p: 0.2 - p.norm(dim=1), resolution=32)


def ball(radius: float) -> Known:
    points = np.random.default_rng(0).uniform(-2, 2, (200_000, 3))
    return Known("ball", PointCloud(points[:10]), points, np.linalg.norm(points, axis=1) < radius)


def test_iou_of_two_balls():
    assert mean_iou(Guess(), [ball(0.4)])["iou"] == 1
    assert mean_iou(Guess(), [ball(0.4), ball(0.5)])["iou"] == pytest.approx((1 + 0.8**3) / 2, abs=0.03)
    assert mean_iou(Guess(), []) == {}


def test_previews_are_in_the_frame_of_the_observation(tmp_path):
    from isofield.data import read_mesh

    write_previews(Guess(), [ball(0.4)], tmp_path, 7)
    (file,) = tmp_path.iterdir()
    assert file.name == "000000007-0.ply"
    assert np.linalg.norm(read_mesh(file).vertices, axis=1) == pytest.approx(0.4, abs=0.01)


def test_loop_measures_and_shows(sphere, tmp_path):
    class Held:
        batch = sphere.BallPoints().batch

        def held_out(self):
            return [ball(0.4)]

    class Learner(sphere.Ball):
        reconstruct = Guess.reconstruct

    options = TrainOptions(steps=2, device="cpu", threads=1, validate_every=2, preview_every=2)
    train(Learner(), Held(), RunFolder(tmp_path / "run", sphere.config(options)), options, quiet=True)
    last = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1]
    assert last == '{"kind": "validation", "step": 2, "iou": 1.0}'
    assert [p.name for p in (tmp_path / "run" / "previews").iterdir()] == ["000000002-0.ply"]


def test_damaged_files_end_the_training_in_one_sentence(sphere, tmp_path):
    class Damaged(sphere.BallPoints):
        def batch(self, step, rank, world):
            raise InputError("points.npz is damaged")

    options = TrainOptions(steps=2, device="cpu", threads=1)
    with pytest.raises(InputError, match=r"points.npz is damaged"):
        train(
            sphere.Ball(), Damaged(), RunFolder(tmp_path / "run", sphere.config(options)), options, quiet=True
        )
