"""Who sends what, and what gives a version away."""

from __future__ import annotations

import pytest

from harness.checkers.schemas import VERSIONS, actions
from harness.fieldlog.sides import FROM_CHARGER, ONLY_NEW, ONLY_OLD, sender, version
from harness.rehearsal import rehearse
from simulator.scenario import load
from tests.harness.fieldlog.test_trace import SCENARIOS

KNOWN = frozenset().union(*(actions(name) for name in VERSIONS))


def test_every_listed_action_exists() -> None:
    """A misspelt action would silently be the other side's."""
    unanswered = {"NotifyPeriodicEventStream"}  # a SEND of 2.1: its schemas have no response
    assert KNOWN | unanswered >= FROM_CHARGER | ONLY_OLD | ONLY_NEW


def test_only_what_both_may_send_has_no_sender() -> None:
    """Everything else tells who speaks."""
    assert {action for action in KNOWN if not sender(action)} == {"DataTransfer"}
    assert sender("Whatever") == ""


def test_version_marks_are_of_their_version_only() -> None:
    """What tells 1.6 is unknown to 2.x, and the other way round."""
    assert not ONLY_OLD & (actions("ocpp2.0.1") | actions("ocpp2.1"))
    assert not ONLY_NEW & actions("ocpp1.6")


@pytest.mark.parametrize("name", ["smoke", "signed-update", "speaks-ocpp-2.1"])
def test_every_call_of_a_drill_is_attributed_rightly(name: str) -> None:
    """Actions tell their sender, and no payload tells a wrong version."""
    done = rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"), name=name))
    spoken: dict[str, str] = {}
    for event in done.history.events:
        if event.kind == "open":
            spoken[event.source] = event.data["subprotocol"]
        frame = event.data.get("frame")
        if event.kind not in {"send", "recv"} or not isinstance(frame, list) or frame[0] != 2:
            continue
        said_by = "charger" if event.kind == "send" else "csms"
        # What no version has (a charger of this drill sends it) tells nothing.
        assert sender(frame[2]) == ("" if frame[2] == "UnheardOf" else said_by)
        told = version(frame)
        assert told in {"", spoken[event.source]} or (
            told == "ocpp2.0.1" and spoken[event.source] == "ocpp2.1"
        )
