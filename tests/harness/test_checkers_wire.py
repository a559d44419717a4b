"""W01-W10: the wire, judged for both sides."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checkers import schemas
from harness.verdict import Subject, Verdict
from tests.effort import lines_run
from tests.harness.tell import Tale


def online(dialect: str = "ocpp2.0.1") -> Tale:
    """One booted charger."""
    t = Tale()
    t.boot("A", dialect=dialect)
    return t


def accused(t: Tale, requirement: str) -> Subject:
    """Return the side that the only finding accuses."""
    result = t.result(requirement)
    assert result.verdict is Verdict.FAIL, result
    assert len(result.findings) == 1
    return result.findings[0].subject


@pytest.mark.parametrize("dialect", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_a_good_exchange_passes_in_every_version(dialect: str) -> None:
    """Boots and heartbeats as they should be break no wire rule."""
    t = online(dialect)
    t.fence("A")
    judged = t.judged()
    for name in ("W01", "W02", "W03", "W04", "W07", "W08", "W09"):
        result = judged.result(name)
        assert result.verdict is Verdict.PASS, result
        assert result.exercised > 0


def test_w01_accuses_the_side_that_breaks_the_schema() -> None:
    """A wrong payload is named with its field, whichever side sent it."""
    t = online("ocpp1.6")
    ref = t.call("A", "FirmwareStatusNotification", {"status": "Idle"})
    t.answer("A", ref, {"status": "Accepted"})
    assert accused(t, "W01") is Subject.CSMS
    t = online("ocpp1.6")
    t.answer("A", t.call("A", "FirmwareStatusNotification", {"status": "Done"}), {})
    assert accused(t, "W01") is Subject.CHARGER
    assert "status" in t.result("W01").findings[0].witness.seen


@pytest.mark.parametrize(
    "data",
    [
        {"text": "{not json"},
        {"frame": {}},
        {"frame": [2, "x", "Heartbeat"]},
        {"frame": [9, "x", {}]},
        {"frame": [2, 7, "Heartbeat", {}]},
        {"frame": [3, "x"]},
        {"frame": [2, "x", "NoSuchAction", {}]},
    ],
)
def test_w01_accuses_what_is_no_frame(data: dict[str, Any]) -> None:
    """Garbage is the sender's fault."""
    t = online()
    t.event("charger:A", "recv", **data)
    assert accused(t, "W01") is Subject.CSMS


def test_w02_accuses_a_reused_id_across_connections() -> None:
    """Ids are unique a station, not a connection."""
    t = online()
    for version in ("1", "2"):
        body = {"reason": "PowerUp", "chargingStation": {"model": version, "vendorName": "V"}}
        t.event("charger:A", "send", "BootNotification", frame=[2, "x", "BootNotification", body])
        t.event("charger:A", "recv", frame=[4, "x", "InternalError", "", {}])
        t.close("A")
        t.open("A", "ocpp2.0.1")
    assert accused(t, "W02") is Subject.CHARGER


def test_w02_allows_a_repeated_call_that_got_no_answer() -> None:
    """A timed-out CALL may be sent again with its id."""
    t = online()
    for _ in range(2):
        t.event("charger:A", "send", "Heartbeat", frame=[2, "same", "Heartbeat", {}])
        t.close("A")
        t.open("A", "ocpp2.0.1")
    assert t.result("W02").verdict is Verdict.PASS


def test_w02_accuses_a_long_id() -> None:
    """Thirty-six characters at most."""
    t = online()
    t.event("charger:A", "recv", frame=[2, "x" * 37, "GetLocalListVersion", {}])
    assert accused(t, "W02") is Subject.CSMS


def test_w03_accuses_a_second_outstanding_call() -> None:
    """Two open CALLs of one side; crossing CALLs of both sides are fine."""
    t = online()
    t.call("A", "Heartbeat", {})
    t.call("A", "GetLocalListVersion", {}, by="csms")
    assert t.result("W03").verdict is Verdict.PASS
    t.call("A", "GetLocalListVersion", {}, by="csms")
    assert accused(t, "W03") is Subject.CSMS


