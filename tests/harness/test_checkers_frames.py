"""Frames and silences: what is no frame, whose fault a silence is, what a log in pieces holds."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.checkers.judge import Judge
from harness.history import FIELD_LOG
from harness.verdict import Grade, Subject, Verdict
from tests.harness.tell import Tale, booted

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


# ---------------------------------------------------------------------- frames


@pytest.mark.parametrize(
    ("frame", "seen"),
    [
        ({}, "no JSON array"), ([], "no JSON array"), (None, "no JSON array"),
        ([True, "x", "Heartbeat", {}], "unknown message type True"),
        ([{}, "x", "Heartbeat", {}], "unknown message type {}"),
        ([[2], "x"], "unknown message type [2]"), (["2", "x"], "unknown message type '2'"),
        ([1, "x"], "unknown message type 1"), ([7, "x"], "unknown message type 7"),
        ([2, "x", "Heartbeat"], "message type 2 with 3 elements instead of 4"),
        ([2, "x", "Heartbeat", {}, 1], "message type 2 with 5 elements instead of 4"),
        ([3, "x"], "message type 3 with 2 elements instead of 3"),
        ([4, "x", "InternalError", ""], "message type 4 with 4 elements instead of 5"),
        ([5, "x", "InternalError", ""], "message type 5 with 4 elements instead of 5"),
        ([6, "x", "NotifyEvent"], "message type 6 with 3 elements instead of 4"),
        ([2, 5, "Heartbeat", {}], "the message id is no string"),
        ([2, "x", 5, {}], "the action is no string"), ([6, "x", 5, {}], "the action is no string"),
    ],
)  # fmt: skip
def test_w01_says_what_is_no_frame(frame: Any, seen: str) -> None:
    """Whatever a peer sends is judged, and accused of what it is."""
    for kind, side in (("send", Subject.CHARGER), ("recv", Subject.CSMS)):
        t = booted("A")
        t.event("charger:A", kind, "", "", frame=copy.deepcopy(frame))
        (finding,) = t.result("W01").findings
        assert (finding.witness.seen, finding.subject) == (seen, side)


@pytest.mark.parametrize(
    ("dialect", "code", "verdict"),
    [
        ("ocpp1.6", "FormationViolation", PASS), ("ocpp1.6", "FormatViolation", FAIL),
        ("ocpp1.6", "OccurenceConstraintViolation", PASS), ("ocpp1.6", "RpcFrameworkError", FAIL),
        ("ocpp2.0.1", "FormationViolation", FAIL), ("ocpp2.0.1", "FormatViolation", PASS),
        ("ocpp2.1", "OccurrenceConstraintViolation", PASS), ("ocpp2.1", "NotKnown", FAIL),
        ("ocpp2.1", {}, FAIL), ("ocpp2.1", None, FAIL), ("ocpp2.1", "GenericError", PASS),
        ("", "FormationViolation", PASS), ("", "FormatViolation", PASS), ("", "NotKnown", FAIL),
        ("", "SecurityError", PASS),
    ],
)  # fmt: skip
def test_w05_knows_the_codes_of_each_version(dialect: str, code: Any, verdict: Verdict) -> None:
    """1.6 spells two codes in its own way; where the version is unknown either will do."""
    t = Tale()
    t.open("A", dialect)
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, [4, ref, code, "", {}], name="Heartbeat")
    assert t.result("W05").verdict is verdict


@pytest.mark.parametrize(
    ("rest", "verdict"),
    [(["", {}], PASS), ([None, {}], FAIL), (["", []], FAIL), (["", None], FAIL), ([5, {}], FAIL)],
)
def test_w05_looks_at_text_and_details(rest: list[Any], verdict: Verdict) -> None:
    """The description is a text and the details are an object."""
    t = booted("A")
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, [4, ref, "InternalError", *rest], name="Heartbeat")
    assert t.result("W05").verdict is verdict


@pytest.mark.parametrize(
    ("talked", "tried", "subject"),
    [
        (30.0, 0.0, Subject.CSMS), (29.9, 0.0, None), (0.0, 30.0, Subject.NETWORK),
        (0.0, 29.9, None), (1.0, 40.0, None), (31.0, 31.0, Subject.CSMS),
    ],
)  # fmt: skip
def test_w04_asks_in_a_log_who_went_on(
    talked: float, tried: float, subject: Subject | None
) -> None:
    """Who is silent to a CALL and goes on talking is to blame; a dead line is the network's."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    t.now = 10 - 0.01
    t.call("A", "Heartbeat", {})
    for moment, side in sorted([(10 + talked, "csms"), (10 + tried, "charger")]):
        if moment > 10:
            t.now = moment - 0.01
            t.call("A", "Heartbeat" if side == "charger" else "ClearCache", {}, by=side)
    accused = [f.subject for f in t.result("W04").findings if "Heartbeat" in f.witness.expected]
    assert accused[:1] == ([subject] if subject else [])


