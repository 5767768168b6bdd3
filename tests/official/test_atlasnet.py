"""Official checkpoints of AtlasNet become ours and go back, to the bit; what does not fit is named."""

import json
from dataclasses import replace

import pytest
import torch

from isofield.cli import main
from isofield.errors import InputError
from isofield.official import atlasnet
from isofield.systems.atlasnet import AtlasNet, AtlasNetConfig
from isofield.systems.stored import load_system

SMALL = AtlasNetConfig(patches=2, code_size=8, encoder_width=4, width=8, layers=2, frame="ball")
CONFIGS = {
    "points": SMALL,
    "sphere": replace(SMALL, template="sphere", patches=1, layers=1),
    "image": replace(SMALL, sees="image", window=127 / 137),
}


def same(found: torch.nn.Module, wanted: torch.nn.Module) -> bool:
    ours, theirs = found.state_dict(), wanted.state_dict()
    return ours.keys() == theirs.keys() and all(ours[key].equal(theirs[key]) for key in ours)


@pytest.mark.parametrize("name", CONFIGS)
def test_there_and_back(name):
    system = AtlasNet(CONFIGS[name])
    state = atlasnet.official_from_atlasnet(system)
    assert state["decoder.decoder.0.conv1.weight"].ndim == 3
    assert atlasnet.infer_config(state) == CONFIGS[name]
    assert same(atlasnet.atlasnet_from_official(state, CONFIGS[name]), system)


def test_what_does_not_fit_is_named():
    state = atlasnet.official_from_atlasnet(AtlasNet(SMALL))
    lost = "decoder.decoder.1.bn_list.0.bias"
    with pytest.raises(InputError, match=rf"'{lost}' is missing"):
        atlasnet.atlasnet_from_official({k: v for k, v in state.items() if k != lost}, SMALL)
    with pytest.raises(InputError, match="this is no AtlasNet"):
        atlasnet.infer_config({})
    with pytest.raises(InputError, match=r"encoder.conv1.weight is missing"):
        atlasnet.infer_config({k: v for k, v in state.items() if k != "encoder.conv1.weight"})
    with pytest.raises(InputError, match="table of codes"):
        atlasnet.official_from_atlasnet(AtlasNet(replace(SMALL, sees="object", objects=2)))


@pytest.mark.parametrize("name", CONFIGS)
def test_convert_writes_weights_that_load(name, tmp_path, capsys):
    torch.manual_seed(0)
    system = AtlasNet(CONFIGS[name])
    file = tmp_path / "network.pth"
    torch.save({f"module.{k}": t for k, t in atlasnet.official_from_atlasnet(system).items()}, file)
    assert main(["convert", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == sum(p.numel() for p in system.parameters())
    assert "in the ball" in told["warnings"][0]
    assert same(load_system(file.with_suffix(".safetensors"), "atlasnet"), system)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "softplus"}, "activation 'softplus' is not supported"),
        ({"remove_all_batchNorms": True}, "without batch normalisation is not supported"),
        ({"activation": "relu", "remove_all_batchNorms": False}, None),
    ],
)
def test_official_options_are_looked_at(options, message, tmp_path, capsys):
    file = tmp_path / "network.pth"
    torch.save(atlasnet.official_from_atlasnet(AtlasNet(SMALL)), file)
    (tmp_path / "options.json").write_text(json.dumps(options))
    code = main(["convert", str(file), "--config", str(tmp_path / "options.json"), "--quiet"])
    assert code == (2 if message else 0)
    assert (message or "") in capsys.readouterr().err


def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, capsys):
    file = tmp_path / "network.pth"
    wrong = {"decoder.decoder.0.conv7.weight": torch.ones(1)}
    torch.save(atlasnet.official_from_atlasnet(AtlasNet(SMALL)) | wrong, file)
    assert main(["convert", str(file)]) == 2
    assert "key 'decoder.decoder.0.conv7.weight' is not part of this network" in capsys.readouterr().err
    assert main(["convert", str(file), "--planes", "xz"]) == 2
    assert "leave out --planes and --crops" in capsys.readouterr().err
