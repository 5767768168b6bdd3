"""`isofield convert` from a checkpoint made here to a system that works."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.cli import main
from isofield.observation import PointCloud
from isofield.official.convonet import official_from_convonet
from isofield.ops.query import query
from isofield.systems.convonet import ConvONet, ConvONetConfig
from isofield.systems.stored import load_system
from isofield.training.weights import save_weights

CONFIG = ConvONetConfig(planes=("xz",), plane_depth=2, plane_width=8, channels=8, encoder_width=8)


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    system = ConvONet(CONFIG)
    file = tmp_path / "official.pt"
    torch.save({"model": official_from_convonet(system), "loss_val_best": np.float64(0.5)}, file)
    return file, system


def test_converted_it_is_the_same_network(checkpoint, capsys):
    file, system = checkpoint
    assert main(["convert", str(file), "--planes", "xz", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    converted = load_system(file.with_suffix(".safetensors"))
    assert record["weights"] == str(file.with_suffix(".safetensors"))
    assert record["parameters"] == sum(p.numel() for p in system.parameters())
    assert "plane xz of 64^2" in record["warnings"][0]
    assert converted.config == CONFIG
    cloud = PointCloud(np.random.default_rng(0).normal(size=(500, 3)))
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (50, 3))
    theirs, ours = (query(s.reconstruct(cloud).inside, points) for s in (system, converted))
    assert np.array_equal(theirs, ours)


def test_the_same_bytes_twice(checkpoint, tmp_path):
    file, _ = checkpoint
    for name in ("a", "b"):
        words = [
            "convert",
            str(file),
            "-o",
            str(tmp_path / f"{name}.safetensors"),
            "--planes",
            "xz",
            "--quiet",
        ]
        assert main(words) == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_an_official_config_says_everything(checkpoint, tmp_path):
    file, _ = checkpoint
    config = {
        "model": {
            "encoder": "pointnet_local_pool",
            "encoder_kwargs": {
                "hidden_dim": 8,
                "plane_type": ["xz"],
                "plane_resolution": 32,
                "unet": True,
                "unet_kwargs": {"depth": 2, "start_filts": 8},
            },
            "decoder": "simple_local",
            "decoder_kwargs": {"hidden_size": 32},
            "c_dim": 8,
        },
        "data": {"padding": 0.2, "pointcloud_n": 500},
    }
    (tmp_path / "c.json").write_text(json.dumps(config))
    assert main(["convert", str(file), "--config", str(tmp_path / "c.json"), "--quiet"]) == 0
    found = load_system(file.with_suffix(".safetensors")).config
    expected = replace(CONFIG, plane_resolution=32, padding=0.2, cloud_size=500)
    assert found == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "add `--planes xz xy yz`"),
        (["--planes", "xz", "-o", "weights.pt"], "weights are written as .safetensors"),
        (["--planes", "xz", "-o", "no/folder/w.safetensors"], "there is no folder no/folder"),
        (["--planes", "xz", "--config", "c.yaml"], "leave out --planes"),
        (["--config", "c.yaml"], "c.yaml cannot be read"),
    ],
)
def test_what_the_user_can_mend(checkpoint, capsys, words, message):
    file, _ = checkpoint
    assert main(["convert", str(file), *words]) == 2
    assert message in capsys.readouterr().err
    assert not file.with_suffix(".safetensors").exists()


def test_bad_files(tmp_path, capsys):
    assert main(["convert", str(tmp_path / "none.pt")]) == 2
    assert "there is no checkpoint" in capsys.readouterr().err
    (tmp_path / "bad.pt").write_bytes(b"garbage")
    assert main(["convert", str(tmp_path / "bad.pt")]) == 2
    torch.save({"model": {"decoder.fc.weight": torch.ones(2)}}, tmp_path / "other.pt")
    assert main(["convert", str(tmp_path / "other.pt")]) == 2
    error = capsys.readouterr().err
    assert "bad.pt is no PyTorch checkpoint" in error
    assert "other.pt: this is no Convolutional Occupancy Network" in error


def test_a_nerf_is_converted_and_waits_for_no_observation(tmp_path, capsys):
    from isofield.official.nerf import official_from_nerf
    from isofield.systems.nerf import NeRF, NeRFConfig

    config = NeRFConfig(depth=2, width=8, skips=(), octaves=2, near=2.0, far=6.0, box=1.25, up="z")
    networks = official_from_nerf(NeRF(config))
    names = {"coarse": "network_fn_state_dict", "fine": "network_fine_state_dict"}
    file = tmp_path / "200000.tar"
    torch.save({names[part]: state for part, state in networks.items()}, file)
    assert main(["convert", str(file), "--json"]) == 0
    assert "64 + 128 samples from 2.0 to 6.0, on white" in json.loads(capsys.readouterr().out)["warnings"][0]
    converted = load_system(file.with_suffix(".safetensors"))
    assert converted.config == config
    assert converted.wants is None
    assert all(
        converted.coarse.state_dict()[k].numel() == t.numel()
        for k, t in NeRF(config).coarse.state_dict().items()
    )
    assert main(["convert", str(file), "--planes", "xz", "--quiet"]) == 2
    assert "leave out --config, --planes and --crops" in capsys.readouterr().err


def test_what_no_lineage_recognises(tmp_path, capsys):
    torch.save({"fc.weight": torch.ones(2)}, tmp_path / "other.pt")
    assert main(["convert", str(tmp_path / "other.pt")]) == 2
    assert "holds no network that isofield knows; it knows nerf, idr" in capsys.readouterr().err
    own = tmp_path / "own.safetensors"
    save_weights(own, "onet", {}, {"a": torch.ones(2)})
    assert main(["convert", str(own), "-o", str(tmp_path / "new.safetensors")]) == 2
    assert f"{own} has isofield's own weights of onet already" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "folder").mkdir()
    assert main(["convert", str(tmp_path / "folder")]) == 2
    assert "holds no network that isofield knows" in capsys.readouterr().err