def test_w04_forgives_a_log_two_silences_before_an_unseen_reconnect() -> None:
    """A reconnect that the log hides may have swallowed a CALL or two; not three."""
    for silences in (1, 2, 3, 4):
        t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
        for number in range(silences):
            t.event("charger:A", "open", ref=f"A#{number}", subprotocol="ocpp1.6", inferred=True)
            t.dialect["A"], t.connections["A"] = "ocpp1.6", number
            t.call("A", "Heartbeat", {})
            t.wait(31)
            t.call("A", "ClearCache", {}, by="csms")
            t.event("charger:A", "close", ref=f"A#{number}", code=1006)
        against = [f for f in t.result("W04").findings if f.subject is Subject.CSMS]
        grades = [Grade.TOLERATED, Grade.TOLERATED, Grade.VIOLATES, Grade.VIOLATES]
        assert [f.grade for f in against] == grades[:silences]


# ---------------------------------------------------------------------- liveness


def test_l5_looks_at_every_charger_of_a_read() -> None:
    """One that still talks, one in line again, one never told: none hides one that is silent."""
    t = booted("A", "B", "C", "D")
    r = t.create("ABCD", "all_at_once", update_timeout=60)
    t.execute(r, "ABC")
    t.report("B", "Idle")
    t.wait(80)
    t.report("A", "Downloading")
    t.read(r)
    result = t.result("L5")
    assert [finding.charger for finding in result.findings] == ["C"]
    assert result.exercised == 1


def test_l5_lets_an_idle_before_the_last_command_count_for_nothing() -> None:
    """Only an Idle after its command puts a charger in line again."""
    t = booted("A")
    r = t.create("A", "all_at_once", update_timeout=60)
    ref = t.invoke("execute_stage", r)
    t.command(r, "A")
    t.rollout_of["A"] = r
    t.report("A", "Idle")
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    t.wait(80)
    t.read(r)
    assert t.result("L5").verdict is FAIL


def test_l5_waits_for_a_date() -> None:
    """A retrieve date makes the clock start later."""
    t = booted("A")
    r = t.create("A", "all_at_once", update_timeout=60, retrieve_date="2026-01-01T01:00:00Z")
    t.execute(r)
    t.wait(80)
    t.read(r)
    assert t.result("L5").verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("urls", "updates"), [("u", 1), ("uu", 1), ("uv", 2), ("uvv", 2), ("uvu", 3)]
)
def test_a_log_shows_an_update_for_each_url_in_a_row(urls: str, updates: int) -> None:
    """In a field log a repeated url is the same update again, another url another one."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    for url in urls:
        body = {"location": f"https://x/{url}", "retrieveDate": "2026-01-01T00:00:00Z"}
        ref = t.call("A", "UpdateFirmware", body, by="csms")
        t.answer("A", ref, {}, by="charger", name="UpdateFirmware")
    judge = Judge(t.history.header)
    for event in t.history.events:
        judge.see(event)
    rollouts = {id(trigger.rollout) for trigger in judge.view.stations["A"].triggers}
    assert len(rollouts) == updates
