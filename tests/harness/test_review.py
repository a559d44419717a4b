"""The outcome of a drill, from its history alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.history import CHARGER_CASE, Header, History, read
from harness.library import find
from harness.rehearsal import rehearse
from harness.review import conclude, review
from harness.run_record import Ending, ExitCode, Expectation
from harness.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from harness.rehearsal import Rehearsal
    from harness.review import Review


@pytest.fixture(scope="module")
def smoke() -> Rehearsal:
    """One drill in virtual time."""
    return rehearse(find("smoke").scenario)


def again(done: Rehearsal, *, until: str | None = None, **expect: Any) -> Review:
    """Review a drill's history again, cut after a mark, with other expectations."""
    header = done.header
    if expect:
        facts = {**header.scenario, "expect": expect}
        header = Header(scenario=facts, seed=header.seed)
    events = done.history.events
    if until is not None:
        cut = next(n for n, e in enumerate(events) if e.kind == "mark" and e.name == until)
        events = events[: cut + 1]
    return review(header, events)


def test_a_stored_history_gives_the_verdict_of_the_run(smoke: Rehearsal) -> None:
    """Through NDJSON and back, every result and every expectation is the same."""
    lines = list(smoke.history.lines())
    header, events = read(lines)
    assert review(header, events) == smoke.outcome
    assert smoke.outcome.exit_code is ExitCode.PASSED
    assert [phase.name for phase in smoke.outcome.phases] == [
        "connect", "baseline", "act", "heal", "drain", "final",
    ]  # fmt: skip


def test_a_drill_that_keeps_nothing_is_judged_alike(smoke: Rehearsal) -> None:
    """Events that are judged and forgotten give the verdict of those that are kept."""
    forgotten = rehearse(find("smoke").scenario, keep=False)
    assert forgotten.history.events == []
    assert len(forgotten.history) == len(smoke.history)
    assert forgotten.outcome == smoke.outcome


def test_counts_are_those_of_the_last_read(smoke: Rehearsal) -> None:
    """What GET shows decides who is installed."""
    counts = smoke.outcome.counts
    assert (counts.chargers, counts.triggered, counts.installed, counts.failed) == (10, 10, 10, 0)
    assert counts.downloads["cut"] == 1
    assert counts.bytes_served == 10 * 200_000  # the cut one was resumed, not begun again


@pytest.mark.parametrize(
    ("expect", "name", "seen"),
    [
        ({"rollout": "failed"}, "rollout", "completed"),
        ({"installed": "<= 50 %"}, "installed", "10 of 10"),
        ({"failed": 1}, "failed", "0 of 10"),
    ],
)
def test_an_expectation_that_is_missed_fails(
    smoke: Rehearsal, expect: dict[str, Any], name: str, seen: str
) -> None:
    """Verdict and completion are two things: properties may hold and the outcome be wrong."""
    outcome = again(smoke, **expect)
    (missed,) = [e for e in outcome.expectations if not e.met]
    assert missed.name == name
    assert seen in missed.seen
    assert (outcome.verdict, outcome.exit_code) == ("FAIL", ExitCode.FAILED)


def test_a_property_that_was_not_put_to_the_test_is_inconclusive(smoke: Rehearsal) -> None:
    """Exit 3 and not 1: nothing is known to be wrong."""
    outcome = again(smoke, exercises=["R01", "R39"])
    assert [e.met for e in outcome.expectations] == [True, False]
    assert (outcome.verdict, outcome.exit_code) == ("INCONCLUSIVE", ExitCode.NOT_RUN)


def test_half_a_drill_concludes_nothing(smoke: Rehearsal) -> None:
    """A history that ends in the middle is an interrupted drill: exit 130."""
    outcome = again(smoke, until="pause")
    assert outcome.ending is Ending.INTERRUPTED
    assert (outcome.verdict, outcome.exit_code) == ("INCONCLUSIVE", ExitCode.INTERRUPTED)
    assert outcome.problem == "the history is cut: it ends in the phase act, without its end"
    assert again(smoke, until="connect").ending is Ending.NOT_STARTED


