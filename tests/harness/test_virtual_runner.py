"""A drill in virtual time that the user interrupts still ends with a report."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from harness.history import read
from harness.library import find
from harness.rehearsal import rehearse
from harness.run_record import ExitCode
from harness.virtual_world import VirtualWorld
from tests.harness.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from harness.drill import Drill
    from harness.virtual_site import VirtualSite


def interrupt_at(monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    """Press Ctrl-C when the drill marks this moment."""
    plain = VirtualWorld.mark

    def marked(world: VirtualWorld, name: str) -> None:
        plain(world, name)
        if name == mark:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(VirtualWorld, "mark", marked)


def test_an_interrupted_drill_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit 130, every file of a report, and a history that ends in order."""
    interrupt_at(monkeypatch, "execute_stage")
    result = call("run", "pause", "--virtual", "--report", str(tmp_path))
    assert result.exit_code == ExitCode.INTERRUPTED
    names = {path.name for path in tmp_path.iterdir()}
    assert {"history.ndjson", "report.html", "report.json", "junit.xml"} <= names
    with (tmp_path / "history.ndjson").open(encoding="utf-8") as lines:
        _, events = read(lines)
        marks = [event.name for event in events if event.kind == "mark"]
    assert marks[-4:] == ["interrupted", "drain", "final", "end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_leaves_background_calls_without_an_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was under way may have had its effect or not: nothing is judged by its answer."""
    interrupt_at(monkeypatch, "act")
    worlds: list[VirtualWorld] = []

    def begun(site: VirtualSite, _: Drill) -> None:
        worlds.append(site.world)
        signal.signal(signal.SIGINT, lambda *_: site.world.interrupt())

    before = signal.getsignal(signal.SIGINT)
    try:
        done = rehearse(find("two-operators").scenario, begun=begun)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [event.name for event in done.history.events if event.kind == "mark"][-1] == "end"
    assert done.outcome.exit_code is ExitCode.INTERRUPTED
    assert not done.judgement.failed
    assert worlds[0].now() < 60.0
