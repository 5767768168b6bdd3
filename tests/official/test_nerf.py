"""Official files of NeRF, made here in their layouts, become systems that compute the same."""

import pickle

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from isofield.errors import InputError
from isofield.geometry.camera import Camera
from isofield.official.nerf import (
    as_trained,
    infer_config,
    nerf_from_official,
    official_from_nerf,
    read_networks,
)
from isofield.ops.encodings import encode
from isofield.systems.nerf import NeRF, NeRFConfig

CONFIG = NeRFConfig(
    depth=4, width=16, skips=(1,), octaves=3, view_octaves=2, near=2.0, far=6.0, box=1.25, up="z"
)


@pytest.fixture
def system() -> NeRF:
    torch.manual_seed(0)
    return NeRF(CONFIG)


def tensors_of(system: NeRF) -> list[torch.Tensor]:
    return [tensor for name, tensor in system.state_dict().items() if name != "place"]


def test_a_tar_comes_back_the_same(system, tmp_path):
    networks = official_from_nerf(system)
    content = {
        "global_step": 7,
        "network_fn_state_dict": {f"module.{k}": t for k, t in networks["coarse"].items()},
        "network_fine_state_dict": networks["fine"],
        "optimizer_state_dict": {"state": {}, "param_groups": []},
    }
    torch.save(content, tmp_path / "000007.tar")
    found = nerf_from_official(read_networks(tmp_path / "000007.tar"))
    assert found.config == CONFIG
    assert all(a.equal(b) for a, b in zip(tensors_of(found), tensors_of(system), strict=True))
    assert found.world_from_scene.scale == found.config.extent


def keras(networks: dict[str, torch.Tensor]) -> np.ndarray:
    """Weights in the order of the original's `get_weights`."""
    names = [f"pts_linears.{k}" for k in range(4)]
    names += ["feature_linear", "views_linears.0", "rgb_linear", "alpha_linear"]
    arrays = np.empty(2 * len(names), object)
    for k, name in enumerate(names):
        arrays[2 * k] = networks[f"{name}.weight"].numpy().T
        arrays[2 * k + 1] = networks[f"{name}.bias"].numpy()
    return arrays


@pytest.mark.parametrize("given", ["model_000007.npy", "model_fine_000007.npy"])
def test_the_original_pair_of_files_comes_back_the_same(system, tmp_path, given):
    networks = official_from_nerf(system)
    np.save(tmp_path / "model_000007.npy", keras(networks["coarse"]), allow_pickle=True)
    np.save(tmp_path / "model_fine_000007.npy", keras(networks["fine"]), allow_pickle=True)
    found = nerf_from_official(read_networks(tmp_path / given))
    assert all(a.equal(b) for a, b in zip(tensors_of(found), tensors_of(system), strict=True))


def test_a_pickle_that_is_a_program_is_not_run(tmp_path):
    class Program:
        def __reduce__(self):
            return (pytest.fail, ("it was run",))

    arrays = np.empty(2, object)
    arrays[0], arrays[1] = np.zeros((3, 3), np.float32), Program()
    np.save(tmp_path / "model_1.npy", arrays, allow_pickle=True)
    with pytest.raises(InputError, match="is not allowed, which could be code"):
        read_networks(tmp_path / "model_1.npy")


@pytest.mark.parametrize("cut", [4, 60, 400])
def test_a_file_cut_off_is_said_in_one_sentence(system, tmp_path, cut):
    file = tmp_path / "model_1.npy"
    np.save(file, keras(official_from_nerf(system)["coarse"]), allow_pickle=True)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(InputError, match="no readable numpy file"):
        read_networks(file)


def test_numbers_alone_are_no_network(tmp_path):
    np.save(tmp_path / "model_1.npy", np.zeros(3, np.float32))
    with pytest.raises(InputError, match="no list of arrays"):
        read_networks(tmp_path / "model_1.npy")


