"""Official DeepSDF experiments become ours and go back, to the bit; what does not fit is named."""

import json
from dataclasses import replace

import pytest
import torch

from isofield.cli import main
from isofield.errors import InputError
from isofield.official import deepsdf
from isofield.official.lineages import Checkpoint, Choices, converted
from isofield.systems.deepsdf import DeepSDF, DeepSDFConfig
from isofield.systems.stored import load_system

SMALL = DeepSDFConfig(
    objects=3, code_size=6, widths=(32,) * 4, latent_in=(2,), norm_layers=(0, 1, 2, 3), dropout=(0, 1, 2, 3)
)
VARIANTS = [
    SMALL,
    replace(SMALL, xyz_in_all=True),
    replace(SMALL, weight_norm=False),
    replace(SMALL, norm_layers=(0, 4), latent_in=()),
]


def same(found: torch.nn.Module, wanted: torch.nn.Module) -> bool:
    ours, theirs = found.state_dict(), wanted.state_dict()
    return ours.keys() == theirs.keys() and all(ours[key].equal(theirs[key]) for key in ours)


def experiment(folder, config=SMALL, epochs=("latest",), old_codes=False):
    """Write an experiment's folder; the system of its last epoch."""
    (folder / "ModelParameters").mkdir(parents=True)
    (folder / "LatentCodes").mkdir()
    (folder / "specs.json").write_text(json.dumps(deepsdf.official_specs(config)))
    for k, epoch in enumerate(epochs):
        torch.manual_seed(k)
        system = DeepSDF(config)
        state, codes = deepsdf.official_from_deepsdf(system)
        torch.save({"epoch": k, "model_state_dict": state}, folder / "ModelParameters" / f"{epoch}.pth")
        kept = codes["weight"][:, None] if old_codes else codes
        torch.save({"epoch": k, "latent_codes": kept}, folder / "LatentCodes" / f"{epoch}.pth")
    return system


@pytest.mark.parametrize("config", VARIANTS)
def test_there_and_back(config):
    system = DeepSDF(config)
    state, codes = deepsdf.official_from_deepsdf(system)
    assert codes["weight"].shape == (3, 6)
    assert ("module.lin0.weight_g" in state) == config.weight_norm
    assert same(deepsdf.deepsdf_from_official(state, config, codes["weight"]), system)
    assert deepsdf.infer_config(state) == replace(config, objects=0)
    assert deepsdf.config_from_official(deepsdf.official_specs(config)) == replace(config, objects=0)


def test_new_names_of_weight_norm_are_read():
    system = DeepSDF(replace(SMALL, objects=0))
    state, codes = deepsdf.official_from_deepsdf(system)
    assert codes is None
    new = {
        key.removeprefix("module.")
        .replace("weight_g", "parametrizations.weight.original0")
        .replace("weight_v", "parametrizations.weight.original1"): tensor
        for key, tensor in state.items()
    }
    assert same(deepsdf.deepsdf_from_official(new), system)


def test_the_published_config_is_the_default():
    specs = {
        "NetworkArch": "deep_sdf_decoder",
        "NetworkSpecs": {
            "dims": [512] * 8, "dropout": list(range(8)), "dropout_prob": 0.2, "norm_layers": list(range(8)),
            "latent_in": [4], "xyz_in_all": False, "use_tanh": False, "latent_dropout": False,
            "weight_norm": True,
        },
        "CodeLength": 256, "SamplesPerScene": 16384, "ClampingDistance": 0.1, "CodeRegularization": True,
        "CodeRegularizationLambda": 1e-4, "CodeBound": 1.0,
    }  # fmt: skip
    assert deepsdf.config_from_official(specs) == DeepSDFConfig()
    without = deepsdf.config_from_official(specs | {"CodeRegularization": False, "CodeBound": None})
    assert (without.regularisation, without.code_bound) == (0.0, 0.0)


