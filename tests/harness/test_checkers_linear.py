"""R25-R27: overlapping requests, and the contract behind a whole history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers.automaton import (
    COMPLETED,
    FAILED,
    PAUSED,
    PENDING,
    REFUSED,
    RUNNING,
    Answer,
    Automaton,
    Operation,
    State,
    step,
)
from harness.verdict import Verdict
from tests.harness.tell import Tale, good_canary

if TYPE_CHECKING:
    import pytest


class Simple:
    """An outlook in which the test says what is settled."""

    stages = 2

    def __init__(self, *, settled: bool = True, ended: bool = False) -> None:
        self.done, self.ended = settled, ended

    def settled(self, stage: int, operation: Operation) -> frozenset[bool]:
        """Whether a stage is settled."""
        del stage, operation
        return frozenset({self.done})

    def may_end(self) -> bool:
        """Whether the rollout may have ended."""
        return self.ended

    def may_refuse(self) -> bool:
        """Whether a charger may be busy."""
        return False

    def judges(self, switch: str) -> bool:
        """Everything is judged."""
        return bool(switch)


def run(machine: Automaton, *calls: tuple[str, Answer]) -> list[list[Answer]]:
    """Make calls one after the other; return what each answer was accused with."""
    out = []
    for number, (name, answer) in enumerate(calls):
        machine.invoke(Operation(f"{name}{number}", name, 0.0))
        out.append(machine.answer(f"{name}{number}", answer))
    return out


CREATE = ("create", Answer("ok"))


def test_the_table_in_one_thread() -> None:
    """Every cell of the status x operation table, one after the other."""
    outlook = Simple(settled=False)
    machine = Automaton(outlook)
    execute, pause = "execute_stage", "pause"
    no = Answer(REFUSED)
    assert not any(run(machine, CREATE, (pause, no), (execute, Answer("ok", stage=1))))
    assert not any(run(machine, (execute, no), (pause, Answer("ok")), (pause, Answer("ok"))))
    assert not any(run(machine, (execute, Answer("ok", stage=1)), (pause, Answer("ok"))))
    outlook.done = True
    assert not any(run(machine, (execute, Answer("ok", stage=2))))
    outlook.ended = True
    assert not any(run(machine, ("read", Answer("ok", COMPLETED)), (execute, no), (pause, no)))
    assert run(machine, ("read", Answer("ok", FAILED))) == [[Answer("ok", COMPLETED, 2)]]


def test_overlapping_executes_have_one_winner() -> None:
    """With the stage unsettled one call starts it and the other is refused, in either order."""
    for first, second in (
        (Answer("ok", stage=1), Answer(REFUSED)),
        (Answer(REFUSED), Answer("ok")),
    ):
        machine = Automaton(Simple(settled=False))
        run(machine, CREATE)
        machine.invoke(Operation("a", "execute_stage", 0))
        machine.invoke(Operation("b", "execute_stage", 0))
        assert machine.answer("a", first) == []
        assert machine.answer("b", second) == []
        machine.invoke(Operation("c", "execute_stage", 0))
        assert machine.answer("c", Answer("ok", stage=2)) == [Answer(REFUSED)]


def test_an_unknown_outcome_may_act_later() -> None:
    """A pause that timed out may still land, until its server is killed."""
    machine = Automaton(Simple(settled=False))
    run(machine, CREATE, ("execute_stage", Answer("ok", stage=1)))
    machine.invoke(Operation("p", "pause", 0))
    assert run(machine, ("read", Answer("ok", RUNNING, 1))) == [[]]
    machine.settle("p")
    assert set(machine.states()) == {State(RUNNING, 1), State(PAUSED, 1)}
    assert run(machine, ("read", Answer("ok", PAUSED, 1))) == [[]]
    assert run(machine, ("read", Answer("ok", RUNNING, 1))) == [[Answer("ok", PAUSED, 1)]]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_an_honest_system_does_is_explained(data: st.DataObject) -> None:
    """A system that applies the table at some moment of each call is never accused."""
    outlook = Simple(settled=data.draw(st.booleans()))
    machine = Automaton(outlook)
    run(machine, CREATE)
    state = State(PENDING)
    waiting: dict[str, Operation] = {}
    acted: dict[str, Answer] = {}
    for number in range(data.draw(st.integers(1, 10))):
        name = data.draw(st.sampled_from(["execute_stage", "pause", "read"]))
        operation = Operation(f"op{number}", name, 0.0)
        machine.invoke(operation)
        waiting[operation.id] = operation
        for one in data.draw(st.permutations(sorted(waiting)))[: data.draw(st.integers(0, 3))]:
            state, acted[one] = data.draw(
                st.sampled_from(list(step(state, waiting.pop(one), outlook)))
            )
        for one in sorted(acted)[: data.draw(st.integers(0, 3))]:
            assert machine.answer(one, acted.pop(one)) == []


def story() -> tuple[Tale, str]:
    """Two booted chargers, one stage each."""
    t = Tale()
    t.boot("A", "B")
    return t, t.create("AB", "rolling", batch_size=1)


def test_r27_passes_a_good_rollout() -> None:
    """A canary rollout with pause and resume is explained throughout."""
    result = good_canary().result("R27")
    assert result.verdict is Verdict.PASS
    assert result.exercised >= 10


def bad_stories() -> list[tuple[str, Tale]]:
    """Histories with one answer that no behaviour explains, at their end."""
    out = []
    t, r = story()
    t.execute(r)
    t.execute(r, stage=2)
    out.append(("execute while the stage runs", t))
    t, r = story()
    t.pause(r)
    out.append(("pause before the start", t))
    t, r = story()
    t.refuse(r)
    out.append(("the first execute refused", t))
    t, r = story()
    t.execute(r)
    t.read(r, status="pending")
    out.append(("started, still pending", t))
    t, r = story()
    t.execute(r)
    t.pause(r)
    t.read(r)
    t.execute(r, [], stage=1)
    t.read(r, status="paused")
    out.append(("resumed, still paused", t))
    t, r = story()
    t.execute(r)
    t.refuse(r, "pause")
    out.append(("pause of a running rollout refused", t))
    t, r = story()
    t.execute(r)
    t.update("A")
    t.wait(3)
    t.refuse(r)
    out.append(("the next stage refused although all is settled", t))
    t, r = story()
    t.execute(r)
    t.read(r, current_stage=2)
    out.append(("a stage too far", t))
    return out


def test_r27_names_the_first_answer_that_nothing_explains() -> None:
    """Each bad history is accused at its last answer."""
    for what, t in bad_stories():
        result = t.result("R27")
        assert result.verdict is Verdict.FAIL, what
        assert len(result.findings) == 1
        last = t.history.events[-1].index
        assert result.findings[0].witness.steps[-1].index == last, what
        assert "can only have been" in result.findings[0].witness.expected


def overlapping(first: dict[str, Any], second: dict[str, Any]) -> Tale:
    """Two execute-stage calls at once, answered as told."""
    t, r = story()
    one, two = t.invoke("execute_stage", r), t.invoke("execute_stage", r)
    t.trigger(r, "A")
    for ref, answer in ((one, first), (two, second)):
        if answer:
            t.executed(r, ref, answer["stage"], ["A"])
        else:
            t.fail("execute_stage", ref, 409)
    return t


def test_r26_accuses_two_winners() -> None:
    """One wins, the other is refused."""
    assert overlapping({"stage": 1}, {}).result("R26").verdict is Verdict.PASS
    assert overlapping({}, {"stage": 1}).result("R26").verdict is Verdict.PASS
    twice = overlapping({"stage": 1}, {"stage": 1})
    assert twice.result("R26").verdict is Verdict.FAIL
    assert twice.result("R27").verdict is Verdict.FAIL


def test_r25_has_two_legal_orders() -> None:
    """Pause beside execute ends paused or running, never in between."""
    for status in ("paused", "in_progress"):
        t, r = story()
        t.execute(r)
        pause, execute = t.invoke("pause", r), t.invoke("execute_stage", r)
        body = {"rollout_id": r, "status": "paused", "paused_at": t.stamp(), "reason": None}
        t.ok("pause", pause, body)
        if status == "paused":
            t.fail("execute_stage", execute, 409)
        else:
            t.executed(r, execute, 1, [])
        t.read(r, status=status)
        result = t.result("R25")
        assert result.verdict is Verdict.PASS, status
        assert result.exercised == 1
        t.read(r, status="pending")
        assert t.result("R25").verdict is Verdict.FAIL


def test_never_exercised_overlaps_are_inconclusive() -> None:
    """One request at a time proves nothing about overlaps."""
    t = good_canary()
    for name in ("R25", "R26"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE
    assert Tale().result("R27").verdict is Verdict.INCONCLUSIVE


def test_r27_allows_a_refusal_for_a_charger_that_is_busy_elsewhere() -> None:
    """D13: the first execute-stage may be refused while another rollout has the charger."""
    for shared, verdict in (("A", Verdict.PASS), ("C", Verdict.FAIL)):
        t = Tale()
        t.boot("A", "B", "C")
        other = t.create(shared, "all_at_once")
        t.execute(other)
        r = t.create("AB", "all_at_once")
        t.refuse(r)
        assert t.result("R27").verdict is verdict


def test_r27_follows_what_the_profile_leaves_open() -> None:
    """A target that starts the next stage early, or pauses twice with 409, may say so."""
    for switch, tell in (("D1", "early"), ("D9", "twice"), ("D8", "ended")):
        for profile, verdict in (({}, Verdict.FAIL), ({switch: "any"}, Verdict.PASS)):
            t, r = story()
            t.history.header.profile.update(profile)
            t.execute(r)
            if tell == "early":
                t.execute(r, stage=2)
            elif tell == "twice":
                t.pause(r)
                t.refuse(r, "pause")
            else:
                t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
                t.show(r, "B", status="failed", reason="removed")
                t.read(r, status="failed")
                t.pause(r)
            assert t.result("R27").verdict is verdict, switch


def test_r27_gives_up_where_too_many_requests_overlap() -> None:
    """It says so instead of searching for ever, and accuses nobody."""
    t, r = story()
    t.execute(r)
    for _ in range(12):
        t.invoke("pause", r)
        t.invoke("execute_stage", r)
    t.read(r, status="paused")
    result = t.result("R27")
    assert result.findings == ()
    assert result.verdict in {Verdict.PASS, Verdict.INCONCLUSIVE}


def test_r27_leaves_a_rollout_alone_whose_beginning_it_did_not_see() -> None:
    """A rollout learned from a read has an unknown past; its plan is still judged."""
    t, r = story()
    told, t.history = t.history, Tale().history
    assert len(told)
    t.read(r, status="paused")
    t.read(r, status="in_progress")
    judged = t.judged()
    assert judged.result("R27").findings == ()
    assert judged.result("R01").exercised == 2
    assert judged.result("R32").verdict is Verdict.FAIL


def test_r27_settles_unknown_requests_at_a_kill() -> None:
    """A pause that was open when the CSMS died landed before, or never."""
    for status, verdict in (("paused", Verdict.PASS), ("in_progress", Verdict.PASS)):
        t, r = story()
        t.execute(r)
        ref = t.invoke("pause", r)
        t.event("harness", "kill", "csms")
        t.info("pause", ref)
        late = t.invoke("pause", r)
        t.info("pause", late)
        t.event("harness", "up", "csms")
        t.read(r, status=status)
        assert t.result("R27").verdict is verdict
        t.read(r, status="paused" if status == "in_progress" else "in_progress")
        assert t.result("R27").verdict is Verdict.FAIL


def test_a_read_may_be_older_than_what_was_answered_before_it() -> None:
    """All three overlap; the read took its effect between the resume and the pause."""
    t = Tale()
    t.boot(*"AB")
    t.fence(*"AB")
    r = t.create("AB", "all_at_once")
    t.execute(r)
    t.pause(r)
    resume, read, pause = (t.invoke(name, r) for name in ("execute_stage", "read", "pause"))
    t.status[r] = "in_progress"
    body = t.body(r)
    t.executed(r, resume, 1, [])
    said = {"rollout_id": r, "status": "paused", "paused_at": t.stamp(), "reason": None}
    t.ok("pause", pause, said)
    t.ok("read", read, body)
    t.read(r, status="paused")
    t.mark("end")
    for name in ("R25", "R27"):
        assert t.result(name).verdict is Verdict.PASS


def test_a_search_that_breaks_is_an_error_for_everyone_who_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R25 meets it first; R27 must not pass on half of a search."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.read(r)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("harness.checkers.orders.what_it_said", broken)
    judged = t.judged()
    for name in ("R25", "R27"):
        assert judged.result(name).verdict is Verdict.ERROR
