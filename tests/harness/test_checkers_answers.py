"""R35, R38, R42, R43, R45, R46: what the CSMS answers."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Grade, Verdict
from tests.harness.tell import Tale


def running() -> tuple[Tale, str]:
    """Three booted chargers and an all-at-once rollout."""
    t = Tale()
    t.boot("A", "B", "C")
    return t, t.create("ABC", "all_at_once")


def test_r35_accuses_an_error_in_answer_to_a_status() -> None:
    """Every status is answered with a CALLRESULT once the station was accepted."""
    t, _ = running()
    assert t.result("R35").verdict is Verdict.PASS
    ref = t.call("A", "FirmwareStatusNotification", {"status": "Idle"})
    t.answer("A", ref, [4, ref, "OccurrenceConstraintViolation", "", {}])
    result = t.result("R35")
    assert result.verdict is Verdict.FAIL
    assert len(result.findings[0].witness.steps) == 2


def test_r35_lets_an_error_answer_what_fits_no_schema() -> None:
    """A status of another version of OCPP is no status of this one."""
    t, _ = running()
    ref = t.call("A", "FirmwareStatusNotification", {"status": "InvalidSignature"})
    t.answer("A", ref, [4, ref, "PropertyConstraintViolation", "", {}])
    assert t.result("R35").verdict is Verdict.PASS


def test_r35_allows_security_error_before_acceptance() -> None:
    """Before its boot is accepted a station may be refused."""
    t = Tale()
    t.open("A")
    ref = t.call("A", "FirmwareStatusNotification", {"status": "Idle"})
    t.answer("A", ref, [4, ref, "SecurityError", "", {}])
    assert t.result("R35").verdict is Verdict.PASS


def test_r38_accuses_a_server_error() -> None:
    """5xx is a violation whatever was asked."""
    t, r = running()
    assert t.result("R38").verdict is Verdict.PASS
    t.refuse(r, "pause", 409)
    assert t.result("R38").verdict is Verdict.PASS
    t.refuse(r, "read", 500)
    assert t.result("R38").findings[0].grade is Grade.VIOLATES


@pytest.mark.parametrize(("name", "status"), [("read", 404), ("read", 409), ("pause", 404)])
def test_r38_accuses_a_known_rollout_that_is_not_found(name: str, status: int) -> None:
    """A rollout that exists is found."""
    t, r = running()
    t.refuse(r, name, status)
    assert t.result("R38").verdict is Verdict.FAIL


def test_r38_wants_404_for_the_unknown() -> None:
    """An unknown rollout is 404, never a success."""
    t, _ = running()
    t.fail("read", t.invoke("read", "nobody"), 404)
    assert t.result("R38").verdict is Verdict.PASS
    t.ok("pause", t.invoke("pause", "nobody"), {"rollout_id": "nobody", "status": "paused"})
    assert t.result("R38").verdict is Verdict.FAIL


def test_r42_accepts_what_the_chargers_booted_with() -> None:
    """Counts, filters and totals agree; a lone vendor can be asked for."""
    t, _ = running()
    t.boot("D", vendor="Wallbe", model="Eco", version="7")
    t.fleet()
    assert t.result("R42").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("version", "seen"),
    [
        ({"charger_count": 2, "charger_ids": ["A", "B"]}, "2 listed, 3 booted"),
        ({"charger_count": 2}, "charger_count 2 beside 3 charger ids"),
        ({"firmware_version": "9.9"}, "1.0.0 of ABB Terra AC: 0 listed, 3"),
        ({"charger_ids": ["A", "B", "X"]}, "C booted with 1.0.0, listed under None"),
    ],
)
def test_r42_names_the_difference(version: dict[str, Any], seen: str) -> None:
    """A wrong count, version or place is named."""
    t, _ = running()
    row = {
        "firmware_version": "1.0.0",
        "charger_count": 3,
        "vendor": "ABB",
        "model": "Terra AC",
        "release_date": None,
        "charger_ids": ["A", "B", "C"],
    } | version
    t.fleet(versions=[row], total_chargers=row["charger_count"])
    result = t.result("R42")
    assert result.verdict is Verdict.FAIL
    assert seen in result.findings[0].witness.seen


def test_r42_accuses_a_wrong_total_a_twin_and_a_wrong_vendor() -> None:
    """The total is the sum, a version is listed once, a filter filters."""
    t, _ = running()
    t.fleet(total_chargers=99)
    assert "total_chargers 99" in t.result("R42").findings[0].witness.seen
    t, _ = running()
    t.fleet("?vendor=Wallbe")
    assert "vendor Wallbe was asked for" in t.result("R42").findings[0].witness.seen
    t, _ = running()
    row = {"firmware_version": "1.0.0", "charger_count": 3, "vendor": "ABB", "model": "Terra AC"}
    t.fleet(versions=[row, row], total_chargers=6)
    assert "listed twice" in t.result("R42").findings[0].witness.seen


def test_r42_lets_a_boot_that_overlaps_count_either_way() -> None:
    """A boot whose answer is still out may or may not be listed."""
    for late in (True, False):
        t, _ = running()
        ref = t.invoke("fleet", method="GET", path="/fleet/firmware")
        versions = dict(t.versions)
        t.close("A")
        t.boot("A", version="2.0.0")
        if not late:
            versions = t.versions
        groups = sorted({v[0] for v in versions.values()})
        rows = [
            {
                "firmware_version": g,
                "charger_count": sum(v[0] == g for v in versions.values()),
                "vendor": "ABB",
                "model": "Terra AC",
                "release_date": None,
            }
            for g in groups
        ]
        t.ok("fleet", ref, {"versions": rows, "total_chargers": 3})
        assert t.result("R42").verdict is Verdict.PASS


def test_r42_filters_by_site_where_it_knows_the_sites() -> None:
    """The scenario's sites let the judge check the filter."""
    t, _ = running()
    t.history.header.scenario["sites"] = {"A": "north", "B": "south", "C": "south"}
    t.fleet("?site_id=north")
    assert t.result("R42").verdict is Verdict.FAIL


