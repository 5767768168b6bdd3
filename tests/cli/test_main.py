import subprocess
import sys
import time
from dataclasses import is_dataclass
from importlib import import_module

import pytest

from isofield import cli
from isofield.cli import VERBS, Verb, main
from isofield.errors import InputError


def python(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def verb(monkeypatch):
    """A function that replaces what `isofield reconstruct` does."""

    def replace(run):
        monkeypatch.setattr("isofield.cli.reconstruct.run", run)
        return main(["reconstruct", "scan.ply"])

    return replace


def test_overview_names_every_verb(capsys):
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        printed = capsys.readouterr().out
        for name, verb in VERBS.items():
            assert f"  {name} " in printed
            assert verb.summary in printed


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_explains_itself(name, capsys):
    verb = VERBS[name]
    module = import_module(verb.module)
    assert is_dataclass(getattr(module, verb.arguments))
    assert callable(module.run)
    assert main([name, "--help"]) == 0
    assert f"usage: isofield {name}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in VERBS)], ids=lambda w: w[0])
def test_help_comes_at_once(words):
    heavy = "{'torch', 'scipy', 'trimesh', 'skimage'}"
    code = (
        "import sys, time\nfrom isofield.cli import main\n"
        f"main({words!r})\nprint('heavy', sorted({heavy} & set(sys.modules)))\n"
        "print('cpu', time.process_time())"
    )
    started = time.perf_counter()
    done = python("-c", code)
    wall = time.perf_counter() - started
    *_, imported, spent = done.stdout.splitlines()
    assert imported == "heavy []"
    assert min(float(spent.split()[1]), wall) < 0.5


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("isofield ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["recontruct"], "did you mean 'reconstruct'?"),
        (["xyzzy"], "isofield --help lists all verbs"),
        (["scan.ply"], "try: isofield reconstruct scan.ply"),
    ],
)
def test_unknown_verbs_are_answered_with_a_suggestion(words, sentence, capsys):
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_unknown_option_is_a_fault_of_the_words(capsys):
    assert main(["reconstruct", "scan.ply", "--resolutoin", "3"]) == 2
    assert "--resolutoin" in capsys.readouterr().err


def test_input_errors_are_one_sentence(verb, capsys):
    def run(args):
        raise InputError("scan.ply is empty")

    assert verb(run) == 2
    assert capsys.readouterr().err == "isofield: scan.ply is empty\n"


def test_interruption_is_130(verb, capsys):
    def run(args):
        raise KeyboardInterrupt

    assert verb(run) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_our_own_faults_are_one_sentence_and_a_file(verb, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def run(args):
        raise RuntimeError("two\nlines")

    assert verb(run) == 1
    said = capsys.readouterr().err
    (file,) = tmp_path.glob("isofield-*.traceback.txt")
    assert said == f"isofield: this is a bug in isofield (RuntimeError: two); its traceback is in {file}\n"
    text = file.read_text()
    assert text.startswith("isofield reconstruct scan.ply")
    assert "in run\n" in text


def test_memory_is_named(verb, capsys):
    def run(args):
        raise MemoryError

    assert verb(run) == 1
    assert "not enough memory" in capsys.readouterr().err


def test_threads_are_limited_before_torch_is_there(monkeypatch, tmp_path):
    code = (
        "import os, isofield.cli.reconstruct as r\nfrom isofield.cli import main\n"
        "r.run = lambda args: print(os.environ['OMP_NUM_THREADS'], args.common.thread_count) or 0\n"
        "main(['reconstruct', 'x.ply', '--threads', '1'])"
    )
    assert python("-c", code).stdout.strip() == "1 1"


def test_module_is_the_command():
    done = python("-m", "isofield", "--help")
    assert done.returncode == 0
    assert done.stdout == cli.overview() + "\n"


def test_a_reader_who_leaves_is_no_fault():
    done = subprocess.run(
        f"{sys.executable} -m isofield reconstruct --help | head -1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("usage: isofield reconstruct")


def test_the_table_holds_what_it_says():
    assert all(isinstance(verb, Verb) and verb.summary[0].islower() for verb in VERBS.values())


def test_a_verb_alone_is_no_bug(capsys):
    assert main(["fit"]) == 2
    assert "this is a bug" not in capsys.readouterr().err
