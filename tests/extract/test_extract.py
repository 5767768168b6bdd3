"""Surfaces of known shapes: right place, right size, nothing missed, at the cost of a surface."""

import numpy as np
import pytest
import torch

from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.extract.mise import extract_mise
from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh

BOX = Box.cube(1.1)


def sphere(radius=0.4, centre=(0.0, 0.0, 0.0)):
    return lambda p: radius - (p - torch.tensor(centre)).norm(dim=1)


def torus(p, ring=0.3, tube=0.12):
    return tube - ((p[:, :2].norm(dim=1) - ring) ** 2 + p[:, 2] ** 2).sqrt()


def two_spheres(p):
    return torch.maximum(sphere(0.2, (-0.25, 0, 0))(p), sphere(0.15, (0.25, 0.1, 0))(p))


def genus_two(p):
    """Two tori that run into each other."""
    left, right = p + torch.tensor([0.2, 0, 0]), p - torch.tensor([0.2, 0, 0])
    return torch.maximum(torus(left, 0.2, 0.07), torus(right, 0.2, 0.07))


def sorted_rows(rows):
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize(
    ("shape", "euler", "components"),
    [(sphere(), 2, 1), (torus, 0, 1), (two_spheres, 4, 2), (genus_two, -2, 1)],
)
@pytest.mark.parametrize("resolution", [40, 100, 256])
def test_topology(shape, euler, components, resolution):
    checks = check_mesh(extract_mesh(shape, BOX, resolution=resolution, normals=None))
    assert checks.is_sound
    assert (checks.euler, checks.components) == (euler, components)


def test_area_and_volume_converge_with_second_order():
    errors = []
    for resolution in (32, 64, 128):
        checks = check_mesh(extract_mesh(torus, BOX, resolution=resolution))
        area, volume = 4 * np.pi**2 * 0.3 * 0.12, 2 * np.pi**2 * 0.3 * 0.12**2
        errors.append([1 - checks.area / area, 1 - checks.volume / volume])
    ratios = np.divide(errors[:-1], errors[1:])
    assert ratios.min() > 3.5
    assert ratios.max() < 4.5
    assert np.abs(errors[-1]).max() < 2e-3


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_projection_moves_vertices_onto_the_surface(steps):
    def steep(p):  # far from linear along an edge
        return torch.expm1(20 * sphere()(p))

    mesh = extract_mesh(steep, BOX, resolution=32, project=steps, normals=None)
    error = np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.4).max() / (1.1 / 32)
    assert error < [0.1, 4e-3, 1e-4, 1e-4][steps]


def test_projection_finds_a_step():
    """A field of -1 and 1 has no slope; each evaluation halves the interval."""
    mesh = extract_mesh(lambda p: torch.sign(sphere()(p)), BOX, resolution=32, project=6, normals=None)
    error = np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.4).max() / (1.1 / 32)
    assert error < 1 / 2**5
    assert check_mesh(mesh).is_sound


@pytest.mark.parametrize("shape", [sphere(), torus, two_spheres, genus_two])
def test_sparse_equals_dense(shape):
    sparse = extract_mesh(shape, BOX, resolution=96, coarse=12, normals=None)
    dense = extract_mesh(shape, BOX, resolution=96, coarse=96, normals=None)
    assert len(sparse.faces) == len(dense.faces)
    np.testing.assert_allclose(sorted_rows(sparse.vertices), sorted_rows(dense.vertices), atol=1e-7)


def test_sparse_equals_dense_in_a_box_of_odd_shape():
    box = Box(np.array([-0.5, -0.13, -0.31]), np.array([0.47, 0.13, 0.3]))
    sparse = extract_mesh(torus, box, resolution=101, coarse=13, normals=None)
    dense = extract_mesh(torus, box, resolution=101, coarse=101, normals=None)
    assert len(sparse.faces) == len(dense.faces)
    np.testing.assert_allclose(sorted_rows(sparse.vertices), sorted_rows(dense.vertices), atol=1e-7)
    assert check_mesh(sparse).is_sound


CELL = 1.1 / 32


def plate(p):
    size = torch.tensor([0.4, 0.35, 0.55 * CELL])
    gap = (p - torch.tensor([0, 0, 0.5 * CELL])).abs() - size
    return -(gap.clamp(min=0).norm(dim=1) + gap.amax(dim=1).clamp(max=0))


def wire(p):
    """A ring in a skew plane."""
    normal = torch.tensor([0.48, 0.6, 0.64])
    height = p @ normal
    along = (p - height[:, None] * normal).norm(dim=1)
    return 0.75 * CELL - ((along - 0.37) ** 2 + height**2).sqrt()


def balls(p):
    """Twenty balls, one of them in the middle of a coarse cell, as far from nodes as can be."""
    centres = torch.tensor(np.random.default_rng(4).uniform(-0.45, 0.45, (20, 3)), dtype=torch.float32)
    centres[0] = CELL * torch.tensor([0.5, 4.5, 3.5])
    return 0.75 * CELL - torch.cdist(p, centres).amin(dim=1)


