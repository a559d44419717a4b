"""R01-R06 and R44: plans, their shapes and the inertness of create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.verdict import Grade, Verdict
from tests.harness.tell import Tale, good_canary

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_good_rollout_passes_everything_that_it_exercises() -> None:
    """The judge accuses nobody of a canary rollout with a pause and a resume."""
    judged = good_canary().judged()
    assert [r for r in judged.results if r.findings] == []
    assert judged.verdict is Verdict.PASS
    assert not judged.unexercised(
        ("R01", "R02", "R04", "R07", "R08", "R09", "R10", "R13", "R14", "R18", "R19", "R20")
    )
    assert not judged.unexercised(("R23", "R29", "R32", "R42", "R43", "R44", "R46", "C01", "C05"))


def test_an_empty_history_is_inconclusive() -> None:
    """Nothing that was never exercised passes."""
    judged = Tale().judged()
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert {r.verdict for r in judged.results} == {Verdict.INCONCLUSIVE}
    assert all(r.note for r in judged.results)


@pytest.mark.parametrize(
    ("stages", "seen"),
    [
        ([["A"], ["B", "C", "A"]], "more than one place: A"),
        ([["A"], ["B"]], "missing: C"),
        ([["A"], ["B", "C", "X"]], "never asked for: X"),
        ([["A"], ["B", "C"], []], "an empty stage"),
        ([], "no stages"),
    ],
)
def test_r01_names_what_the_plan_lost_or_invented(stages: list[list[str]], seen: str) -> None:
    """Conservation fails with the chargers that are wrong."""
    t = Tale()
    t.create("ABC", stages=stages)
    result = t.result("R01")
    assert result.verdict is Verdict.FAIL
    assert seen in result.findings[0].witness.seen
    assert result.findings[0].grade is Grade.VIOLATES


def test_r01_sees_a_charger_change_its_stage() -> None:
    """Membership is compared between create and every read."""
    t = Tale()
    r = t.create("ABCD", canary_count=2)
    t.read(r)
    assert t.result("R01").verdict is Verdict.PASS
    t.plans[r]["stages"][0]["charger_ids"] = ["A"]
    t.plans[r]["stages"][1]["charger_ids"] = ["B", "C", "D"]
    t.read(r)
    assert "changed its stage: B" in t.result("R01").findings[0].witness.seen


def test_r01_accepts_duplicates_that_were_asked_for_once_kept() -> None:
    """A request that names a charger twice makes a plan that names it once."""
    t = Tale()
    t.create("ABBA", "all_at_once")
    assert t.result("R01").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("strategy", "fields", "stages", "grade"),
    [
        ("canary", {}, [["A", "B"], ["C", "D", "E"]], Grade.VIOLATES),
        ("canary", {"canary_count": 2}, [["A"], ["B", "C", "D", "E"]], Grade.VIOLATES),
        ("rolling", {"batch_size": 2}, [["A"], ["B", "C"], ["D", "E"]], Grade.VIOLATES),
        ("rolling", {}, [["A", "B"], ["C", "D"], ["E"]], Grade.DIFFERS),
        ("all_at_once", {}, [["A"], ["B", "C", "D", "E"]], Grade.VIOLATES),
    ],
)
def test_r02_fails_on_wrong_sizes(
    strategy: str, fields: dict[str, Any], stages: list[list[str]], grade: Grade
) -> None:
    """Sizes follow strategy, batch_size and canary_count; rounding is the profile's."""
    t = Tale()
    t.create("ABCDE", strategy, stages=stages, **fields)
    result = t.result("R02")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].grade is grade


def test_r02_leaves_open_switches_alone() -> None:
    """A target that rounds 10 % its own way is not accused once its profile says so."""
    t = Tale(profile={"D16": "any"})
    t.create("ABCDE", "rolling", stages=[["A", "B"], ["C", "D"], ["E"]])
    assert t.result("R02").findings == ()


def test_r03_names_the_first_charger_out_of_order() -> None:
    """The operator's order is kept."""
    t = Tale()
    t.create("ABC", stages=[["B"], ["A", "C"]])
    result = t.result("R03")
    assert result.verdict is Verdict.FAIL
    assert "charger 1 of the plan is A" in result.findings[0].witness.expected
    t = Tale(profile={"D17": "any"})
    t.create("ABC", stages=[["B"], ["A", "C"]])
    assert t.result("R03").verdict is Verdict.NOT_APPLICABLE


