"""Official checkpoints of IM-NET become ours and go back, to the bit; what does not fit is named."""

import json
from dataclasses import replace

import pytest
import torch

from isofield.cli import main
from isofield.errors import InputError
from isofield.official import imnet
from isofield.systems.imnet import IMNet, IMNetConfig
from isofield.systems.stored import load_system

SMALL = IMNetConfig(code_size=8, field_width=4, voxel_width=2, padding=0.0)
PICTURE = IMNetConfig(sees="image", code_size=8, field_width=4, picture_width=4, padding=0.0)


def same(found: torch.nn.Module, wanted: torch.nn.Module) -> bool:
    ours, theirs = found.state_dict(), wanted.state_dict()
    return ours.keys() == theirs.keys() and all(ours[key].equal(theirs[key]) for key in ours)


@pytest.mark.parametrize("config", [SMALL, PICTURE])
def test_there_and_back(config):
    system = IMNet(config)
    state = imnet.official_from_imnet(system)
    assert {"generator.linear_1.weight", "generator.linear_7.bias"} <= set(state)
    first = "img_encoder.res_8.bn_2.weight" if config.sees == "image" else "encoder.conv_5.bias"
    assert first in state
    assert imnet.infer_config(state) == config
    assert same(imnet.imnet_from_official(state, config), system)


def test_the_teacher_stays_at_home():
    system = IMNet(replace(PICTURE, taught=True, voxel_width=2))
    back = imnet.imnet_from_official(imnet.official_from_imnet(system), PICTURE)
    assert same(back.encoder, system.encoder)
    assert same(back.field, system.field)


def test_what_does_not_fit_is_named():
    state = imnet.official_from_imnet(IMNet(SMALL))
    with pytest.raises(InputError, match=r"'generator.linear_3.bias' is missing"):
        imnet.imnet_from_official({k: v for k, v in state.items() if k != "generator.linear_3.bias"}, SMALL)
    with pytest.raises(InputError, match="neither encoder"):
        imnet.infer_config({k: v for k, v in state.items() if k.startswith("generator.")})
    with pytest.raises(InputError, match="both encoders"):
        imnet.infer_config(state | imnet.official_from_imnet(IMNet(PICTURE)))
    with pytest.raises(InputError, match=r"linear_6.weight is missing"):
        imnet.infer_config({k: v for k, v in state.items() if k != "generator.linear_6.weight"})
    with pytest.raises(InputError, match="table of codes"):
        imnet.official_from_imnet(IMNet(replace(SMALL, sees="object", objects=2)))


@pytest.mark.parametrize("config", [SMALL, PICTURE])
def test_convert_writes_weights_that_load(config, tmp_path, capsys):
    torch.manual_seed(0)
    system = IMNet(config)
    file = tmp_path / "IM_AE.model64-399.pth"
    torch.save(imnet.official_from_imnet(system), file)
    assert main(["convert", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == sum(p.numel() for p in system.parameters())
    assert "surface at 0.5, padding 0.0" in told["warnings"][0]
    assert same(load_system(file.with_suffix(".safetensors"), "imnet"), system)


def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, capsys):
    file = tmp_path / "IM_AE.pth"
    torch.save(imnet.official_from_imnet(IMNet(SMALL)) | {"generator.linear_8.bias": torch.ones(1)}, file)
    assert main(["convert", str(file)]) == 2
    said = capsys.readouterr().err
    assert "IM_AE.pth: key 'generator.linear_8.bias' is not part of this network" in said
    assert main(["convert", str(file), "--planes", "xz"]) == 2
    assert "leave out --config, --planes and --crops" in capsys.readouterr().err
