"""The reference CSMS in virtual time: when it dies, and with what."""

from __future__ import annotations

from harness.rehearsal import rehearse
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
