"""The live view: what a person sees while a drill runs, with and without a terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from harness import live
from harness.history import Header, History
from harness.progress import Progress

if TYPE_CHECKING:
    from harness.drill import Drill

BODY = {
    "rollout_id": "r1",
    "status": "in_progress",
    "stages": [{"chargers": [{"status": "installed"}, {"status": "downloading"}]}],
}


def drill(where: str = "step 3/8 wait") -> Drill:
    """A drill as far as a view looks at it."""
    return cast("Drill", SimpleNamespace(where=where, rollouts=lambda: (BODY,)))


def progress(*notes: dict[str, Any]) -> Progress:
    """Counters after these failed connects of one charger each."""
    counters, history = Progress(5), History(Header())
    history.subscribe(counters.see)
    for number, data in enumerate(notes):
        history.record(number, f"charger:C{number}", "note", "connect_failed", data=data)
    return counters


def console(*, terminal: bool = False, width: int = 160) -> tuple[Console, io.StringIO]:
    """A console that writes into memory."""
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=width, color_system=None), out


def test_quiet_shows_nothing_and_a_pipe_gets_no_table() -> None:
    """-q wins; a table needs a terminal."""
    assert isinstance(live.view(console(terminal=True)[0], quiet=True), live.Quiet)
    assert isinstance(live.view(console(terminal=True)[0], quiet=False), live.Screen)
    assert isinstance(live.view(console()[0], quiet=False), live.Plain)


def test_a_line_says_where_the_drill_is() -> None:
    """Phase or step, the rollout's status, and the counters."""
    said = live.line(drill(), progress(), 12.34)
    assert "12.3 s  step 3/8 wait: in_progress" in said
    assert "online 0/5" in said


def test_plain_lines_come_on_change_and_once_at_the_end() -> None:
    """A log of a drill is short: no line where nothing changed."""
    shown, out = console()
    view = live.Plain(shown)
    view.say("Starting …")
    view.begin(drill(), progress(), lambda: 1.0)
    view.end()
    lines = out.getvalue().splitlines()
    assert lines[0] == "Starting …"
    assert 2 <= len(lines) <= 3


def test_the_screen_shows_errors_first_and_the_funnel() -> None:
    """Why chargers cannot connect stands above the table; markup in it is only text."""
    shown, out = console(terminal=True)
    view = live.Screen(shown)
    troubles = [{"detail": f"[red]refused {number}"} for number in range(5)]
    view.begin(drill(), progress(*troubles), lambda: 1.0)
    view.end()
    said = out.getvalue()
    assert "C0 cannot connect: [red]refused 0" in said
    assert "… and 2 more" in said
    assert said.index("cannot connect") < said.index("r1: in_progress")
    assert "downloading" in said


def test_a_narrow_screen_gets_words_instead_of_a_table() -> None:
    """Forty columns cannot hold eight headings: every number still has its name."""
    shown, out = console(terminal=True, width=40)
    view = live.Screen(shown)
    view.begin(drill(), progress(), lambda: 1.0)
    view.end()
    assert "stage 1: 1 downloading, 1 installed" in out.getvalue()
    assert "│" not in out.getvalue()