def test_r04_accuses_a_trigger_after_create_alone() -> None:
    """Create triggers nothing."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB")
    t.trigger(r, "A")
    t.execute(r, [])
    result = t.result("R04")
    assert result.verdict is Verdict.FAIL
    assert [s.source for s in result.findings[0].witness.steps] == ["operator", "charger:A"]


def test_r05_accuses_a_refused_create_that_acts() -> None:
    """A refused create has no effect, and a later one with the same url is a new one."""
    t = Tale()
    t.boot("A")
    url = "https://firmware.example/x.bin"
    ref = t.invoke("create", body={"charger_ids": ["A"], "firmware_url": url, "strategy": "oops"})
    t.fail("create", ref, 422)
    assert t.result("R05").verdict is Verdict.PASS
    body = {"location": url, "retrieveDate": t.stamp()}
    t.call("A", "UpdateFirmware", body, by="csms")
    assert t.result("R05").verdict is Verdict.FAIL
    assert t.result("R04").verdict is not Verdict.FAIL


def test_r06_accuses_an_id_that_is_given_twice() -> None:
    """Two creates without a key are two rollouts; one key is one."""
    t = Tale()
    t.create("A")
    t.create("B")
    assert t.result("R06").verdict is Verdict.PASS
    t.create("C", body={"rollout_id": "rollout_1"})
    assert t.result("R06").verdict is Verdict.FAIL


@pytest.mark.parametrize(("second", "verdict"), [("rollout_1", Verdict.PASS), ("r2", Verdict.FAIL)])
def test_r06_knows_idempotency_keys(second: str, verdict: Verdict) -> None:
    """A repeated key gives the same rollout, and is no second create."""
    t = Tale()
    url = "https://firmware.example/x.bin"
    body = {"charger_ids": ["A"], "firmware_url": url, "strategy": "canary"}
    for rollout in ("rollout_1", second):
        ref = t.invoke("create", body=body, headers={"Idempotency-Key": "k"})
        t.ok("create", ref, {"rollout_id": rollout, "status": "pending"}, 201)
    assert t.result("R06").verdict is verdict
    assert t.result("R27").findings == ()


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.pop(name)


def _with(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.update({name: value})


@pytest.mark.parametrize(
    "spoil",
    [
        _without("current_stage"),
        _without("updated_at"),
        _without("stages"),
        _with("status", "running"),
        _with("created_at", "yesterday"),
        _with("rollout_id", "another"),
        _with("strategy", 1),
    ],
)
def test_r44_names_the_field_of_a_read(spoil: Callable[[dict[str, Any]], None]) -> None:
    """A missing or wrong field of GET is a finding, except those that may be missing."""
    t = Tale()
    r = t.create("AB")
    body = t.body(r)
    spoil(body)
    t.ok("read", t.invoke("read", r), body)
    optional = "current_stage" not in body
    assert t.result("R44").verdict is (Verdict.PASS if optional else Verdict.FAIL)


def test_r44_checks_the_rows_of_started_chargers() -> None:
    """A charger that was started carries progress and times."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB")
    t.execute(r)
    t.read(r)
    assert t.result("R44").verdict is Verdict.PASS
    del t.state[r]["A"]["progress_percent"]
    t.read(r)
    result = t.result("R44")
    assert "chargers['A'].progress_percent is missing" in result.findings[0].witness.seen


@pytest.mark.parametrize(
    ("name", "body", "verdict"),
    [
        ("create", {"status": "in_progress"}, Verdict.FAIL),
        ("create", {"firmware_url": "https://other.example/"}, Verdict.FAIL),
        ("create", {"extra": 1}, Verdict.PASS),
    ],
)
def test_r44_compares_a_create_with_its_request(
    name: str, body: dict[str, Any], verdict: Verdict
) -> None:
    """Create echoes what was asked; unknown extra fields are allowed."""
    t = Tale()
    assert name == "create"
    t.create("AB", body=body)
    assert t.result("R44").verdict is verdict


def test_r44_checks_canary_labels() -> None:
    """The published labels are Canary and Rollout."""
    t = Tale()
    r = t.create("AB")
    t.plans[r]["stages"][1]["label"] = "Rest"
    t.read(r)
    assert "'Rest' instead of 'Rollout'" in t.result("R44").findings[0].witness.seen
