"""Official checkpoints of DVR and IDR become ours and go back, to the bit; what does not fit is named."""

import json

import pytest
import torch

from isofield.cli import main
from isofield.errors import InputError
from isofield.official import dvr, idr
from isofield.systems.dvr import DVR, DVRConfig
from isofield.systems.idr import IDR, IDRConfig
from isofield.systems.stored import load_system

SMALL_DVR = DVRConfig(code_size=8, width=16, blocks=3, encoder_width=4)
ONE_OBJECT = DVRConfig(sees="views", code_size=0, width=16, blocks=2)
SMALL_IDR = IDRConfig(width=64, layers=4, light_layers=2, features=8, octaves=3, view_octaves=2, skip=2)


def same(found: torch.nn.Module, wanted: torch.nn.Module) -> bool:
    ours, theirs = found.state_dict(), wanted.state_dict()
    return ours.keys() == theirs.keys() and all(ours[key].equal(theirs[key]) for key in ours)


@pytest.mark.parametrize("config", [SMALL_DVR, ONE_OBJECT])
def test_dvr_there_and_back(config):
    system = DVR(config)
    state = dvr.official_from_dvr(system)
    assert "decoder.blocks.0.fc_0.weight" in state
    assert dvr.is_dvr(state)
    assert dvr.infer_config(state) == config
    assert same(dvr.dvr_from_official(state, config), system)


def test_a_dvr_without_colour_or_whole_is_refused():
    state = dvr.official_from_dvr(DVR(SMALL_DVR))
    with pytest.raises(InputError, match=r"'decoder.fc_p.bias' is missing"):
        dvr.dvr_from_official({k: v for k, v in state.items() if k != "decoder.fc_p.bias"}, SMALL_DVR)
    depth_only = state | {"decoder.fc_out.weight": torch.zeros(1, 16), "decoder.fc_out.bias": torch.zeros(1)}
    with pytest.raises(InputError, match="occupancy alone"):
        dvr.infer_config(depth_only)


def test_dvr_configs():
    official = {
        "model": {"encoder": "resnet18", "c_dim": 8, "decoder_kwargs": {"hidden_size": 16, "n_blocks": 3}},
        "training": {"lambda_depth": 10.0},
    }
    config = dvr.config_from_official(official)
    assert (config.code_size, config.width, config.blocks, config.depth) == (8, 16, 3, 10.0)
    with pytest.raises(InputError, match="'vgg' is none of DVR's"):
        dvr.config_from_official({"encoder": "vgg"})


@pytest.mark.parametrize("mode", ["idr", "no_view_dir", "no_normal"])
def test_idr_there_and_back(mode):
    from dataclasses import replace

    config = replace(SMALL_IDR, mode=mode, view_octaves=0 if mode == "no_view_dir" else 2)
    system = IDR(config)
    state = idr.official_from_idr(system)
    assert {"implicit_network.lin4.weight_g", "rendering_network.lin2.weight_v"} <= set(state)
    assert idr.infer_config(state) == config
    assert same(idr.idr_from_official(state, config), system)


def test_new_names_of_weight_norm_are_read():
    system = IDR(SMALL_IDR)
    new = {
        "module."
        + key.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): tensor
        for key, tensor in idr.official_from_idr(system).items()
    }
    assert same(idr.idr_from_official(new, idr.infer_config(new)), system)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("implicit_network.lin4.bias", "lin"),
        ("rendering_network.lin0.weight_g", "'rendering_network.lin0.weight_g'"),
    ],
)
def test_an_idr_that_is_not_whole_is_refused(key, message):
    state = idr.official_from_idr(IDR(SMALL_IDR))
    with pytest.raises(InputError, match=message):
        idr.idr_from_official({k: v for k, v in state.items() if k != key}, SMALL_IDR)


def test_foreign_keys_and_shapes_are_named():
    state = idr.official_from_idr(IDR(SMALL_IDR))
    with pytest.raises(InputError, match=r"'ray_tracer.x' is not part"):
        idr.idr_from_official(state | {"ray_tracer.x": torch.zeros(1)}, SMALL_IDR)
    with pytest.raises(InputError, match=r"lin0.bias' has shape \(3,\)"):
        idr.idr_from_official(state | {"rendering_network.lin0.bias": torch.zeros(3)}, SMALL_IDR)


def test_convert_writes_weights_that_load(tmp_path, capsys):
    torch.manual_seed(0)
    first, second = DVR(SMALL_DVR), IDR(SMALL_IDR)
    torch.save({"model": dvr.official_from_dvr(first), "it": 3}, tmp_path / "dvr.pt")
    torch.save({"epoch": 2, "model_state_dict": idr.official_from_idr(second)}, tmp_path / "idr.pth")
    for name, ending, system in (("dvr", "pt", first), ("idr", "pth", second)):
        assert main(["convert", str(tmp_path / f"{name}.{ending}"), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["parameters"] == sum(p.numel() for p in system.parameters())
        assert same(load_system(tmp_path / f"{name}.safetensors", name), system)
