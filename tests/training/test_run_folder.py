import json
import subprocess
import sys

import pytest

from isofield.errors import InputError
from isofield.training.run_folder import RunFolder, differences

CONFIG = {
    "system": "ball",
    "config": {"width": 32, "sizes": [1, 2]},
    "data": "/a",
    "options": {"steps": 10, "seed": 0, "device": "auto"},
    "versions": {"torch": "2"},
}


def keep(run):
    """Open and close the folder."""
    with run.opened():
        pass


def changed(**parts):
    return {**CONFIG, **parts}


def test_same_config_is_accepted_again(tmp_path):
    keep(RunFolder(tmp_path / "run", CONFIG))
    keep(RunFolder(tmp_path / "run", CONFIG))
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == CONFIG


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"config": {"width": 64, "sizes": [1, 2]}}, "config.width was 32 and now is 64"),
        ({"config": {"width": 32}}, r"config.sizes was \[1, 2\] and now is null"),
        ({"system": "cube"}, 'system was "ball" and now is "cube"'),
        ({"options": {"steps": 10, "seed": 1, "device": "auto"}}, "options.seed was 0 and now is 1"),
        ({"data": "/b"}, "data was"),
        ({"data": {"/b/ring.obj": "1f"}}, "data was"),
    ],
)
def test_different_config_is_named(tmp_path, parts, named):
    keep(RunFolder(tmp_path, CONFIG))
    with pytest.raises(InputError, match=named):
        RunFolder(tmp_path, changed(**parts)).check()


def test_other_shapes_are_named(tmp_path):
    keep(RunFolder(tmp_path, changed(data={"/a/ring.obj": "1f"})))
    for data in ({"/a/ring.obj": "2f"}, {"/a/ring.obj": "1f", "/a/ball.obj": "3f"}):
        with pytest.raises(InputError, match=r"of other data or an earlier state of /a/(ring|ball)\.obj;"):
            RunFolder(tmp_path, changed(data=data)).check()


def test_training_on_and_other_versions_are_no_difference():
    other = changed(options={"steps": 99, "seed": 0, "device": "cpu"}, versions={"torch": "3"})
    assert list(differences(CONFIG, other)) == []


def test_restart_keeps_the_old_folder(tmp_path):
    keep(RunFolder(tmp_path / "run", CONFIG))
    (tmp_path / "run" / "precious.txt").write_text("weeks of work")
    for width in (64, 128):
        keep(RunFolder(tmp_path / "run", changed(config={"width": width}), restart=True))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"] == {"width": 128}
    old = sorted(tmp_path.glob("run-until-*"))
    assert len(old) == 2
    assert sum((folder / "precious.txt").exists() for folder in old) == 1


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for restart in (False, True):
        with pytest.raises(InputError, match="not empty and holds no run"):
            keep(RunFolder(tmp_path, CONFIG, restart))
    with pytest.raises(InputError, match="is a file"):
        keep(RunFolder(tmp_path / "thesis.txt", CONFIG))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_place_that_takes_no_folder_is_known_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"run can't be written: .*file is a file; choose another folder"):
        RunFolder(tmp_path / "file" / "run", CONFIG).check()
    RunFolder(tmp_path / "deep" / "run", CONFIG).check()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match="takes no files; choose another folder"):
        RunFolder(tmp_path / "deep" / "run", CONFIG).check()


def test_killed_before_the_config_was_there(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lock").touch()
    (tmp_path / ".config-x1y2.json").write_text('{"sys')
    keep(RunFolder(tmp_path, CONFIG))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "state"]


def test_damaged_config_is_said(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json is not JSON; use --restart"):
        RunFolder(tmp_path, CONFIG).check()


def test_metrics_after_the_step_and_half_lines_are_dropped(tmp_path):
    run = RunFolder(tmp_path, CONFIG)
    keep(run)
    whole = [json.dumps({"kind": "train", "step": step}) + "\n" for step in (10, 20, 30)]
    run.metrics.write_text("".join(whole) + '{"kind": "train", "st')
    run.forget_after(20)
    assert run.metrics.read_text() == "".join(whole[:2])


@pytest.mark.parametrize("restart", ["", ", restart=True"])
def test_a_folder_has_one_training_at_a_time(tmp_path, restart):
    path = tmp_path / "run"
    code = (
        "import sys; from pathlib import Path; from isofield.training.run_folder import RunFolder\n"
        f"with RunFolder(Path(sys.argv[1]), {{'system': 'ball'}}{restart}).opened(): print('in')"
    )
    command = [sys.executable, "-c", code, str(path)]
    with RunFolder(path, {"system": "ball"}).opened():
        refused = subprocess.run(command, capture_output=True, text=True)
    assert "another training is running in" in refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "in\n"


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    run = RunFolder(tmp_path, CONFIG)
    keep(run)
    (run.state / ".000000007-x1y2.safetensors").write_bytes(b"half")
    with run.opened():
        assert [p.name for p in run.state.iterdir()] == ["lock"]