def test_w03_is_a_should_in_16_and_knows_timeouts() -> None:
    """1.6 only recommends it, and a CALL that timed out is no longer outstanding."""
    t = online("ocpp1.6")
    t.call("A", "Heartbeat", {})
    t.call("A", "Heartbeat", {})
    assert t.result("W03").verdict is Verdict.NON_STRICT
    t = online()
    t.call("A", "Heartbeat", {})
    t.wait(10)
    t.call("A", "Heartbeat", {})
    assert t.result("W03").verdict is Verdict.PASS


def test_w04_accuses_the_side_that_does_not_answer() -> None:
    """A CALL that stays open for long is the other side's fault; a fresh one is not."""
    t = online()
    t.call("A", "Heartbeat", {})
    assert t.result("W04").verdict is Verdict.PASS
    t.wait(31)
    t.mark("end")
    assert accused(t, "W04") is Subject.CSMS


def test_w04_excuses_a_closed_connection() -> None:
    """What was open when the socket closed need not be answered."""
    t = online()
    t.call("A", "Heartbeat", {})
    t.close("A")
    t.wait(100)
    t.mark("end")
    assert t.result("W04").verdict is Verdict.PASS


def test_w04_accuses_a_second_answer() -> None:
    """Exactly one answer; an error about an unreadable message is another matter."""
    t = online()
    ref = t.call("A", "Heartbeat", {})
    for _ in range(2):
        t.answer("A", ref, {"currentTime": t.stamp()})
    assert accused(t, "W04") is Subject.CSMS
    t = online()
    t.answer("A", "-1", [4, "-1", "RpcFrameworkError", "", {}])
    assert t.result("W04").verdict is Verdict.INCONCLUSIVE or t.result("W04").findings == ()


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_w04_lets_each_copy_of_a_frame_be_answered(answers: int) -> None:
    """A frame that is twice on the wire may be answered once or twice, not three times."""
    t = online()
    for _ in range(2):
        t.event("charger:A", "send", "Heartbeat", "x", frame=[2, "x", "Heartbeat", {}])
    for _ in range(answers):
        t.answer("A", "x", {"currentTime": t.stamp()})
    t.wait(60)
    t.fence("A")
    assert t.result("W04").verdict is (Verdict.FAIL if answers == 3 else Verdict.PASS)
    assert t.result("W02").verdict is Verdict.PASS
    assert t.result("W03").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("dialect", "error", "verdict"),
    [
        ("ocpp1.6", ["FormationViolation", "", {}], Verdict.PASS),
        ("ocpp2.0.1", ["FormationViolation", "", {}], Verdict.FAIL),
        ("ocpp2.0.1", ["FormatViolation", "", {}], Verdict.PASS),
        ("ocpp2.0.1", ["InternalError", "x" * 256, {}], Verdict.FAIL),
        ("ocpp2.0.1", ["InternalError", "", "oops"], Verdict.FAIL),
    ],
)
def test_w05_knows_the_codes_of_each_version(
    dialect: str, error: list[Any], verdict: Verdict
) -> None:
    """The error codes differ between the versions in spelling."""
    t = online(dialect)
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, [4, ref, *error])
    assert t.result("W05").verdict is verdict


def test_w06_accuses_a_constant_request_id() -> None:
    """Every command needs a fresh requestId."""
    t = online()
    for _ in range(2):
        r = t.create("A", "all_at_once")
        t.requests["A"] = 6
        t.execute(r)
    assert accused(t, "W06") is Subject.CSMS


@pytest.mark.parametrize(
    ("date", "verdict"),
    [
        ("2026-01-01T00:00:00Z", Verdict.PASS),
        ("2026-01-01T00:00:00+02:00", Verdict.NON_STRICT),
        ("2026-01-01T00:00:00", Verdict.FAIL),
    ],
)
def test_w07_judges_time_zones(date: str, verdict: Verdict) -> None:
    """UTC passes, another zone is tolerated, none at all fails."""
    t = online()
    t.answer("A", t.call("A", "Heartbeat", {}), {"currentTime": date})
    assert t.result("W07").verdict is verdict


def test_w08_accuses_a_handshake_without_a_version() -> None:
    """The server picks one of the offered subprotocols."""
    t = Tale()
    t.open("A", "")
    assert accused(t, "W08") is Subject.CSMS


