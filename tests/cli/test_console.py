import json

import pytest

from isofield.cli.console import Console, Stages, print_table


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_guesses_are_scaled_by_the_pace_of_finished_stages(clock):
    stages = Stages({"read": 1, "solve": 4, "write": 2}, clock)
    assert stages.remaining() == 7
    stages.enter("read")
    clock.now = 2
    stages.leave()
    assert stages.remaining() == 12  # twice as slow as guessed
    assert stages.fraction() == pytest.approx(2 / 14)


def test_a_stage_that_reports_its_share_is_extrapolated(clock):
    stages = Stages({"solve": 1, "write": 0}, clock)
    stages.enter("solve")
    clock.now = 3
    stages.advance(0.25)
    assert stages.remaining() == pytest.approx(9)
    stages.advance(0.1)
    assert stages.remaining() == pytest.approx(9)


def test_a_silent_stage_never_promises_an_end_it_has_passed(clock):
    stages = Stages({"solve": 1}, clock)
    stages.enter("solve")
    clock.now = 0.4
    assert stages.remaining() == pytest.approx(0.6)
    clock.now = 5
    assert stages.remaining() == pytest.approx(0.5)


def test_a_long_stage_says_how_far_it_is_where_there_is_no_bar(capsys, monkeypatch):
    monkeypatch.setattr("isofield.cli.console.SILENCE", 0.0)
    with Console({"solve": 1}).stage("solve") as advance:
        advance(0.25, "4 starts")
        advance(0.5)
    assert capsys.readouterr().err == "solve: 25%, 4 starts\nsolve: 50%\nsolve: 0.0 s\n"


def test_plain_lines_where_nobody_watches(capsys):
    console = Console({"read": 1})
    with console.stage("read"):
        console.warn("beware")
    console.finish("done", {"mesh": "a.glb", "vertices": "12"}, {})
    printed = capsys.readouterr()
    assert printed.err == "note: beware\nread: 0.0 s\n"
    assert printed.out == "mesh      a.glb\nvertices  12\n"
    assert console.warnings == ["beware"]
    assert set(console.timings) == {"read"}


def test_quiet_and_json_hold_their_tongue(capsys):
    for options in ({"quiet": True}, {"json": True}):
        console = Console(**options)
        with console.stage("read"):
            console.warn("beware")
        console.finish("done", {"mesh": "a.glb"}, {"faces": 3})
        printed = capsys.readouterr()
        assert printed.err == ""
        assert printed.out == ("" if console.quiet else json.dumps({"faces": 3}) + "\n")


def test_terminal_gets_a_ruled_table_and_no_colour_is_kept(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table("a mesh", {"file": "[odd].glb"})
    coloured = capsys.readouterr().out
    assert "\x1b[" in coloured
    assert "[odd].glb" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    print_table("a mesh", {"file": "b.glb"})
    assert "\x1b[3" not in capsys.readouterr().out


def test_bar_appears_only_when_patience_ends(capsys, monkeypatch):
    import time

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Console({"solve": 1}).stage("solve"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("isofield.cli.console.PATIENCE", 0.05)
    console = Console({"solve": 1})
    with console.stage("solve"):
        time.sleep(0.5)
        console.warn("beware")
    console.close()
    said = capsys.readouterr().err
    assert "solve" in said
    assert "to go" in said
    assert "beware" in said


def test_a_better_guess_replaces_the_first():
    console = Console({"read": 1, "solve": 1})
    console.expect("solve", 9)
    assert console.stages.remaining() == 10
