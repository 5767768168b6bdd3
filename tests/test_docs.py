"""The documentation says what is: commands run, links lead somewhere, no option is forgotten."""

import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from isofield.cli import VERBS, main
from isofield.data import read_points, write_points
from isofield.data.binvox import write_binvox
from isofield.geometry import Box, Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import Voxels
from isofield.scene import Scene
from isofield.systems import SYSTEMS
from isofield.systems.citations import PAPERS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def commands(page: Path) -> list[list[str]]:
    """The words of every command in the page's `shell` blocks."""
    blocks = re.findall(r"```shell\n(.*?)```", page.read_text(), re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_quick_start_runs(tmp_path, monkeypatch, capsys):
    for folder in ("examples", "out"):
        (tmp_path / folder).mkdir()
    # A tenth of the points: the words are what is tested here, and time is dear.
    write_points(tmp_path / "examples" / "scan.ply", read_points(ROOT / "examples" / "scan.ply")[::10])
    monkeypatch.chdir(tmp_path)
    found = commands(ROOT / "docs" / "quickstart.md")
    assert len(found) > 5
    for words in found:
        assert words[0] == "isofield"
        assert main(words[1:]) == 0, (words, capsys.readouterr().err)
        for k, word in enumerate(words):
            if word == "-o":
                assert Path(words[k + 1]).stat().st_size > 1000
    assert (tmp_path / "out" / "mesh.report.html").exists()


def octahedron_file(folder: Path) -> None:
    """The network |x|_1 - 0.4, as field files have it."""
    sides = np.concatenate([np.eye(3), -np.eye(3)], axis=1).astype(np.float32)
    arrays = {"0000.dense.A": sides, "0000.dense.b": np.zeros(6, np.float32), "0001.relu._": np.zeros(0)}
    arrays |= {"0002.dense.A": np.ones((6, 1), np.float32), "0002.dense.b": np.array([-0.4], np.float32)}
    np.savez(folder / "fox.npz", **arrays)


def box_of_voxels(folder: Path) -> None:
    occupied = np.zeros((16, 16, 16), bool)
    occupied[4:12, 3:13, 5:11] = True
    write_binvox(folder / "bear.binvox", Voxels(occupied, Box.cube(1.0)))


def coloured_ball() -> dict[str, object]:
    """The scene that the page of textures speaks of, coarser."""
    scene = Scene(inside=lambda p: 0.4 - p.norm(dim=1), colour=lambda p: (p + 0.5).clamp(0, 1), resolution=32)
    return {"scene": scene}


@pytest.mark.parametrize(
    ("page", "given"),
    [
        ("extraction", lambda folder: {}),
        ("field_files", octahedron_file),
        ("voxels_to_mesh", box_of_voxels),
        ("textures", lambda folder: coloured_ball()),
    ],
)
def test_python_on_the_pages_runs(page, given, tmp_path, monkeypatch):
    names = given(tmp_path) or {}
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.S)
    if page == "field_files":  # the second block goes on from a network that the reader has
        blocks = blocks[:1]
    for block in blocks:
        exec(block, names)
    meshes = [value for value in names.values() if isinstance(value, Mesh)]
    assert meshes
    assert all(check_mesh(mesh).is_closed for mesh in meshes)


def test_commands_page_is_the_command_line():
    made = runpy.run_path(str(ROOT / "docs" / "make_commands.py"))["page"]()
    assert (ROOT / "docs" / "commands.md").read_text() == made, "run: python docs/make_commands.py"
    for name in VERBS:
        assert f"## isofield {name}\n" in made


def test_benchmarks_page_shows_what_was_measured():
    made = runpy.run_path(str(ROOT / "docs" / "make_benchmarks.py"))["page"]()
    assert (ROOT / "docs" / "benchmarks.md").read_text() == made, "run: python docs/make_benchmarks.py"


def test_photos_page_shows_what_was_measured():
    made = runpy.run_path(str(ROOT / "docs" / "make_photos.py"))
    again = "run: python docs/make_photos.py"
    assert (ROOT / "docs" / "photos.md").read_text() == made["page"](), again
    assert (ROOT / "docs" / "pictures" / "photos.svg").read_text() == made["plot"](made["parts"]()[0]), again


def test_pages_of_fits_show_what_was_measured():
    made = runpy.run_path(str(ROOT / "docs" / "make_fit.py"))["pages"]()
    for name, content in made.items():
        assert (ROOT / "docs" / name).read_text() == content, f"{name}: run python docs/make_fit.py"


@pytest.mark.parametrize("system", SYSTEMS)
def test_pages_cite_what_the_command_cites(system):
    page = ROOT / "docs" / f"{system}.md"
    for block in re.findall(r"```bibtex\n(.*?)\n```", page.read_text(), re.S):
        assert block == "\n\n".join(paper.bibtex() for paper in PAPERS[system])


def test_readme_names_every_verb():
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^\| `isofield (\w+)`", text, re.M)) == set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_options_in_the_docs_exist():
    known = set(re.findall(r"`(--[\w-]+)", (ROOT / "docs" / "commands.md").read_text()))
    foreign = {"--help", "--version", "--fetch", "--nproc-per-node", "--nnodes", "--standalone"}
    for page in PAGES:
        for line in page.read_text().splitlines():
            if "isofield" in line and "pip " not in line and "python " not in line:
                assert set(re.findall(r"(?<!\w)(--[a-z][\w-]*)", line)) <= known | foreign, (page.name, line)


def test_navigation_names_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    nav = yaml.safe_load(text)["nav"]
    listed = {path for entry in nav for path in entry.values()}
    assert listed == {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("**/*.md")}
