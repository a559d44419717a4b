"""The judge beside the drill: another process, the same verdict, and nothing lost on the way."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

from harness import beside
from harness.beside import Beside, judged_beside
from harness.errors import JudgeError
from harness.history import Header, read
from harness.library import find
from harness.rehearsal import Rehearsal, rehearse
from harness.review import Reviewer, review
from harness.run_record import ExitCode

if TYPE_CHECKING:
    from harness.drill import Drill
    from harness.history import Event
    from harness.virtual_site import VirtualSite


@pytest.fixture(scope="module")
def smoke() -> Rehearsal:
    """One drill in virtual time, judged here."""
    return rehearse(find("smoke").scenario)


def test_another_process_gives_the_same_outcome(
    smoke: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdict, witnesses, expectations and counts are those of a judge in this process."""
    monkeypatch.setattr(beside, "WORTH_IT", 1)
    monkeypatch.setattr(beside, "_PARCEL", 7)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    file = io.BytesIO()
    with judged_beside(10, file) as judging:
        done = rehearse(find("smoke").scenario, judging=judging, keep=False)
    assert done.outcome == smoke.outcome
    assert done.header == smoke.header
    assert file.getvalue() == b"".join(smoke.history.lines())


@pytest.mark.parametrize(("chargers", "cores"), [(10, 8), (5000, 1)])
def test_a_small_fleet_or_a_single_core_is_judged_here(
    smoke: Rehearsal, monkeypatch: pytest.MonkeyPatch, chargers: int, cores: int
) -> None:
    """A process would take longer to start than it saves; the file is written all the same."""
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    file = io.BytesIO()
    with judged_beside(chargers, file) as judging:
        judge = judging(smoke.header, smoke.progress)
        assert not isinstance(judge, Beside)
        for event in smoke.history.events:
            judge.see(event)
    assert judge.review() == smoke.outcome
    assert file.getvalue() == b"".join(smoke.history.lines())
    with judged_beside(chargers) as judging:
        assert isinstance(judging(Header(), smoke.progress), Reviewer)


def test_a_process_that_may_have_no_children_judges_itself(
    smoke: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of a pool is such a process."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    with judged_beside(5000) as judging:
        assert isinstance(judging(smoke.header, smoke.progress), Reviewer)


def test_a_judge_that_dies_is_an_error_and_no_verdict(smoke: Rehearsal) -> None:
    """Killed for memory, say: the drill must not end as if it had been judged."""
    file = io.BytesIO()
    with Beside(smoke.header, file) as judge:
        process = judge._process
        process.kill()
        process.join()
        with pytest.raises(JudgeError, match="ended by itself"):
            _hand_over(judge, smoke)
    assert file.getvalue().startswith(next(iter(smoke.history.lines())))


def _hand_over(judge: Beside, done: Rehearsal) -> None:
    """Show a judge everything, and ask."""
    for event in done.history.events:
        judge.see(event)
    judge.review()


def test_a_judge_that_breaks_says_why(smoke: Rehearsal) -> None:
    """A history that steps back is refused over there, and the reason comes back."""
    with Beside(smoke.header) as judge:
        judge.see(smoke.history.events[9])
        judge.see(smoke.history.events[2])
        with pytest.raises(JudgeError, match="steps back"):
            judge.review()


def test_leaving_early_writes_down_what_was_seen_and_ends_the_process(smoke: Rehearsal) -> None:
    """Whatever ended the drill, its history is on disk up to there."""
    file = io.BytesIO()
    with Beside(smoke.header, file) as judge:
        process = judge._process
        for event in smoke.history.events[:5]:
            judge.see(event)
    assert not process.is_alive()
    _, events = read(io.BytesIO(file.getvalue()))
    assert list(events) == smoke.history.events[:5]


def test_ctrl_c_is_not_for_the_judge(smoke: Rehearsal) -> None:
    """The terminal tells every process; the one that drills decides what becomes of it."""
    with Beside(smoke.header) as judge:
        pid = judge._process.pid
        assert pid is not None
        for event in smoke.history.events[:-1]:
            os.kill(pid, signal.SIGINT)
            judge.see(event)
        judge.see(smoke.history.events[-1])
        assert judge.review() == smoke.outcome


@pytest.mark.parametrize("phase", ["connect", "act", "heal", "drain", "final"])
def test_an_interrupted_rehearsal_is_judged_as_far_as_it_came(phase: str) -> None:
    """Ctrl-C ends the phase, not the process: half a drill proves nothing, and says so."""

    def begun(site: VirtualSite, _: Drill) -> None:
        def pressed(event: Event) -> None:
            if event.name == phase:
                site.world.interrupt()
                site.world.interrupt()  # who is impatient presses it once more

        site.history.subscribe(pressed)

    done = rehearse(find("smoke").scenario, begun=begun)
    names = [event.name for event in done.history.events if event.kind == "mark"]
    assert names[-1] == "end"
    if phase in {"connect", "act", "heal"}:
        assert "interrupted" in names
        assert done.outcome.exit_code is ExitCode.INTERRUPTED
    header, events = read(done.history.lines())
    assert review(header, events) == done.outcome
