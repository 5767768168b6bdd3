"""PSGN and the voxel decoder that Occupancy Networks compare with: layer by layer, and there and back."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import conv3d, conv_transpose3d, linear, relu

from isofield.cli import main
from isofield.errors import InputError
from isofield.official import psgn, voxel_decoder
from isofield.official.onet import official_from_onet
from isofield.systems.onet import ONet, ONetConfig
from isofield.systems.psgn import PSGN, PSGNConfig
from isofield.systems.stored import load_system
from isofield.systems.voxel_decoder import VoxelDecoder, VoxelDecoderConfig

SMALL = {"code_size": 8, "encoder_width": 4}
CONFIGS = {
    "psgn": PSGNConfig(**SMALL, width=16, made=10),
    "voxel_decoder": VoxelDecoderConfig(**SMALL, width=8),
}
MODULES = {"psgn": psgn, "voxel_decoder": voxel_decoder}
OFFICIAL = {"psgn": psgn.official_from_psgn, "voxel_decoder": voxel_decoder.official_from_voxel_decoder}
SYSTEMS = {"psgn": PSGN, "voxel_decoder": VoxelDecoder}
SEEN = {
    "points": {},
    "image": {"sees": "image", "encoder_width": 4},
    "object": {"sees": "object", "objects": 3, "encoder_width": 128},
}


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("name", CONFIGS)
def test_there_and_back(name, seen):
    torch.manual_seed(0)
    config = replace(CONFIGS[name], **SEEN[seen])
    system = SYSTEMS[name](config)
    state = OFFICIAL[name](system)
    assert MODULES[name].infer_config(state) == config
    again = psgn.load_named(SYSTEMS[name](config), state, MODULES[name].table(config)).state_dict()
    assert all(again[key].equal(tensor) for key, tensor in system.state_dict().items())


def test_points_are_those_of_the_plain_layers():
    torch.manual_seed(0)
    system = PSGN(CONFIGS["psgn"]).eval()
    state, condition = OFFICIAL["psgn"](system), system.encoder(torch.rand(2, 300, 3))
    x = condition.vector
    for layer in ("fc_0", "fc_1", "fc_2", "fc_out"):
        weight, bias = (state[f"decoder.{layer}.{leaf}"] for leaf in ("weight", "bias"))
        x = linear(x if layer == "fc_0" else relu(x), weight, bias)
    torch.testing.assert_close(system.places(condition), x.view(2, 10, 3))


def test_voxels_are_those_of_the_plain_layers():
    torch.manual_seed(0)
    system = VoxelDecoder(CONFIGS["voxel_decoder"]).eval()
    state, condition = OFFICIAL["voxel_decoder"](system), system.encoder(torch.rand(2, 300, 3))

    def of(layer):
        return state[f"decoder.{layer}.weight"], state[f"decoder.{layer}.bias"]

    x = linear(condition.vector, *of("fc_in")).view(2, 8, 4, 4, 4)
    for k in range(3):
        x = conv_transpose3d(relu(x), *of(f"convtrp_{k}"), stride=2, padding=1, output_padding=1)
    x = conv3d(relu(x), *of("conv_out"))
    torch.testing.assert_close(system.field.voxels(condition), x[:, 0])


@pytest.mark.parametrize("name", CONFIGS)
def test_convert_writes_weights_that_load(name, tmp_path, capsys):
    torch.manual_seed(0)
    system, file = SYSTEMS[name](CONFIGS[name]), tmp_path / "model.pt"
    torch.save({"model": OFFICIAL[name](system), "epoch_it": 3}, file)
    (tmp_path / "model.yaml").write_text("data: {pointcloud_n: 77}\ntest: {threshold: 0.3}\n")
    assert main(["convert", str(file), "--config", str(tmp_path / "model.yaml"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == sum(parameter.numel() for parameter in system.parameters())
    again = load_system(file.with_suffix(".safetensors"), name)
    assert again.config.cloud_size == 77
    assert getattr(again.config, "threshold", 0.3) == 0.3
    assert all(again.state_dict()[key].equal(tensor) for key, tensor in system.state_dict().items())


def test_what_does_not_fit_is_named():
    state = OFFICIAL["psgn"](PSGN(CONFIGS["psgn"]))
    with pytest.raises(InputError, match="makes 29 numbers, which are no points"):
        psgn.infer_config(state | {psgn.LAST: torch.zeros(29, 16)})
    other = ONet(ONetConfig(sees="voxels", code_size=8, field_width=8, field_blocks=1))
    decoder = {key: tensor for key, tensor in state.items() if key.startswith("decoder.")}
    wrong = {key: t for key, t in official_from_onet(other).items() if key.startswith("encoder.")}
    with pytest.raises(InputError, match="its encoder sees voxels; this baseline comes with PointNet"):
        psgn.infer_config(decoder | wrong)