@pytest.mark.parametrize(("shape", "euler"), [(plate, 2), (wire, 0), (balls, 40)])
def test_thin_parts_are_found(shape, euler):
    checks = check_mesh(extract_mesh(shape, BOX, resolution=128, coarse=32))
    assert checks.is_sound
    assert checks.euler == euler


def test_a_thin_part_is_followed_from_where_it_was_found():
    """A wire of a third of a coarse cell that hangs on a ball is completed to its end."""

    def lollipop(p):
        along = p[:, 0].clamp(-0.3, 0.45)
        stick = 0.15 * CELL - (
            p - torch.stack([along, 0 * along + 0.4 * CELL, 0 * along + 0.4 * CELL], 1)
        ).norm(dim=1)
        return torch.sign(torch.maximum(sphere(0.15, (-0.3, 0, 0))(p), stick))

    mesh = extract_mesh(lollipop, BOX, resolution=256, coarse=32, normals="faces")
    assert check_mesh(mesh).is_sound
    assert mesh.vertices[:, 0].max() > 0.44


def test_a_shape_that_leaves_the_box_is_capped_on_its_border():
    mesh = extract_mesh(sphere(0.7), BOX, resolution=64)
    checks = check_mesh(mesh)
    assert checks.is_sound
    assert checks.euler == 2
    half = 0.55
    assert np.abs(mesh.vertices).max() == pytest.approx(half, abs=1e-12)
    cap = mesh.vertices[:, 0] > half - 1e-9
    rim = np.linalg.norm(mesh.vertices[cap][:, 1:], axis=1) > np.sqrt(0.49 - half**2) - 0.05
    np.testing.assert_allclose(mesh.normals[cap][~rim], [[1, 0, 0]] * (~rim).sum(), atol=1e-9)
    caps = 6 * np.pi * (0.7 - half) ** 2 * (3 * 0.7 - (0.7 - half)) / 3
    assert checks.volume == pytest.approx(4 / 3 * np.pi * 0.7**3 - caps, rel=5e-3)


def test_a_flat_box_is_filled_and_capped():
    box = Box(np.array([-0.5, -0.5, 0.0]), np.array([0.5, 0.5, 0.01]))
    checks = check_mesh(extract_mesh(lambda p: 0.4 - p[:, :2].norm(dim=1), box, resolution=256))
    assert checks.is_sound
    assert checks.volume == pytest.approx(np.pi * 0.16 * 0.01, rel=3e-3)  # the rim is bevelled


@pytest.mark.parametrize("seed", range(12))
def test_random_fields_are_sound_when_refined(seed):
    rng = np.random.default_rng(seed)
    waves = torch.tensor(rng.normal(0, 14, (10, 3)), dtype=torch.float32)
    phase = torch.tensor(rng.uniform(0, 6, 10), dtype=torch.float32)

    def smooth(p):
        return torch.cos(p @ waves.T + phase).sum(dim=1) - 0.5

    def stepped(p):  # few different values, zero among them
        return torch.round(smooth(p))

    for field in (smooth, stepped):
        mesh = extract_mesh(field, BOX, resolution=40, coarse=10, project=seed % 3)
        checks = check_mesh(mesh)
        assert checks.is_sound, checks
        assert not checks.degenerate_faces
        assert np.isfinite(mesh.normals).all()


def test_noise_is_followed_until_the_surface_is_complete():
    """A field without any smoothness: the surface leaves every cell that was split."""

    def noise(p):
        cell = torch.floor(p * 61).double()
        return (
            torch.sin(cell @ torch.tensor([12.9898, 78.233, 37.719]).double()) * 43758.5453 % 1 - 0.5
        ).float()

    checks = check_mesh(extract_mesh(noise, BOX, resolution=48, coarse=6, project=1))
    assert checks.is_sound


def test_open_surfaces_end_at_the_border():
    checks = check_mesh(extract_mesh(lambda p: 0.01 - p[:, 2], BOX, resolution=40, closed=False))
    assert not checks.is_closed
    assert checks.is_manifold
    assert checks.boundary_edges == 160
    assert checks.area == pytest.approx(1.1**2)


@pytest.mark.parametrize("normals", ["field", "faces"])
def test_normals_look_outwards(normals):
    mesh = extract_mesh(sphere(), BOX, resolution=64, normals=normals)
    truth = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert (mesh.normals * truth).sum(axis=1).min() > (0.99999 if normals == "field" else 0.99)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    assert extract_mesh(sphere(), BOX, resolution=16, normals=None).normals is None


def test_normals_where_the_gradient_vanishes_come_from_the_faces():
    mesh = extract_mesh(lambda p: torch.sign(sphere()(p)), BOX, resolution=48, project=8)
    assert np.isfinite(mesh.normals).all()
    truth = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert (mesh.normals * truth).sum(axis=1).min() > 0.5