@pytest.mark.parametrize("old_codes", [False, True])
def test_a_folder_is_converted_with_its_codes(tmp_path, capsys, old_codes):
    system = experiment(tmp_path / "chairs", old_codes=old_codes)
    assert main(["convert", str(tmp_path / "chairs"), "-o", str(tmp_path / "w.safetensors"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["network"] == "3 codes of 6 -> signed distance by 4 x 32"
    assert same(load_system(tmp_path / "w.safetensors", "deepsdf"), system)


def test_the_newest_epoch_is_taken_and_one_file_alone_is_read(tmp_path):
    last = experiment(tmp_path / "e", epochs=("100", "2000"))
    name, system = converted(tmp_path / "e", Choices())
    assert name == "deepsdf"
    assert same(system, last)
    _, alone = converted(tmp_path / "e" / "ModelParameters" / "2000.pth", Choices())
    assert alone.config == replace(SMALL, objects=0)
    assert same(alone.field, last.field)
    (tmp_path / "specs.json").write_text(json.dumps(deepsdf.official_specs(replace(SMALL, use_tanh=True))))
    moved = (tmp_path / "e" / "ModelParameters" / "2000.pth").rename(tmp_path / "net.pth")
    _, twice = converted(moved, Choices(config=tmp_path / "specs.json"))
    assert twice.config.use_tanh


def test_other_networks_are_not_recognised(tmp_path):
    torch.save({"decoder.fc_p.weight": torch.zeros(2, 3)}, tmp_path / "onet.pt")
    torch.save({"implicit_network.lin0.bias": torch.zeros(2)}, tmp_path / "idr.pth")
    for name in ("onet.pt", "idr.pth"):
        assert not deepsdf.recognises(Checkpoint.read(tmp_path / name))
    assert not deepsdf.recognises(Checkpoint.read(tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("module.lin2.bias"), "lacks lin0, lin1 or one that follows|'lin2.bias' is missing"),
        (lambda s: s.update({"module.lin9.bias": torch.zeros(1)}), "'lin9.bias' is not part of this network"),
        (lambda s: s.update({"module.lin1.bias": torch.zeros(3)}), r"'lin1.bias' has shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, capsys, change, words):
    experiment(tmp_path / "e")
    path = tmp_path / "e" / "ModelParameters" / "latest.pth"
    content = torch.load(path)
    change(content["model_state_dict"])
    torch.save(content, path)
    with pytest.raises(InputError, match=words):
        converted(tmp_path / "e", Choices())
    assert main(["convert", str(tmp_path / "e"), "-o", str(tmp_path / "w.safetensors")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "w.safetensors").exists()


def test_damaged_experiments_are_refused(tmp_path):
    experiment(tmp_path / "e")
    specs, codes = tmp_path / "e" / "specs.json", tmp_path / "e" / "LatentCodes" / "latest.pth"
    good = specs.read_text()
    for text, words in (
        ("{", "cannot be read as JSON"),
        ("[]", "holds a list"),
        ("{}", "needs CodeLength and NetworkSpecs"),
        (good.replace("deep_sdf_decoder", "siren"), "'siren' is not known here"),
    ):
        specs.write_text(text)
        with pytest.raises(InputError, match=words):
            converted(tmp_path / "e", Choices())
    specs.write_text(good)
    torch.save({"epoch": 1, "latent_codes": {}}, codes)
    with pytest.raises(InputError, match="holds no latent codes"):
        converted(tmp_path / "e", Choices())
    torch.save({"epoch": 1, "latent_codes": {"weight": torch.zeros(3, 5)}}, codes)
    with pytest.raises(InputError, match=r"'latent_codes.weight' has shape \(3, 5\)"):
        converted(tmp_path / "e", Choices())
    with pytest.raises(InputError, match="a DeepSDF has no planes"):
        converted(tmp_path / "e", Choices(planes=("xz",)))
    (tmp_path / "e" / "ModelParameters" / "latest.pth").unlink()
    with pytest.raises(InputError, match="holds no parameters"):
        converted(tmp_path / "e", Choices())
