"""`isofield evaluate --protocol onet`, and systems that see pictures, voxels or nothing."""

import json

import numpy as np
import pytest
from PIL import Image

from isofield.cli import main
from isofield.data.binvox import write_binvox
from isofield.geometry import Box
from isofield.metrics.occupancy_networks import voxel_centres
from isofield.observation import Photo, PointCloud, Voxels
from isofield.scene import Scene
from isofield.system import System
from isofield.systems import SYSTEMS

RADII = {"red": 0.5, "green": 0.4, "blue": 0.3}
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Balls whose radius their colour tells; two classes; the last has neither voxels nor a picture."""
    root = tmp_path_factory.mktemp("balls")
    draw = np.random.default_rng(0)
    for category, names in {"one": ["red", "green"], "two": ["blue"]}.items():
        for name in names:
            folder, radius = root / category / name, RADII[name]
            folder.mkdir(parents=True)
            frame = {"loc": np.zeros(3), "scale": np.float64(1)}
            points = draw.uniform(-0.55, 0.55, (4000, 3)).astype(np.float16)
            inside = np.linalg.norm(points.astype(float), axis=1) < radius
            np.savez(folder / "points.npz", points=points, occupancies=np.packbits(inside), **frame)
            normals = draw.standard_normal((4000, 3))
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            np.savez(folder / "pointcloud.npz", points=radius * normals, normals=normals, **frame)
        (root / category / "test.lst").write_text("\n".join(names) + "\n\n")
    for name in ("red", "green"):
        filled = np.linalg.norm(voxel_centres(), axis=1) < RADII[name]
        folder = root / "one" / name
        write_binvox(folder / "model.binvox", Voxels(filled.reshape(32, 32, 32), Box.cube()))
        (folder / "img_choy2016").mkdir()
        for view, colour in enumerate((COLOURS[name], (9, 9, 9))):
            path = folder / "img_choy2016" / f"{view:03d}.png"
            Image.new("RGB", (8, 8), colour).save(path)
    return root


class Balls(System):
    """Makes the ball that the observation shows, a little too small."""

    kind: type | None = PointCloud

    @property
    def wants(self):
        return self.kind

    def reconstruct(self, observation):
        assert isinstance(observation, self.kind)
        if isinstance(observation, PointCloud):
            assert len(observation) == 300
            radius = np.linalg.norm(observation.points, axis=1).mean()
        elif isinstance(observation, Voxels):
            radius = np.cbrt(observation.occupied.mean() * 3 / 4 / np.pi)
        else:
            radius = list(RADII.values())[int(observation.image[0, 0].argmax())]
            if observation.image.max() < 0.1:
                raise ValueError("the picture is dark")
        return Scene(inside=lambda p: 0.9 * float(radius) - p.norm(dim=1), resolution=32)


@pytest.fixture
def evaluate(dataset, monkeypatch, capsys):
    def run(kind, *words, code=0):
        system = Balls()
        system.kind = kind
        system.config = type("Config", (), {"cloud_size": 300})
        monkeypatch.setitem(SYSTEMS, "balls", ("here", "Balls"))
        monkeypatch.setattr("isofield.systems.stored.ready_system", lambda name: system)
        words = ["--system", "balls", "--truth", dataset, "--samples", "4000", *words]
        assert main(["evaluate", *map(str, words)]) == code
        return capsys.readouterr()

    return run


def test_the_protocol_has_the_columns_of_the_paper_and_both_means(evaluate, tmp_path):
    table = tmp_path / "t.json"
    found = json.loads(evaluate(PointCloud, "--protocol", "onet", "--json", "-o", table).out)
    rows = {row["name"]: row for row in found["rows"]}
    columns = {"class", "name", "iou", "iou_field", "iou_voxels", "voxels", "accuracy", "completeness"}
    columns |= {"chamfer_l1", "chamfer_l1_x10", "chamfer_l2", "normal_consistency", "seconds", "cpu_seconds"}
    assert set(rows["red"]) == columns
    for name, radius in RADII.items():
        assert rows[name]["iou"] == pytest.approx(0.9**3, abs=0.06)
        assert rows[name]["iou_field"] == pytest.approx(rows[name]["iou"], abs=0.01)
        assert rows[name]["iou_voxels"] == pytest.approx(0.9**3, abs=0.06)
        assert rows[name]["chamfer_l1_x10"] == pytest.approx(radius, abs=0.03)
    assert {name: row["voxels"] for name, row in rows.items()} == {
        "red": "stored", "green": "stored", "blue": "resampled",
    }  # fmt: skip
    means = found["summary"]
    one = (rows["red"]["iou"] + rows["green"]["iou"]) / 2
    assert means["per_class"]["one"]["iou"] == pytest.approx(one)
    assert means["mean_over_classes"]["iou"] == pytest.approx((one + rows["blue"]["iou"]) / 2)
    assert found["about"] == {
        "truth": found["about"]["truth"], "predicted": None, "protocol": "onet", "system": "balls",
        "voids": "free", "split": "test", "points": 300, "noise": 0.005, "seed": 0,
    }  # fmt: skip
    assert json.loads(table.read_text())["summary"] == means


def test_classes_and_their_mean_are_printed(evaluate):
    lines = evaluate(PointCloud, "--protocol", "onet").out.splitlines()
    starts = {line.split()[0]: line for line in lines}
    assert "mean over classes" in starts["chamfer_l1_x10"]
    assert "2 objects" in starts["one"]
    assert "iou_voxels" in starts["two"]


def test_pictures_are_shown_to_systems_that_see_them(evaluate):
    words = ["--category", "one", "--json"]
    found = json.loads(evaluate(Photo, *words).out)
    assert [row["iou"] for row in found["rows"]] == pytest.approx([0.9**3] * 2, abs=0.06)
    assert found["about"]["view"] == 0
    dark = json.loads(evaluate(Photo, *words, "--view", "1", "--protocol", "onet").out)["rows"]
    assert dark[0]["reason"] == "the picture is dark"
    assert (dark[0]["iou"], dark[0]["accuracy"], dark[0]["normal_consistency"]) == (0, 3**0.5, -1)
    missing = json.loads(evaluate(Photo, "--category", "two", "--json").out)["rows"]
    assert "000.jpg is missing" in missing[0]["reason"]


def test_voxels_are_shown_to_systems_that_see_them(evaluate):
    found = json.loads(evaluate(Voxels, "--category", "one", "--json").out)
    assert [row["iou"] for row in found["rows"]] == pytest.approx([0.9**3] * 2, abs=0.06)
    assert found["about"]["sees"] == "voxels"


def test_what_sees_nothing_cannot_be_measured(evaluate):
    assert "sees nothing of a model" in evaluate(None, code=2).err


def test_weights_are_chosen_once(evaluate, dataset):
    words = ["--sees", "image", "--weights", dataset / "w.safetensors"]
    assert "leave out --weights" in evaluate(Photo, *words, code=2).err
