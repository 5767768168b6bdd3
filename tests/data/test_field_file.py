"""Networks in NPZ files: read as written, and broken ones told in one sentence."""

import numpy as np
import pytest

from isofield.data.field_file import Dense, is_field_file, read_field
from isofield.errors import InputError


def network():
    rng = np.random.default_rng(0)
    sizes = [3, 8, 8, 1]
    arrays = {}
    for k in range(3):
        arrays[f"{2 * k:04d}.dense.A"] = rng.normal(size=sizes[k : k + 2]).astype(np.float32)
        arrays[f"{2 * k:04d}.dense.b"] = rng.normal(size=sizes[k + 1]).astype(np.float32)
    return arrays | {
        "0001.relu._": np.zeros(0),
        "0003.elu._": np.zeros(0),
        "0005.squeeze_last._": np.zeros(0),
    }


def written(folder, arrays):
    np.savez(folder / "field.npz", **arrays)
    return folder / "field.npz"


def test_layers_come_in_order_and_the_sign_is_turned(tmp_path):
    arrays = network()
    file = read_field(written(tmp_path, arrays))
    kinds = [layer if isinstance(layer, str) else layer.weight.shape for layer in file.layers]
    assert kinds == [(3, 8), "relu", (8, 8), "elu", (8, 1)]
    first, last = file.layers[0], file.layers[-1]
    assert isinstance(first, Dense)
    np.testing.assert_array_equal(first.weight, arrays["0000.dense.A"])
    np.testing.assert_array_equal(last.weight, -arrays["0004.dense.A"])
    np.testing.assert_array_equal(last.bias, -arrays["0004.dense.b"])
    assert file.box.low.tolist() == [-1, -1, -1]
    assert file.box.high.tolist() == [1, 1, 1]


def test_field_files_are_told_from_other_archives(tmp_path):
    assert is_field_file(written(tmp_path, network()))
    np.savez(tmp_path / "cloud.npz", points=np.zeros((5, 3)))
    assert not is_field_file(tmp_path / "cloud.npz")
    (tmp_path / "text.npz").write_text("no archive")
    assert not is_field_file(tmp_path / "text.npz")
    assert not is_field_file(tmp_path / "scan.ply")
    assert not is_field_file(tmp_path / "missing.npz")


BROKEN = [
    ({"0002.dense.b": None}, "lacks its array b"),
    ({"0003.elu._": None}, "lacks step 3"),
    ({"0000.dense.A": np.zeros((2, 8))}, "from 2 channels to 1"),
    ({"0004.dense.A": np.zeros((8, 2)), "0004.dense.b": np.zeros(2)}, "from 3 channels to 2"),
    ({"0002.dense.A": np.zeros((7, 8))}, "8 outputs in its dense layer 0"),
    ({"0002.dense.b": np.zeros(7)}, "8 outputs in A and 7 in b"),
    ({"0002.dense.A": np.full((8, 8), np.nan)}, "not finite"),
    ({"0002.dense.A": np.full((8, 8), 1e300)}, "not finite"),
    ({"0002.dense.A": np.zeros(8)}, "a matrix of numbers"),
    ({"0002.dense.A": np.zeros((8, 8), dtype="U3")}, "a matrix of numbers"),
    ({"0003.elu._": None, "0003.gelu._": np.zeros(0)}, "'gelu' (number 3), which is unknown"),
    ({"0003.relu._": np.zeros(0)}, "two steps with the number 3"),
    ({"weights": np.zeros(3)}, "'weights'"),
    ({"0006.relu._": np.zeros(0)}, "ends with relu"),
    (
        {key: None for key in network() if "dense" in key and key[:4] != "0000"} | {"0000.dense.b": None},
        "lacks",
    ),
]


@pytest.mark.parametrize(("change", "words"), BROKEN)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, change, words):
    arrays = {key: value for key, value in (network() | change).items() if value is not None}
    with pytest.raises(InputError) as error:
        read_field(written(tmp_path, arrays))
    assert words in str(error.value)
    assert "field.npz" in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_archives_are_named(tmp_path):
    path = written(tmp_path, network())
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(InputError, match=r"cannot be read as NPZ"):
        read_field(path)
    with pytest.raises(InputError, match=r"cannot be read as NPZ"):
        read_field(tmp_path / "missing.npz")