@pytest.mark.parametrize("phase", ["heal", "drain", "final"])
def test_a_history_that_lost_its_end_is_no_pass(smoke: Rehearsal, phase: str) -> None:
    """All steps were done, but what came after them may have been anything."""
    outcome = again(smoke, until=phase)
    assert outcome.problem == f"the history is cut: it ends in the phase {phase}, without its end"
    assert (outcome.verdict, outcome.exit_code) == ("INCONCLUSIVE", ExitCode.INTERRUPTED)
    assert again(smoke).problem == ""


def test_a_failed_step_is_an_expectation_that_is_missed() -> None:
    """The mark that the operator leaves is enough to judge by."""
    history = History(Header())
    history.record(0, "harness", "mark", "act")
    data = {"number": 2, "step": "pause", "expected": "this", "seen": "that"}
    history.record(1, "harness", "mark", "step_failed", data=data)
    history.record(2, "harness", "mark", "heal")
    history.record(3, "harness", "mark", "end")
    outcome = review(history.header, history.events)
    assert outcome.expectations == (Expectation("step 2 (pause)", "this", "that", met=False),)
    assert outcome.exit_code is ExitCode.FAILED


MISSED = Expectation("installed", "1", "0", met=False)
UNTESTED = Expectation("exercises", "R1", "never", met=False, inconclusive=True)


@pytest.mark.parametrize(
    ("verdict", "missed", "ending", "expected"),
    [
        (Verdict.PASS, (), Ending.COMPLETED, ("PASS", 0)),
        (Verdict.NON_STRICT, (), Ending.COMPLETED, ("NON_STRICT", 0)),
        (Verdict.FAIL, (UNTESTED,), Ending.COMPLETED, ("FAIL", 1)),
        (Verdict.PASS, (MISSED, UNTESTED), Ending.COMPLETED, ("FAIL", 1)),
        (Verdict.PASS, (UNTESTED,), Ending.COMPLETED, ("INCONCLUSIVE", 3)),
        (Verdict.INCONCLUSIVE, (), Ending.COMPLETED, ("INCONCLUSIVE", 3)),
        (Verdict.ERROR, (), Ending.COMPLETED, ("ERROR", 4)),
        (Verdict.ERROR, (MISSED,), Ending.COMPLETED, ("FAIL", 1)),
        (Verdict.PASS, (MISSED,), Ending.INTERRUPTED, ("INCONCLUSIVE", 130)),
        (Verdict.FAIL, (), Ending.INTERRUPTED, ("FAIL", 130)),
    ],
)
def test_verdict_and_exit_code(
    verdict: Verdict,
    missed: tuple[Expectation, ...],
    ending: Ending,
    expected: tuple[str, int],
) -> None:
    """The table of exit codes: few, documented, stable."""
    said, code = conclude(ending, Judgement(verdict, ()), missed)
    assert (said, int(code)) == expected


@pytest.mark.parametrize(
    ("end", "verdict", "code"), [(True, "PASS", 0), (False, "INCONCLUSIVE", 3)]
)
def test_the_history_of_a_case_is_whole_once_it_has_its_end(
    *, end: bool, verdict: str, code: int
) -> None:
    """`firmdrill judge` reads those that `check charger` keeps; they have no phases of a drill."""
    history = History(Header(target={"kind": CHARGER_CASE}, under_test=("charger",)))
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    now = "2026-02-22T17:09:40.000Z"
    answer = {"currentTime": now, "interval": 600, "status": "Accepted"}
    who, action = "charger:A", "BootNotification"
    history.record(0.0, who, "open", "", "A#1", {"subprotocol": "ocpp1.6"})
    history.record(0.1, who, "send", action, "1", {"frame": [2, "1", action, boot]})
    history.record(0.2, who, "recv", action, "1", {"frame": [3, "1", answer]})
    if end:
        history.record(1.0, "harness", "mark", "end", "", {})
    outcome = review(history.header, history.events)
    assert (outcome.verdict, int(outcome.exit_code)) == (verdict, code)
