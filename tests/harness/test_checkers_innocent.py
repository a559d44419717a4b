"""Drills that once made the judge accuse an innocent CSMS or charger: it must not happen again."""

from __future__ import annotations

import pytest

from harness.rehearsal import rehearse
from simulator.scenario import load

LATE_SUCCESS = """
version: 1
name: a charger that installs longer than the CSMS waits
firmware: {version: "2.0.0"}
fleet: [{cohort: slow, count: 1, install: {time: 60 s, reboot: 5 s}}]
operator:
  - create: {strategy: all_at_once, update_timeout: 30 s}
  - execute_stage
  - pause
  - wait: {until: {Installed: 1}, within: 5 min}
  - read
expect: {failed: 1}
"""
LATE_REBOOT = """
version: 1
name: a charger that reports once more between the time-out of the CSMS and its reboot
firmware: {version: "2.0.0"}
fleet: [{cohort: slow, count: 1, ocpp: ocpp2.0.1, install: {time: 60 s, reboot: 5 s}}]
operator:
  - create: {strategy: all_at_once, update_timeout: 30 s}
  - execute_stage
  - wait: {stage: settled, within: 2 min}
  - wait: {until: {Installed: 1}, within: 5 min}
  - read
expect: {failed: 1}
"""
NO_BUT_YES = """
version: 1
name: a canary that answers Rejected and updates all the same
firmware: {version: "2.0.0"}
fleet: [{cohort: odd, count: 2, ocpp: ocpp2.0.1, quirks: [rejects_but_updates]}]
operator:
  - create: {strategy: canary}
  - execute_stage
  - wait: {until: {Installed: 1}, within: 5 min}
  - read
expect: {rollout: failed}
"""


@pytest.mark.parametrize(
    "text", [LATE_SUCCESS, LATE_REBOOT, NO_BUT_YES], ids=["late", "reboot", "no but yes"]
)
def test_what_the_csms_rightly_holds_for_failed_is_no_invention(text: str) -> None:
    """A time-out or a refusal comes first, the charger's success later: it stays failed (D22)."""
    drill = rehearse(load(text))
    assert drill.judgement.failed == ()
