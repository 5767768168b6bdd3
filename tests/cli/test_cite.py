"""`isofield cite`: every system has its papers, and records know their system."""

import json
import re

import pytest

from isofield.cli import main
from isofield.systems import SYSTEMS
from isofield.systems.citations import PAPERS


def test_every_system_has_its_papers():
    assert set(SYSTEMS) <= set(PAPERS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_entries_are_whole(name, capsys):
    assert main(["cite", name]) == 0
    text = capsys.readouterr().out
    assert text.count("{") == text.count("}")
    assert len(re.findall(r"^@(?:article|inproceedings)\{\w+,$", text, re.M)) == len(PAPERS[name])
    assert all(paper.title in text for paper in PAPERS[name])


def test_a_paper_behind_two_systems_comes_once(capsys):
    assert main(["cite", "indicator", "convonet", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["peng2020convolutional", "peng2021shape"]


def test_records_know_their_system(tmp_path, capsys):
    (tmp_path / "mesh.run.json").write_text('{"system": "nerf"}')
    assert main(["cite", str(tmp_path / "mesh.run.json")]) == 0
    assert "mildenhall2020nerf" in capsys.readouterr().out
    (tmp_path / "other.json").write_text("[1]")
    assert main(["cite", str(tmp_path / "other.json")]) == 2
    assert main(["cite", "deepsfd"]) == 2
    error = capsys.readouterr().err
    assert "other.json is no record of a run" in error
    assert "there is no system 'deepsfd'" in error
