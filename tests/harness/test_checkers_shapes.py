"""R44: every published field of every body, missing, of another type, or saying another thing."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Grade, Verdict
from tests.harness.tell import Tale, good_canary

PASS, FAIL = Verdict.PASS, Verdict.FAIL

BODIES = {
    "create": ("rollout_id", "strategy", "firmware_url", "status", "stages", "created_at",
               "total_chargers"),
    "read": ("rollout_id", "strategy", "firmware_url", "status", "stages", "created_at",
             "updated_at"),
    "execute_stage": ("rollout_id", "executed_stage", "status", "chargers_triggered",
                      "triggered_at"),
    "pause": ("rollout_id", "status", "paused_at"),
    "fleet": ("versions", "total_chargers"),
}  # fmt: skip
NUMBERS = {"total_chargers", "executed_stage"}


def reshaped(name: str, change: Any) -> Any:
    """Judge the shapes of the good canary after changing the last answer to one operation."""
    told = good_canary()
    event = [e for e in told.history.events if e.kind == "ok" and e.name == name][-1]
    change(event.data["body"])
    return told.result("R44")


@pytest.mark.parametrize(("name", "field"), [(n, f) for n in BODIES for f in BODIES[n]])
def test_r44_wants_every_published_field(name: str, field: str) -> None:
    """A field that is missing, or of another type, is named."""
    for value in (None, "", -1 if field in NUMBERS else 7, True):
        result = reshaped(name, lambda body, value=value: body.update({field: value}))
        assert result.verdict is FAIL, value
        assert f"{name}: {field} is {value!r}" == result.findings[0].witness.seen
    result = reshaped(name, lambda body: body.pop(field))
    assert f"{name}: {field} is missing" == result.findings[0].witness.seen


@pytest.mark.parametrize(
    ("name", "change", "seen"),
    [
        ("read", {"current_stage": "1"}, "current_stage is '1'"),
        ("read", {"current_stage": -1}, "current_stage is -1"),
        ("read", {"rollout_id": "r"}, "rollout_id is 'r', asked for 'rollout_1'"),
        ("read", {"stages": [1]}, "stages is [1]"),
        ("pause", {"reason": 1}, "reason is 1"),
        ("pause", {"status": "pending"}, "status is 'pending' after a pause"),
        ("create", {"strategy": "rolling"}, "strategy is 'rolling', asked for 'canary'"),
        ("create", {"firmware_url": "x"}, "firmware_url is 'x', asked for 'https"),
        ("create", {"status": "paused"}, "a new rollout is 'paused'"),
        ("execute_stage", {"chargers_triggered": [1]}, "chargers_triggered is [1]"),
        ("fleet", {"versions": [{}]}, "versions[0].firmware_version is missing"),
    ],
)
def test_r44_names_what_does_not_fit(name: str, change: dict[str, Any], seen: str) -> None:
    """What is wrong is said where it is."""
    result = reshaped(name, lambda body: body.update(change))
    assert result.verdict is FAIL
    assert result.findings[0].witness.seen.startswith(f"{name}: {seen}")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("read", {"current_stage": None}), ("pause", {"reason": None}),
        ("pause", {"status": "completed"}), ("pause", {"status": "failed"}),
        ("fleet", {"more": 1}), ("execute_stage", {"chargers_triggered": []}),
    ],
)  # fmt: skip
def test_r44_allows_what_was_left_open(name: str, change: dict[str, Any]) -> None:
    """Optional fields may be null, further ones may be there."""
    assert reshaped(name, lambda body: body.update(change)).verdict is PASS


STAGE = ("stages", 1)
ROW = (*STAGE, "chargers", 0)


@pytest.mark.parametrize(
    ("path", "value", "seen"),
    [
        ((*STAGE, "stage"), 3, "stages[1].stage is 3"),
        ((*STAGE, "stage"), -1, "stages[1].stage is -1"),
        ((*STAGE, "label"), "Rest", "stages[1].label is 'Rest' instead of 'Rollout'"),
        ((*STAGE, "label"), "", "stages[1].label is ''"),
        ((*STAGE, "status"), None, "stages[1].status is None"),
        ((*STAGE, "chargers"), {}, "stages[1].chargers is {}"),
        ((*ROW, "charge_point_id"), "", "stages[1].chargers[''].charge_point_id is ''"),
        ((*ROW, "status"), "done", "stages[1].chargers['B'].status is 'done'"),
        ((*ROW, "progress_percent"), "9", "stages[1].chargers['B'].progress_percent is '9'"),
        ((*ROW, "started_at"), "noon", "stages[1].chargers['B'].started_at is 'noon'"),
        ((*ROW, "completed_at"), 5, "stages[1].chargers['B'].completed_at is 5"),
    ],
)
def test_r44_looks_into_stages_and_rows(path: tuple[Any, ...], value: Any, seen: str) -> None:
    """Each field of each stage and charger of a read."""

    def change(body: dict[str, Any]) -> None:
        target: Any = body
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    result = reshaped("read", change)
    assert result.verdict is FAIL
    assert result.findings[0].witness.seen == f"read: {seen}"


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"status": "pending"}, PASS),
        ({"status": "failed"}, PASS),
        ({"status": "failed", "started_at": None}, FAIL),
        ({"status": "installed"}, FAIL),
    ],
)
def test_r44_knows_when_a_row_may_be_short(row: dict[str, Any], verdict: Verdict) -> None:
    """Who was never started, or failed without a start, shows no progress."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    stage = {"stage": 1, "label": "All", "status": "pending"}
    t.read(r, stages=[stage | {"chargers": [{"charge_point_id": "A"} | row]}])
    assert t.result("R44").verdict is verdict


@pytest.mark.parametrize(
    ("strategy", "label", "grade"),
    [("all_at_once", "Everyone", Grade.DIFFERS), ("rolling", "Part 1", Grade.DIFFERS),
     ("canary", "Birds", Grade.VIOLATES)],
)  # fmt: skip
def test_r44_tells_published_labels_from_usual_ones(
    strategy: str, label: str, grade: Grade
) -> None:
    """Canary and Rollout are published; the others are the profile's (D33)."""
    t = Tale()
    t.boot("A")
    t.create("A", strategy)
    t.history.events[-1].data["body"]["stages"][0]["label"] = label
    (finding,) = t.result("R44").findings
    assert finding.grade is grade


@pytest.mark.parametrize(
    ("field", "value"), [("label", None), ("status", 1), ("stage", "2"), ("charger_ids", "B")]
)
def test_r44_looks_into_the_stages_of_a_create(field: str, value: Any) -> None:
    """Each field of each stage of a new rollout."""
    result = reshaped("create", lambda body: body["stages"][1].update({field: value}))
    assert result.verdict is FAIL
    assert result.findings[0].witness.seen == f"create: stages[1].{field} is {value!r}"
