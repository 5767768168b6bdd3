"""Signed distances: exact against formulas, in the official arrays, read back, drawn half and half."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from isofield.data.manifest import Manifest
from isofield.data.models import find_models
from isofield.data.prepare import prepare
from isofield.data.prepare_model import Settings
from isofield.data.prepare_sdf import signed_distances
from isofield.data.sdf_samples import read_sdf_samples, sdf_files
from isofield.data.sdf_source import SdfSource
from isofield.errors import InputError
from isofield.geometry import Mesh
from isofield.systems.deepsdf import DeepSDF, DeepSDFConfig

SMALL = Settings(points=2000, near=800, cloud=600, views=0)


def mesh_of(shape) -> Mesh:
    return Mesh(np.asarray(shape.vertices, np.float64), np.asarray(shape.faces, np.int64))


def box_distance(points, half):
    """Exact, of a box around the origin."""
    beyond = np.abs(points) - half
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)


def test_distances_of_a_box_are_exact_and_drawn_as_published():
    half = np.array([0.5, 0.3, 0.2])
    points, sdf, radius = signed_distances(mesh_of(trimesh.creation.box(2 * half)), 20_000, seed=1)
    assert radius == pytest.approx(1.03 * np.linalg.norm(half))
    np.testing.assert_allclose(sdf, box_distance(points, half / radius), atol=1e-6)
    near, everywhere = points[:-1200], points[-1200:]
    assert everywhere.min() < -0.98
    assert everywhere.max() > 0.98
    # on a plane face the distance is one coordinate of the Gaussian: variance 0.005 or 0.0005
    inner = (np.abs(near[:, :2]) < half[:2] / radius - 0.2).all(axis=1) & (np.abs(near[:, 2]) > 0.05)
    assert np.std(sdf[:-1200][inner]) == pytest.approx(np.sqrt((0.005 + 0.0005) / 2), rel=0.1)


def test_faces_within_the_shape_are_no_surface():
    two = [trimesh.creation.box([0.6, 0.4, 0.4]) for _ in range(2)]
    two[0].apply_translation([-0.2, 0, 0])
    two[1].apply_translation([0.2, 0, 0])
    points, sdf, radius = signed_distances(mesh_of(trimesh.util.concatenate(two)), 20_000, seed=2)
    np.testing.assert_allclose(sdf, box_distance(points, np.array([0.5, 0.2, 0.2]) / radius), atol=0.02)
    assert np.median(np.abs(sdf - box_distance(points, np.array([0.5, 0.2, 0.2]) / radius))) < 1e-6


def test_a_sheet_encloses_nothing():
    flat = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="no face has inside on one side"):
        signed_distances(flat, 100, 0)


@pytest.fixture
def models(tmp_path):
    for k, shape in enumerate([trimesh.creation.box([1, 0.6, 0.4]), trimesh.creation.icosphere(2)]):
        for copy in range(3):
            path = tmp_path / "meshes" / "things" / f"m{k}{copy}.off"
            path.parent.mkdir(parents=True, exist_ok=True)
            shape.apply_scale(1.1).export(path)
    return find_models([tmp_path / "meshes"])


def test_distances_are_added_later_and_only_where_they_are_missing(models, tmp_path):
    data = tmp_path / "data"
    prepare(models, data, SMALL)
    with pytest.raises(
        InputError, match=r"sdf.npz \(and \d more\) is missing; isofield prepare with --sdf adds it"
    ):
        sdf_files(data)
    stamps = {path: path.stat().st_mtime_ns for path in data.rglob("points.npz")}
    wanted = replace(SMALL, sdf_points=3000)
    manifest = prepare(models, data, wanted)
    assert {entry.sdf_points for entry in manifest.entries.values()} == {3000}
    assert stamps == {path: path.stat().st_mtime_ns for path in data.rglob("points.npz")}
    written = {path: path.stat().st_mtime_ns for path in data.rglob("sdf.npz")}
    assert len(written) == len(models)
    gone, kept = sorted(written)[0], sorted(written)[1:]
    before = gone.read_bytes()
    gone.unlink()
    prepare(models, data, wanted)
    assert gone.read_bytes() == before
    assert all(path.stat().st_mtime_ns == written[path] for path in kept)
    prepare(models, data, SMALL)
    assert all(path.is_file() for path in written)
    prepare(models, data, replace(SMALL, sdf_points=2000))
    assert len(read_sdf_samples(gone).outside) + len(read_sdf_samples(gone).inside) == 2000


def test_files_say_where_the_ball_is(models, tmp_path):
    prepare(models[:1], tmp_path / "data", replace(SMALL, sdf_points=3000))
    (path,) = (tmp_path / "data").rglob("sdf.npz")
    mesh = models[0].read()
    rows = read_sdf_samples(path).inside
    with np.load(path) as file:
        world = rows[:, :3] * file["scale"] + file["loc"]
        depth = -rows[:, 3] * file["scale"]
    half = np.ptp(mesh.vertices, axis=0) / 2
    centre = mesh.vertices.min(axis=0) + half
    np.testing.assert_allclose(depth, -box_distance(world - centre, half), atol=1e-5)


def test_a_model_without_distances_keeps_its_samples_and_is_left_out(models, tmp_path, monkeypatch):
    data = tmp_path / "data"
    prepare(models, data, SMALL)
    first = models[0]

    def failing(self):
        if self.id == first.id:
            raise InputError("it fell from the table")
        return read(self)

    read = type(first).read
    monkeypatch.setattr(type(first), "read", failing)
    prepare(models, data, replace(SMALL, sdf_points=1000))
    known = Manifest.read(data)
    entry = known.entries[first.category, first.id]
    assert (entry.status, entry.reason) == ("ok", "no distances: it fell from the table")
    assert (data / first.category / first.id / "points.npz").is_file()
    train = [m for m in models if known.entries[m.category, m.id].split == "train"]
    assert len(sdf_files(data)) == len(train) - (first in train)


@pytest.fixture
def official(tmp_path):
    """Three balls of radii 0.5, 0.6, 0.7, as DeepSDF keeps them."""
    draw = np.random.default_rng(0)
    for k in range(3):
        points = draw.uniform(-1, 1, (4000, 3))
        rows = np.concatenate(
            [points, np.linalg.norm(points, axis=1, keepdims=True) - (0.5 + 0.1 * k)], axis=1
        )
        rows = rows.astype(np.float32)
        folder = tmp_path / "SdfSamples" / "ShapeNetV2" / "balls"
        folder.mkdir(parents=True, exist_ok=True)
        bad = np.full((2, 4), np.nan, np.float32)
        np.savez(
            folder / f"b{k}.npz", pos=np.concatenate([rows[rows[:, 3] > 0], bad]), neg=rows[rows[:, 3] <= 0]
        )
    (tmp_path / "two.json").write_text(json.dumps({"ShapeNetV2": {"balls": ["b2", "b0"]}}))
    return tmp_path


def test_official_folders_and_splits(official):
    assert list(sdf_files(official)) == [f"ShapeNetV2/balls/b{k}" for k in range(3)]
    assert sdf_files(official / "SdfSamples") == sdf_files(official)
    assert list(sdf_files(official, "two.json")) == ["ShapeNetV2/balls/b2", "ShapeNetV2/balls/b0"]
    assert np.isfinite(read_sdf_samples(sdf_files(official)["ShapeNetV2/balls/b1"]).outside).all()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1]", "no split list of the form"),
        ("{", "is no split list"),
        ("{}", "lists no shapes"),
        ('{"ShapeNetV2": {"balls": ["b0", "b9", "b8"]}}', r"b9.npz \(and 1 more\) is missing"),
    ],
)
def test_splits_that_cannot_be(official, content, words):
    (official / "bad.json").write_text(content)
    with pytest.raises(InputError, match=words):
        sdf_files(official, "bad.json")
    with pytest.raises(InputError, match=r"there is no split none.json"):
        sdf_files(official, "none.json")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pos": np.ones((2, 4))}, "no key 'neg'; it has pos"),
        ({"pos": np.ones((2, 3)), "neg": np.ones((2, 4))}, "rows of four floats"),
        ({"pos": np.ones((2, 4)), "neg": np.full((2, 4), np.nan)}, "no point inside the shape"),
        ({"pos": np.ones((0, 4)), "neg": np.ones((2, 4))}, "no point outside the shape"),
    ],
)
def test_files_that_cannot_be(tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=words):
        read_sdf_samples(tmp_path / "x.npz")


def test_damaged_and_missing_files(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK no")
    with pytest.raises(InputError, match=r"x.npz is damaged"):
        read_sdf_samples(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"y.npz is missing"):
        read_sdf_samples(tmp_path / "y.npz")
    with pytest.raises(InputError, match="holds no signed distances"):
        sdf_files(tmp_path)


def test_batches_are_half_inside_and_a_function_of_the_step(official):
    source = SdfSource.of(official, seed=3, size=2, samples=100)
    batch = source.batch(4, 0, 1)
    assert batch.points.shape == (2, 100, 3)
    assert ((batch.sdf > 0).sum(1) == 50).all()
    radius = 0.5 + 0.1 * batch.item.float()
    torch.testing.assert_close(batch.sdf, batch.points.norm(dim=-1) - radius[:, None], atol=1e-6, rtol=0)
    again, halves = source.batch(4, 0, 1), [source.batch(4, rank, 2) for rank in range(2)]
    assert again.points.equal(batch.points)
    assert torch.cat([half.points for half in halves]).equal(batch.points)
    epochs = [source.batch(step, 0, 1) for step in range(3)]  # two epochs of three shapes
    assert [b.epoch for b in epochs] == [1, 1, 2]
    assert sorted(torch.cat([b.item for b in epochs]).tolist()) == [0, 0, 1, 1, 2, 2]


def test_validation_measures_what_is_known(official):
    config = DeepSDFConfig(objects=3, code_size=4, widths=(16, 16), latent_in=())
    source = DeepSDF.batches(config, official, seed=0, size=2)
    torch.manual_seed(0)
    system = DeepSDF(config).eval()
    with torch.no_grad():
        measures = source.validate(system)
        assert measures == source.validate(system)
        for layer in system.field.layers:
            for parameter in layer.parameters():
                parameter.zero_()
        outside = source.validate(system)
    assert 0 < measures["distance"] < 0.2
    # a constant zero is never on the outside: of points within 0.1 of a ball, those in front of it are wrong
    radius = np.array([0.5, 0.6, 0.7])
    behind = 1 - ((radius - 0.1) / radius) ** 3
    front = ((radius + 0.1) ** 3 - radius**3) / (6 / np.pi - radius**3)
    assert outside["side"] == pytest.approx((behind / (behind + front)).mean(), abs=0.03)
    with pytest.raises(
        InputError, match=r"has 3 shapes to train on, the config codes for 2; add --set objects=3"
    ):
        DeepSDF.batches(replace(config, objects=2), official, seed=0, size=2)