def flexible(width: int = 16, place: int = 21, view: int = 15) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    sizes = {
        "layer1": (width, place), "layers_xyz.0": (width, width), "layers_xyz.1": (width, width),
        "fc_feat": (width, width), "fc_alpha": (1, width), "layers_dir.0": (width // 2, width + view),
        "fc_rgb": (3, width // 2),
    }  # fmt: skip
    state = {f"{name}.weight": torch.randn(size, generator=draw) / 4 for name, size in sizes.items()}
    return state | {f"{n}.bias": torch.randn(s[0], generator=draw) / 4 for n, s in sizes.items()}


def test_the_flexible_layout_computes_what_its_description_says(tmp_path):
    state = flexible()
    torch.save(
        {"iter": 3, "model_coarse_state_dict": state, "model_fine_state_dict": None}, tmp_path / "f.ckpt"
    )
    system = nerf_from_official(read_networks(tmp_path / "f.ckpt"))
    assert system.fine is None
    assert system.config.background == 0
    draw = torch.Generator().manual_seed(1)
    points = torch.randn(40, 3, generator=draw)
    towards = torch.nn.functional.normalize(torch.randn(40, 3, generator=draw), dim=1)

    def layer(name, x):
        return linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    h = layer("layer1", encode(points, 3))
    for k in range(2):
        h = layer(f"layers_xyz.{k}", h).relu()
    seen = torch.cat([layer("fc_feat", h).relu(), encode(towards, 2)], 1)
    density, rgb = system.coarse(points, towards)
    torch.testing.assert_close(density, layer("fc_alpha", h)[:, 0])
    torch.testing.assert_close(rgb, layer("fc_rgb", layer("layers_dir.0", seen).relu()))


def test_without_directions_one_layer_gives_colour_and_density():
    draw = torch.Generator().manual_seed(0)
    names = {
        "pts_linears.0": (8, 21),
        "pts_linears.1": (8, 8),
        "output_linear": (5, 8),
        "views_linears.0": (4, 11),
    }
    state = {f"{n}.weight": torch.randn(s, generator=draw) for n, s in names.items()}
    state |= {f"{n}.bias": torch.randn(s[0], generator=draw) for n, s in names.items()}
    system = nerf_from_official({"coarse": state})
    points = torch.randn(10, 3, generator=draw)
    density, rgb = system.coarse(points, points)
    h = encode(points, 3)
    for k in range(2):
        h = linear(h, state[f"pts_linears.{k}.weight"], state[f"pts_linears.{k}.bias"]).relu()
    out = linear(h, state["output_linear.weight"], state["output_linear.bias"])
    torch.testing.assert_close(torch.cat([rgb, density[:, None]], 1), out[:, :4])


def test_other_files_are_no_nerf(tmp_path):
    torch.save({"model": {}}, tmp_path / "other.tar")
    with pytest.raises(InputError, match="holds no NeRF"):
        read_networks(tmp_path / "other.tar")
    with pytest.raises(InputError, match="is not part of this network"):
        infer_config({"coarse": {"strange.weight": torch.zeros(2, 2)}})


def test_a_missing_key_is_named(system):
    networks = official_from_nerf(system)
    del networks["fine"]["rgb_linear.bias"]
    with pytest.raises(InputError, match=r"rgb\.bias.* is missing"):
        nerf_from_official(networks)


def test_official_rays_go_through_corners():
    matrix = np.concatenate([np.eye(3), np.zeros((3, 1))], 1)
    camera = Camera(np.array([[5.0, 0, 2], [0, 5, 2], [0, 0, 1]]), matrix)
    through = as_trained(camera).directions(np.array([[0.5, 1.5]]))[0]
    official = np.array([(0 - 2) / 5, (1 - 2) / 5, 1])
    np.testing.assert_allclose(through, official / np.linalg.norm(official))
    # a picture shrunk by four: its first pixel averages the corners 0, 1, 2 and 3
    small = as_trained(camera.resized(0.25), 0.25).directions(np.array([[0.5, 0.5]]))[0]
    official = np.array([(1.5 - 2) / 5, (1.5 - 2) / 5, 1])
    np.testing.assert_allclose(small, official / np.linalg.norm(official))


def test_pickles_of_old_numpy_are_read(system, tmp_path):
    """Files from Python 2 write their bytes as text."""
    file = tmp_path / "model_1.npy"
    arrays = keras(official_from_nerf(system)["coarse"])
    with open(file, "wb") as out:
        np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(arrays))
        pickle.dump(arrays, out, protocol=2)
    assert set(read_networks(file)) == {"coarse"}
