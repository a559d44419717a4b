"""The reference CSMS in virtual time: when it dies, and with what."""

from __future__ import annotations

from harness.rehearsal import rehearse
from harness.verdict import Verdict
from simulator.scenario import load

DRILL = """
version: 1
name: a kill between a commit and what follows from it
firmware: {version: "2.0.0", size: 100 kB}
fleet:
  - {cohort: one, count: 2, ocpp: ocpp1.6}
operator:
  - create: {strategy: all_at_once}
  - kill: {at: commit}
  - read
  - execute_stage: {refused: maybe}
  - hold: 1 s
  - restart
heal: {within: 60 s}
expect: {exercises: [R01]}
"""


def test_a_kill_at_a_commit_waits_for_something_to_be_written() -> None:
    """A read writes nothing down: it is answered, and the execute-stage is not."""
    events = rehearse(load(DRILL)).history.events
    kill = next(event for event in events if event.kind == "kill")
    before = [event for event in events[: kill.index] if event.source == "operator"]
    assert [(event.name, event.kind) for event in before[-3:]] == [
        ("read", "invoke"),
        ("read", "ok"),
        ("execute_stage", "invoke"),
    ]
    after = next(e for e in events[kill.index :] if e.source == "operator" and e.kind != "invoke")
    assert (after.name, after.kind) == ("execute_stage", "info")


def test_a_drill_tries_the_door_before_its_chargers_do() -> None:
    """A wrong password and none are turned away; the right one is let in, after a kill as well."""
    done = rehearse(load(DRILL.replace("  - restart", "  - restart\n  - hold: 30 s")))
    turned = [event for event in done.history.events if "credentials" in event.data]
    assert [(event.kind, event.data) for event in turned] == [
        ("refused", {"credentials": "wrong", "status": 401}),
        ("refused", {"credentials": "missing", "status": 401}),
    ]
    w10 = done.judgement.result("W10")
    assert (w10.verdict, w10.exercised) == (Verdict.PASS, 2)
    opened = [event.charger for event in done.history.events if event.kind == "open"]
    assert opened.count(turned[0].charger) > 1
