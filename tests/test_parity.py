"""The goldens in the repository agree, and the comparison notices what doesn't."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

SPEC = importlib.util.spec_from_file_location("parity", Path(__file__).parent / "parity.py")
assert SPEC is not None
parity = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(parity)
GOLDEN = Path(__file__).parent / "golden"


SLOW = {"idr_official", "dvr_multiview", "dvr_img_rgb128"}
"""Goldens of full-size networks along many rays; `dvr_img` and the networks of IDR are tested always."""
NAMES = sorted(file.stem for file in GOLDEN.glob("*.json"))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NAMES]
)
def test_goldens_agree(name, tmp_path, capsys):
    for suffix in (".json", ".npz"):
        if (GOLDEN / name).with_suffix(suffix).exists():
            (tmp_path / name).with_suffix(suffix).symlink_to((GOLDEN / name).with_suffix(suffix))
    assert parity.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("ok")


def test_no_golden_is_lost():
    assert len(NAMES) >= 17
    assert set(NAMES) > SLOW


def test_the_networks_of_idr_agree():
    from isofield.official.idr import config_from_official, idr_from_official

    meta, data = parity.WEIGHTS.load_golden("idr_official", GOLDEN)
    system = idr_from_official(parity.WEIGHTS.state_dict(meta), config_from_official(meta["config"]))
    points, view = (torch.as_tensor(parity.WEIGHTS.make_input(meta, data, key)) for key in ("xyz", "view"))
    values, slope = system.distance.gradient(points)
    light = system.light(points, slope, torch.nn.functional.normalize(view, dim=-1), values[:, 1:])
    ours = {"out_implicit": values[:, :17], "out_sdf_grad": slope, "out_rgb_at_xyz": light}
    like = {name: data[name] for name in ours}
    detached = {name: value.detach() for name, value in ours.items()}
    assert parity.compare(detached, like, parity.tolerance_of(meta, data)).share <= 1


def copied(folder: Path, name: str, **changes: np.ndarray) -> None:
    meta, data = parity.WEIGHTS.load_golden(name, GOLDEN)
    (folder / f"{name}.json").write_text(json.dumps(meta))
    np.savez(folder / f"{name}.npz", **(data | changes))


@pytest.mark.parametrize("output", ["out_logits", "out_fea_xz", "out_fea_xz_meanstd"])
def test_a_wrong_number_is_noticed(tmp_path, capsys, output):
    _, data = parity.WEIGHTS.load_golden("convonet_1plane", GOLDEN)
    wrong = data[output].copy()
    wrong.flat[-1] += 1e-3
    copied(tmp_path, "convonet_1plane", **{output: wrong})
    assert parity.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("FAIL convonet_1plane")


def test_nan_is_a_mismatch():
    like = {"out_x": np.zeros(2)}
    verdict = parity.compare({"out_x": torch.tensor([0.0, torch.nan])}, like, {"atol": 1.0, "rtol": 0.0})
    assert verdict.share == np.inf


def test_missing_output_is_a_mismatch():
    with pytest.raises(ValueError, match="gives no out_y"):
        parity.compare({"out_x": torch.zeros(2)}, {"out_x": np.zeros(2), "out_y": np.zeros(2)}, {})


def test_nothing_compared_is_a_failure(tmp_path, capsys):
    assert parity.main([str(tmp_path)]) == 1
    (tmp_path / "new.json").write_text('{"system": "unheard of"}')
    assert parity.main([str(tmp_path)]) == 1
    assert "no adapter yet: new (unheard of)" in capsys.readouterr().out
    assert parity.main([str(tmp_path / "nowhere")]) == 2


def test_systems_without_adapter_do_not_fail(tmp_path, capsys):
    (tmp_path / "new.json").write_text('{"system": "unheard of"}')
    copied(tmp_path, "convonet_1plane")
    assert parity.main([str(tmp_path)]) == 0


def test_strides_follow_the_golden():
    full = torch.arange(64.0)[None]
    assert parity.thinned(full, np.zeros((1, 8)), (1, 8)).tolist() == [list(range(0, 64, 8))]
    assert parity.thinned(full, np.zeros((1, 16)), (1, 8)).tolist() == [list(range(0, 64, 4))]