def listed(t: Any, *, extra: int, query: str = "") -> None:
    """Read the fleet list of a CSMS that knows so many chargers beside ours."""
    ref = t.invoke("fleet", method="GET", path=f"/fleet/firmware{query}")
    count = len(t.versions) + extra
    row = {"firmware_version": "1.0.0", "charger_count": count, "vendor": "ABB",
           "model": "Terra AC", "release_date": None}  # fmt: skip
    t.ok("fleet", ref, {"versions": [row], "total_chargers": count})


@pytest.mark.parametrize(
    ("target", "extras", "verdict"),
    [
        ({}, [2], Verdict.FAIL),
        ({"foreign": True}, [2, 2], Verdict.PASS),
        ({"foreign": True}, [2, 3], Verdict.FAIL),
        ({"foreign": True}, [2, -1], Verdict.FAIL),
        ({"foreign": True, "shared": True}, [2, 5], Verdict.PASS),
        ({"foreign": True, "shared": True}, [-1], Verdict.FAIL),
    ],
)
def test_r42_knows_that_a_foreign_csms_has_chargers_of_its_own(
    target: dict[str, bool], extras: list[int], verdict: Verdict
) -> None:
    """They stay as they were, unless others use the system, too; ours must be there anyway."""
    t, _ = running()
    t.history.header.target.update(target)
    for extra in extras:
        listed(t, extra=extra)
    assert t.result("R42").verdict is verdict


def test_r43_accuses_a_charger_that_was_listed_and_never_sent_anything() -> None:
    """What is listed arrives before the charger's next round trip."""
    t, r = running()
    t.execute(r, "AB", listed="ABC")
    assert t.result("R43").verdict is Verdict.PASS
    t.fence("C")
    result = t.result("R43")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].charger == "C"


def test_r43_forgives_a_command_lost_on_the_way() -> None:
    """A charger that lost its connection may have lost the command with it."""
    t, r = running()
    t.execute(r, "AB", listed="ABC")
    t.close("C")
    t.boot("C")
    assert t.result("R43").verdict is Verdict.PASS


def test_r43_accuses_a_list_that_leaves_out_or_invents() -> None:
    """Missing, foreign, repeated and older chargers are findings."""
    for listed in ("AB", "ABCZ", "ABCC"):
        t, r = running()
        t.execute(r, listed=listed)
        assert t.result("R43").verdict is Verdict.FAIL, listed
    t, r = running()
    t.execute(r, "AB")
    t.pause(r)
    t.execute(r, "C", stage=1, listed="ABC")
    assert "A, B: triggered before the call" in t.result("R43").findings[0].witness.seen


