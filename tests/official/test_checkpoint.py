"""Official checkpoint files: the tensors of good ones, a sentence for bad ones."""

import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.errors import InputError
from isofield.official.checkpoint import load_checkpoint, load_state_dict


class Trap:
    """Leaves a mark when somebody unpickles it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


STATE = OrderedDict(a=torch.arange(3.0), b=torch.ones(2, 2))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "PyTorch 1.4"])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s, "it": 3}], ids=["bare", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_tensors_under_their_names(tmp_path, zipped, wrap, prefix):
    state = {prefix + key: tensor for key, tensor in STATE.items()}
    torch.save(wrap(state), tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    found = load_state_dict(tmp_path / "m.pt")
    assert list(found) == ["a", "b"]
    assert all(found[key].equal(tensor) for key, tensor in STATE.items())


@pytest.mark.parametrize("number", [np.float64(0.25), np.float32(0.25), np.int64(3)])
@pytest.mark.parametrize("module", [b"numpy._core", b"numpy.core"])
def test_numpy_scalars_of_any_age_are_fine(tmp_path, number, module):
    file = tmp_path / "m.pt"
    torch.save({"model": STATE, "loss_val_best": number}, file, _use_new_zipfile_serialization=False)
    content = file.read_bytes()
    known = [name for name in (b"numpy._core.multiarray", b"numpy.core.multiarray") if name in content]
    file.write_bytes(content.replace(known[0], module + b".multiarray"))
    assert load_checkpoint(file)["loss_val_best"] == number


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_objects_are_refused_and_not_run(tmp_path, zipped):
    file, mark = tmp_path / "m.pt", tmp_path / "mark"
    torch.save({"model": STATE, "extra": Trap(mark)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"m\.pt holds pickled Python objects"):
        load_checkpoint(file)
    assert not mark.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.98])
def test_cut_off_files(tmp_path, zipped, part):
    file = tmp_path / "m.pt"
    torch.save({"model": {"a": torch.rand(5000)}}, file, _use_new_zipfile_serialization=zipped)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(InputError, match="not a complete PyTorch checkpoint" if part else "is empty"):
        load_checkpoint(file)


def test_other_files(tmp_path):
    file = tmp_path / "m.pt"
    for content in [b"hello\n", bytes(range(256)) * 20]:
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"m\.pt is no PyTorch checkpoint$"):
            load_checkpoint(file)
    file.write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match="not a complete PyTorch checkpoint"):
        load_checkpoint(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.obj", "v 0 0 0")
    with pytest.raises(InputError, match=r"is no PyTorch checkpoint: it is an archive with model\.obj"):
        load_checkpoint(file)
    with pytest.raises(InputError, match=r"nowhere\.pt cannot be read: No such file"):
        load_checkpoint(tmp_path / "nowhere.pt")
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(tmp_path)


def test_files_without_state_dict(tmp_path):
    file = tmp_path / "m.pt"
    torch.save([1, 2], file)
    with pytest.raises(InputError, match="holds a list, not the dictionary"):
        load_state_dict(file)
    torch.save({"model": 3}, file)
    with pytest.raises(InputError, match="'model' holds no state dict"):
        load_state_dict(file)
    torch.save({"network": {"a": torch.ones(2)}}, file)
    with pytest.raises(InputError, match=r"'network' is a dict, not a tensor; .* alone or as 'model'"):
        load_state_dict(file)
    torch.save({"epoch": 3, "a": torch.ones(1)}, file)
    with pytest.raises(InputError, match="'epoch' is a int, not a tensor"):
        load_state_dict(file)
