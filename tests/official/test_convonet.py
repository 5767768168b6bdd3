"""Official names and configs there and back, for every golden."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from isofield.errors import InputError
from isofield.official.config import read_config
from isofield.official.convonet import (
    TABLE,
    convonet_from_official,
    crop_cells,
    infer_config,
    official_from_convonet,
)
from isofield.official.convonet_config import config_from_official
from isofield.official.names import official_from_ours, ours_from_official
from isofield.systems.convonet import ConvONetConfig

GOLDEN = Path(__file__).parents[1] / "golden"
SPEC = importlib.util.spec_from_file_location("golden_weights", GOLDEN / "weights.py")
assert SPEC is not None
weights = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(weights)
NAMES = sorted(file.stem for file in GOLDEN.glob("convonet_*.json"))


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_names_there_and_back(name):
    state = weights.state_dict(golden(name))
    ours = ours_from_official(state, TABLE)
    assert len(ours) == len(state)
    back = official_from_ours(ours, TABLE)
    assert set(back) == set(state)
    assert all(back[key].equal(tensor) for key, tensor in state.items())


@pytest.mark.parametrize("name", NAMES)
def test_weights_there_and_back(name):
    meta = golden(name)
    state = weights.state_dict(meta)
    back = official_from_convonet(convonet_from_official(state, config_from_official(meta["config"])))
    assert set(back) == set(state)
    assert all(back[key].equal(tensor) for key, tensor in state.items())


@pytest.mark.parametrize("name", NAMES)
def test_configs_are_inferred(name):
    meta = golden(name)
    config = config_from_official(meta["config"])
    found = infer_config(weights.state_dict(meta), config.planes)
    if name == "convonet_crop":  # made smaller than the official one
        found = replace(found, grid_resolution=24)
    assert replace(found, cloud_size=3000) == config


def test_defaults_are_the_papers():
    assert config_from_official(golden("convonet_3plane64")["config"]) == ConvONetConfig()


def test_planes_are_never_guessed():
    with pytest.raises(InputError, match=r"--planes xz xy yz.*--planes xz.*--config"):
        infer_config(weights.state_dict(golden("convonet_1plane")))


def test_crops_show_in_the_order_of_keys():
    state = weights.state_dict(golden("convonet_crop"))
    assert infer_config(state).local_coordinates == "linear"
    sorted_state = dict(sorted(state.items(), key=lambda item: "fc_pos" not in item[0]))
    assert infer_config(sorted_state).unit_size == 0
    assert infer_config(sorted_state, crops=True).unit_size == 0.005


def test_crops_have_the_official_size():
    assert crop_cells(25, 4) == 88
    assert crop_cells(90, 4) == 160


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("encoder.fc_c.bias"), r"'encoder\.fc_c\.bias' is missing"),
        (lambda s: s.update({"encoder.fc_d.bias": torch.ones(1)}), r"'encoder\.fc_d\.bias' is not part"),
        (
            lambda s: s.update({"decoder.fc_c.5.bias": torch.ones(32)}),
            r"'decoder\.fc_c\.5\.bias' is not part",
        ),
        (
            lambda s: s.update({"encoder.unet.conv_final.bias": torch.ones(3)}),
            r"'encoder\.unet\.conv_final\.bias' has shape \(3,\); the config asks for \(32,\)",
        ),
    ],
)
def test_files_that_do_not_fit_are_named(change, message):
    state = weights.state_dict(golden("convonet_1plane"))
    change(state)
    with pytest.raises(InputError, match=message):
        convonet_from_official(state, ConvONetConfig(planes=("xz",)))


def test_voxel_grids_leave_planes_out_as_the_official_code_does():
    official = golden("convonet_voxel_grid32")["config"]
    official["encoder_kwargs"] |= {"plane_type": ["xz", "grid"], "plane_resolution": 64}
    assert config_from_official(official).planes == ()


OFFICIAL = """
inherit_from: configs/base.yaml
data:
  pointcloud_n: 10000
  unit_size: 0.02
  query_vol_size: 90
model:
  local_coord: True
  encoder: pointnet_crop_local_pool
  encoder_kwargs:
    hidden_dim: 16
    plane_type: ['grid']
    unet3d: True
    unet3d_kwargs: {num_levels: 4, f_maps: 32, in_channels: 32, out_channels: 32}
"""
BASE = """
model:
  c_dim: 32
  decoder: simple_local_crop
  decoder_kwargs: {sample_mode: bilinear, hidden_size: 32}
  encoder_kwargs: {hidden_dim: 32}
test: {threshold: 0.3}
"""


def test_official_files_with_inheritance(tmp_path):
    (tmp_path / "configs" / "deep").mkdir(parents=True)
    (tmp_path / "configs" / "base.yaml").write_text(BASE)
    file = tmp_path / "configs" / "deep" / "crop.yaml"
    file.write_text(OFFICIAL)
    assert config_from_official(read_config(file)) == ConvONetConfig(
        planes=(),
        encoder_width=16,
        grid_resolution=160,
        grid_levels=4,
        unit_size=0.02,
        local_coordinates="linear",
        query_voxels=90,
        metric_unit=0.02,
        cloud_size=10_000,
        threshold=0.3,
    )
    (tmp_path / "configs" / "base.yaml").unlink()
    with pytest.raises(InputError, match=r"inherits from configs/base\.yaml, which isn't there"):
        read_config(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "resnet18"}, "encoder 'resnet18' is none"),
        ({"decoder": "simple"}, "decoder 'simple' is none"),
        (
            {"decoder_kwargs": {"depth": 3}, "encoder_kwargs": {"plane_resolution": 8}},
            "decoder_kwargs has the entry 'depth'",
        ),
        ({"encoder_kwargs": {"plane_type": ["zx"]}}, "plane_type 'zx' is none"),
        ({"encoder_kwargs": {"plane_type": ["xz"]}}, "no plane_resolution"),
    ],
)
def test_configs_that_are_not_known(change, message):
    official = {"encoder": "pointnet_local_pool", "decoder": "simple_local", "c_dim": 32}
    with pytest.raises(InputError, match=message):
        config_from_official(official | change)


def test_config_files_that_cannot_be_read(tmp_path):
    for name, text, message in [
        ("a.yaml", "a: [", "not valid YAML"),
        ("a.json", "{", "not valid JSON"),
        ("b.yaml", "- 1", "not a mapping"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=message):
            read_config(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.yaml")