def test_w09_accuses_calls_before_the_first_boot() -> None:
    """Nothing but BootNotification, and no command, before acceptance."""
    t = Tale()
    t.open("A", "ocpp2.0.1")
    t.call("A", "Heartbeat", {})
    assert accused(t, "W09") is Subject.CHARGER
    t = Tale()
    t.open("A", "ocpp2.0.1")
    r = t.create("A", "all_at_once")
    t.command(r, "A")
    assert accused(t, "W09") is Subject.CSMS


def test_w09_notes_a_question_that_overtakes_the_boot_s_answer() -> None:
    """A known station that boots again is answered first."""
    t = online()
    t.close("A")
    t.open("A", "ocpp2.0.1")
    body = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}
    t.call("A", "BootNotification", body)
    t.call("A", "GetLocalListVersion", {}, by="csms")
    assert t.result("W09").verdict is Verdict.NON_STRICT


@pytest.mark.parametrize(
    ("kind", "status", "verdict"),
    [
        ("refused", 401, Verdict.PASS),
        ("refused", 403, Verdict.PASS),
        ("refused", 404, Verdict.PASS),
        ("refused", 400, Verdict.NON_STRICT),
        ("refused", 402, Verdict.NON_STRICT),
        ("refused", 405, Verdict.NON_STRICT),
        ("refused", 500, Verdict.NON_STRICT),
        ("open", None, Verdict.FAIL),
    ],
)
def test_w10_wants_the_door_shut(kind: str, status: int | None, verdict: Verdict) -> None:
    """A probe without the right password is turned away with 401."""
    t = Tale()
    ref, protocol = "A#1", "ocpp1.6"
    t.event("charger:A", kind, "", ref, credentials="wrong", status=status, subprotocol=protocol)
    assert t.result("W10").verdict is verdict


def test_findings_against_quirky_chargers_are_expected() -> None:
    """A charger that misbehaves by scenario fails nobody; the finding is kept."""
    t = Tale(quirky=("A",))
    t.boot("A", dialect="ocpp1.6")
    t.answer("A", t.call("A", "FirmwareStatusNotification", {"status": "Done"}), {})
    result = t.result("W01")
    assert result.verdict is Verdict.PASS
    assert result.findings[0].expected_by_scenario
    t.call("A", "Heartbeat", {})
    t.call("A", "Heartbeat", {})
    assert t.result("W03").verdict is Verdict.PASS


def test_only_the_side_under_test_decides() -> None:
    """A finding against the other side is kept but fails nothing."""
    t = Tale(under_test=("csms",))
    t.boot("A", dialect="ocpp1.6")
    t.answer("A", t.call("A", "FirmwareStatusNotification", {"status": "Done"}), {})
    assert t.result("W01").verdict is Verdict.PASS
    assert t.result("W01").findings


@pytest.mark.parametrize("pace", [0.0, 1.0])
def test_a_side_that_is_never_answered_is_judged_in_linear_time(pace: float) -> None:
    """One side of a log, at once or over hours: four times the CALLs, four times the work."""

    def effort(count: int) -> int:
        t = online("ocpp1.6")
        for _ in range(count):
            t.wait(pace)
            t.call("A", "Heartbeat", {})
        return lines_run(lambda: t.result("W03"))

    few, many = effort(1500), effort(6000)
    assert many < 6 * few


def test_w03_looks_past_what_was_given_up() -> None:
    """An old CALL without an answer hides no younger one."""
    t = online()
    t.call("A", "Heartbeat", {})
    t.wait(60.0)
    t.call("A", "Heartbeat", {})
    assert t.result("W03").findings == ()
    t.wait(1.5)
    t.call("A", "Heartbeat", {})
    assert accused(t, "W03") is Subject.CHARGER


def test_names_that_strangers_make_up_are_not_kept() -> None:
    """A hostile station may send a million actions: none of them stays in memory."""
    before = schemas._validator.cache_info().currsize
    for number in range(50):
        assert schemas.invalid("ocpp2.0.1", f"MadeUp{number}", {}, answer=False) == ""
        assert schemas.invalid(f"ocpp9.{number}", "Heartbeat", {}, answer=False) == ""
    assert schemas._validator.cache_info().currsize == before
    assert schemas._actions.cache_info().currsize <= len(schemas.VERSIONS)