def test_colours_are_asked_at_the_vertices():
    mesh = extract_mesh(sphere(), BOX, resolution=24, colour=lambda p: 3 * p)
    np.testing.assert_allclose(mesh.colours, np.clip(3 * mesh.vertices, 0, 1), atol=1e-6)


def test_the_mesh_is_in_the_frame_of_the_box():
    box = Box(np.array([99.0, -3.0, 10.0]), np.array([101.0, 1.0, 16.0]))
    mesh = extract_mesh(sphere(0.8, (100.0, -1.0, 13.0)), box, resolution=64, project=0)
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), [100, -1, 13], atol=1e-3)
    assert check_mesh(mesh).volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.02)


def test_evaluations_follow_the_surface():
    counts = []
    for resolution in (64, 128, 256):
        seen = []

        def counted(p, seen=seen):
            seen.append(len(p))
            return torus(p)

        extract_mesh(counted, BOX, resolution=resolution, coarse=32, project=0, normals=None)
        counts.append(sum(seen) - 33**3)
    assert counts[2] < 0.06 * 257**3
    assert counts[2] < 4.6 * counts[1]


def test_progress_rises_to_one():
    told = []
    extract_mesh(sphere(), BOX, resolution=128, progress=lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert told[-1] == ("done", 1.0)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (lambda p: -1 - p.norm(dim=1), ["never crosses zero", "-1.953 and -1", "everything is outside"]),
        (lambda p: 2 - p.norm(dim=1), ["never crosses zero", "everything is inside"]),
        (lambda p: torch.where(p[:, 0] > 0.3, torch.nan, 1 - p[:, 0]), ["not finite"]),
        (lambda p: p, ["shape"]),
    ],
)
def test_fields_without_a_surface_are_explained(field, words):
    with pytest.raises(InputError) as error:
        extract_mesh(field, BOX, resolution=64)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "options", [{"resolution": 1}, {"coarse": 1}, {"coarse": 300}, {"keep": 2.0}, {"faces": 3}]
)
def test_arguments_out_of_range_are_named(options):
    with pytest.raises(ValueError, match="not"):
        extract_mesh(sphere(), BOX, **options)


def test_a_flat_box_is_refused():
    with pytest.raises(ValueError, match="no volume"):
        extract_mesh(sphere(), Box(np.zeros(3), np.array([1.0, 1.0, 0.0])))


def test_the_same_bytes_twice():
    one, two = (extract_mesh(genus_two, BOX, resolution=128, faces=5000) for _ in range(2))
    assert one.vertices.tobytes() == two.vertices.tobytes()
    assert one.faces.tobytes() == two.faces.tobytes()
    assert one.normals.tobytes() == two.normals.tobytes()


SHAPES_OF_A_NETWORK = {
    "distances": lambda f: f,
    "logits": lambda f: lambda p: 11 * torch.tanh(18 * f(p)),
    "signs": lambda f: lambda p: torch.sign(f(p)),
}


@pytest.mark.parametrize("shape", [plate, wire, balls, two_spheres])
@pytest.mark.parametrize("kind", SHAPES_OF_A_NETWORK)
def test_nothing_that_mise_finds_from_32_cells_is_lost(shape, kind):
    """And fewer points are asked for; the search of 32 cells is told by the steepest slope of 16."""
    field, asked = SHAPES_OF_A_NETWORK[kind](shape), []

    def counted(p):
        asked.append(len(p))
        return field(p)

    theirs, grid = extract_mise(field, BOX, 32, 2)
    ours = extract_mesh(counted, BOX, resolution=128, project=0, normals=None)
    checks = check_mesh(ours)
    assert checks.is_sound
    assert checks.components >= check_mesh(theirs).components
    assert len(ours.faces) >= len(theirs.faces)
    assert sum(asked) < (0.5 if kind == "distances" else 1) * grid.known.sum()
    if shape is two_spheres:
        np.testing.assert_allclose(sorted_rows(ours.vertices), sorted_rows(theirs.vertices), atol=1e-6)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("resolution", [37, 64, 90])
def test_predicted_grids_end_where_the_evaluated_one_does(resolution, closed):
    """Shapes through the border, and grids whose last cell is cut, as if everything were evaluated."""

    def field(p):
        return torch.cos(7 * p).sum(dim=1) + 0.2 * torch.sin(13 * p[:, 0]) + 0.4

    options = {"resolution": resolution, "normals": None, "closed": closed, "project": 0}
    lazy = extract_mesh(field, BOX, **options)
    dense = extract_mesh(field, BOX, coarse=resolution, **options)
    np.testing.assert_array_equal(sorted_rows(lazy.vertices), sorted_rows(dense.vertices))
    assert len(lazy.faces) == len(dense.faces)