def test_r43_allows_chargers_that_follow_as_slots_free() -> None:
    """With max_in_flight a command during the call may be a follower, once a slot was freed."""
    for freed, verdict in (("failed", Verdict.PASS), ("new", Verdict.PASS), ("", Verdict.FAIL)):
        t = Tale()
        t.boot("A", "B")
        r = t.create("AB", "all_at_once", max_in_flight=1)
        ref = t.invoke("execute_stage", r)
        t.trigger(r, "A")
        if freed == "failed":
            t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
        elif freed:
            t.boot("A", version="2.0.0")  # it updated without a word
        t.trigger(r, "B")
        t.executed(r, ref, 1, ["A"])
        assert t.result("R43").verdict is verdict


@pytest.mark.parametrize("key", ["missing", "wrong"])
def test_r45_wants_401(key: str) -> None:
    """A probe without a valid key is answered 401."""
    t = Tale()
    t.fail("other", t.invoke("other", method="GET", path="/fleet/firmware", key=key), 401)
    assert t.result("R45").verdict is Verdict.PASS
    t.ok("other", t.invoke("other", method="GET", path="/fleet/firmware", key=key), {})
    assert t.result("R45").verdict is Verdict.FAIL


def test_r46_accuses_a_lost_reason() -> None:
    """The reason comes back, and a second pause keeps the first."""
    t, r = running()
    t.execute(r)
    t.pause(r, "too many failures")
    assert t.result("R46").verdict is Verdict.PASS
    t.pause(r, "again", said="too many failures")
    assert t.result("R46").verdict is Verdict.PASS
    t, r = running()
    t.execute(r)
    ref = t.invoke("pause", r, body={"reason": "why"})
    t.ok("pause", ref, {"rollout_id": r, "status": "paused", "paused_at": t.stamp()})
    assert t.result("R46").verdict is Verdict.FAIL


def test_r46_accepts_a_new_reason_after_a_resume() -> None:
    """A pause after a resume has its own reason."""
    t, r = running()
    t.execute(r, "A")
    t.pause(r, "first")
    t.execute(r, "B", stage=1)
    t.pause(r, "second")
    result = t.result("R46")
    assert (result.verdict, result.exercised) == (Verdict.PASS, 2)


def test_r46_allows_either_reason_of_overlapping_pauses() -> None:
    """Of two pauses at once either may be the first; its reason stays."""
    t, r = running()
    t.execute(r)
    one = t.invoke("pause", r, body={"reason": "one"})
    two = t.invoke("pause", r, body={"reason": "two"})
    body = {"rollout_id": r, "status": "paused", "paused_at": t.stamp(), "reason": "two"}
    t.ok("pause", one, body)
    t.ok("pause", two, body)
    t.pause(r, "three", said="two")
    assert t.result("R46").verdict is Verdict.PASS
    t.pause(r, "four", said="one")
    assert t.result("R46").verdict is Verdict.FAIL


def test_never_exercised_answers_are_inconclusive() -> None:
    """Without the requests nothing is proven."""
    t = Tale()
    for name in ("R35", "R38", "R42", "R43", "R45", "R46"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("off", "verdict"),
    [(-60, Verdict.FAIL), (-3, Verdict.PASS), (0, Verdict.PASS), (3, Verdict.PASS),
     (60, Verdict.FAIL)],
)  # fmt: skip
def test_r46_wants_the_time_of_the_pause(off: float, verdict: Verdict) -> None:
    """Neither long before the call nor after its answer; clocks may differ by some seconds."""
    t = Tale(started_at="2026-01-01T00:00:00Z")
    t.boot("A")
    r = t.create("A")
    t.wait(100)
    t.execute(r)
    t.wait(100)
    ref = t.invoke("pause", r, body={"reason": "why"})
    t.now += off
    stamp = t.stamp()
    t.now -= off
    t.ok("pause", ref, {"rollout_id": r, "status": "paused", "paused_at": stamp, "reason": "why"})
    assert t.result("R46").verdict is verdict
