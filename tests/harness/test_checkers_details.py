"""What the judge's sentences hang on: each half of a condition, each entry of a table."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checkers.ending import wrong_end
from harness.verdict import Grade, Verdict
from tests.harness.tell import Tale, booted

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def created(request: Any, status: int = 201, **header: Any) -> Tale:
    """A create with this body, answered like this."""
    t = booted("A", "B", **header)
    ref = t.invoke("create", body=request)
    t.event("operator", "ok" if status < 300 else "fail", "create", ref, status=status, body={})
    return t


SENSE = {"charger_ids": ["A", "B"], "firmware_url": "https://x/y", "strategy": "canary"}


@pytest.mark.parametrize(
    ("change", "said", "switch"),
    [
        ({"charger_ids": []}, "no chargers", "D14"),
        ({"charger_ids": None}, "no chargers", "D14"),
        ({"charger_ids": "AB"}, "no chargers", "D14"),
        ({"charger_ids": ["A", "A"]}, "a charger named twice", "D14"),
        ({"strategy": "at random"}, "the strategy 'at random'", "D14"),
        ({"strategy": None}, "the strategy 'None'", "D14"),
        ({"canary_count": 0}, "canary_count 0", "D15"),
        ({"canary_count": -1}, "canary_count -1", "D15"),
        ({"canary_count": True}, "canary_count True", "D15"),
        ({"canary_count": 1.5}, "canary_count 1.5", "D15"),
        ({"batch_size": 1}, "batch_size beside the strategy canary", "D15"),
        ({"strategy": "rolling", "batch_size": 0}, "batch_size 0", "D15"),
        ({"strategy": "rolling", "canary_count": 1}, "canary_count beside the strategy", "D15"),
        ({"strategy": "all_at_once", "batch_size": 1}, "batch_size beside the strategy", "D15"),
    ],
)
def test_r38_names_what_makes_no_sense(change: dict[str, Any], said: str, switch: str) -> None:
    """A create that makes no sense is refused; each kind hangs on its decision."""
    result = created(SENSE | change).result("R38")
    assert result.verdict is FAIL
    assert said in result.findings[0].witness.seen
    assert created(SENSE | change, 422).result("R38").verdict is PASS
    assert created(SENSE | change, profile={switch: "any"}).result("R38").verdict is PASS


@pytest.mark.parametrize(
    "change",
    [
        {}, {"canary_count": 1}, {"canary_count": None, "batch_size": None},
        {"strategy": "rolling", "batch_size": 1}, {"strategy": "all_at_once"},
    ],
)  # fmt: skip
def test_r38_lets_sense_pass(change: dict[str, Any]) -> None:
    """A create that makes sense may be answered 201."""
    assert created(SENSE | change).result("R38").verdict is PASS


@pytest.mark.parametrize(
    ("status", "verdict"), [(499, PASS), (500, FAIL), (404, FAIL), (400, PASS), (409, PASS)]
)
def test_r38_reads_the_codes_of_a_create(status: int, verdict: Verdict) -> None:
    """5xx is never right, and create exists."""
    assert created(SENSE, status).result("R38").verdict is verdict


@pytest.mark.parametrize(
    ("name", "status", "verdict"),
    [
        ("read", 404, FAIL), ("read", 409, FAIL), ("read", 422, PASS), ("pause", 404, FAIL),
        ("pause", 409, PASS), ("execute_stage", 404, FAIL), ("execute_stage", 409, PASS),
    ],
)  # fmt: skip
def test_r38_wants_known_rollouts_found(name: str, status: int, verdict: Verdict) -> None:
    """404 for a known rollout is wrong, and reading is no conflict."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.refuse(r, name, status)
    assert t.result("R38").verdict is verdict


# ---------------------------------------------------------------------- how a rollout ends


def shown(status: str, *stages: str, current: Any = None, **more: Any) -> dict[str, Any]:
    """A body whose stages are words of i(nstalled), f(ailed), d(ownloading), p(ending)."""
    names = {"i": "installed", "f": "failed", "d": "downloading", "p": "pending"}
    rows = [{"chargers": [{"status": names[c]} for c in stage]} for stage in stages]
    return {"status": status, "stages": rows, "current_stage": current, **more}


@pytest.mark.parametrize(
    ("body", "request_", "seen"),
    [
        (shown("in_progress"), {}, ""),
        (shown("in_progress", "ff"), {"strategy": "canary"}, "nobody succeeded"),
        (shown("in_progress", "f", "p"), {"strategy": "canary"}, "nobody of the canary"),
        (shown("in_progress", "f", "p", strategy="canary"), {}, "nobody of the canary"),
        (shown("in_progress", "f", "p"), {"strategy": "rolling"}, ""),
        (shown("pending", "f", "p"), {"strategy": "canary"}, ""),
        (shown("failed", "f", "p"), {"strategy": "canary"}, ""),
        (shown("failed", "ff"), {}, ""),
        (shown("failed", "fi"), {}, "failed although 1 of 2"),
        (shown("failed", "fi"), {"failure_threshold": 0.5}, "failed although 1 of 2"),
        (shown("failed", "fi"), {"failure_threshold": 0.4}, ""),
        (shown("failed", "ii", "fi"), {"failure_threshold": 0.4}, ""),
        (shown("failed", "ii", "ff"), {"failure_threshold": 0.9}, ""),
        (shown("in_progress", "fi", "p", current=1), {"failure_threshold": 0.5}, ""),
        (shown("in_progress", "fi", "p", current=1), {"failure_threshold": 0.4}, "more than 0.4"),
        (shown("in_progress", "fd", "p", current=1), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current=0), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current=-1), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "fi", current=2), {"failure_threshold": 0.4}, "more than"),
        (shown("in_progress", "fi", "fi", current=3), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current="1"), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current=1), {"failure_threshold": "0"}, ""),
        (shown("in_progress", "iiii", "fi", current=2), {"failure_threshold": 0.4}, ""),
        (shown("completed", "id"), {}, "completed while 1 charger(s)"),
        (shown("completed", "fd"), {}, "completed although no charger"),
        (shown("completed", "fi"), {}, ""),
    ],
)
def test_r33_works_out_how_a_rollout_ends(
    body: dict[str, Any], request_: dict[str, Any], seen: str
) -> None:
    """Each rule, and each reason for which it does not apply."""
    said, _ = wrong_end(body, request_)
    assert (seen in said) if seen else said == ""


# ---------------------------------------------------------------------- the plan


def planned(stages: list[list[str]], asked: str = "ABC", **body: Any) -> Any:
    """Judge a create with these stages."""
    t = booted(*asked)
    t.create(asked, "rolling", stages=stages, batch_size=1, body=body)
    return t.result("R01")


@pytest.mark.parametrize(
    ("stages", "body", "seen"),
    [
        (
            [],
            {"total_chargers": 3},
            "no stages at all; missing: A, B, C; total_chargers 3 beside 0",
        ),
        ([["A"], [], ["B", "C"]], {}, "an empty stage"),
        ([["A"], ["A", "B", "C"]], {}, "in more than one place: A"),
        ([["A"], ["B"]], {}, "missing: C"),
        ([["A", "Z"], ["B", "C"]], {}, "never asked for: Z"),
        ([["A"], ["B", "C"]], {"total_chargers": 4}, "total_chargers 4 beside 3 chargers listed"),
    ],
)
def test_r01_says_what_is_not_conserved(stages: Any, body: dict[str, Any], seen: str) -> None:
    """Each way to lose or win chargers."""
    result = planned(stages, **body)
    assert result.verdict is FAIL
    assert seen in result.findings[0].witness.seen


def test_r01_counts_those_that_it_does_not_name() -> None:
    """Five are named, the others counted."""
    five, six = "ABCDE", "ABCDEF"
    assert "missing: B, C, D, E, F" in planned([["A"]], six).findings[0].witness.seen
    assert "more" not in planned([["A"]], six).findings[0].witness.seen
    assert (
        planned([["G"]], six)
        .findings[0]
        .witness.seen.startswith("missing: A, B, C, D, E and 1 more; never asked for: G")
    )
    assert planned([list(five)], five).verdict is PASS


def test_r01_sees_a_charger_move() -> None:
    """The stage of a charger is the one of the create."""
    t = booted("A", "B")
    r = t.create("AB", "rolling", batch_size=1)
    t.plans[r]["stages"][0]["charger_ids"], t.plans[r]["stages"][1]["charger_ids"] = ["B"], ["A"]
    t.read(r)
    assert t.result("R01").findings[0].witness.seen == "changed its stage: B, A"


@pytest.mark.parametrize(
    ("strategy", "fields", "total", "stages", "grade"),
    [
        ("rolling", {}, 20, [20], Grade.VIOLATES),
        ("rolling", {}, 11, [11], Grade.DIFFERS),
        ("rolling", {"batch_size": 2}, 11, [11], Grade.VIOLATES),
        ("rolling", {"batch_size": 5}, 4, [2, 2], Grade.DIFFERS),
        ("rolling", {"batch_size": 4}, 4, [2, 2], Grade.VIOLATES),
        ("canary", {"canary_count": 3}, 4, [2, 2], Grade.VIOLATES),
        ("canary", {"canary_count": 4}, 4, [2, 2], Grade.DIFFERS),
        ("canary", {"canary_count": 5}, 4, [2, 2], Grade.DIFFERS),
        ("canary", {}, 11, [2, 9], Grade.VIOLATES),
        ("canary", {}, 1, [0], Grade.VIOLATES),
        ("all_at_once", {}, 11, [1, 10], Grade.VIOLATES),
    ],
)
def test_r02_tells_what_is_published_from_what_is_rounded(
    strategy: str, fields: dict[str, Any], total: int, stages: list[int], grade: Grade
) -> None:
    """Default batches that do not divide, and counts beyond the fleet, are the profile's."""
    ids = [f"C{n:02}" for n in range(total)]
    t = booted(*ids)
    parts, at = [], 0
    for size in stages:
        parts.append(ids[at : at + size])
        at += size
    t.create(ids, strategy, stages=parts, **fields)
    (finding,) = t.result("R02").findings
    assert finding.grade is grade


@pytest.mark.parametrize(("order", "verdict"), [("AB", PASS), ("BA", FAIL)])
def test_r03_compares_two(order: str, verdict: Verdict) -> None:
    """Two are enough for an order, one is not."""
    t = booted("A", "B")
    t.create("AB", "all_at_once", stages=[list(order)])
    result = t.result("R03")
    assert result.verdict is verdict
    if verdict is FAIL:
        assert result.findings[0].witness.seen == "B in its place"
        assert result.findings[0].witness.expected.startswith("charger 1 of the plan is A")
    t = booted("A")
    t.create("A", "all_at_once")
    assert t.result("R03").verdict is INCONCLUSIVE


def test_r04_leaves_refused_creates_to_r05() -> None:
    """A command for a url that was refused is R05's, for one that was created R04's."""
    for refused in (True, False):
        t = booted("A")
        if refused:
            r = "rollout_1"
            t.plans[r] = {"firmware_url": "https://x/y"}
            t.state[r] = {"A": {"charge_point_id": "A"}}
            body = {"charger_ids": ["A"], "firmware_url": "https://x/y", "strategy": "canary"}
            t.fail("create", t.invoke("create", body=body), 422)
        else:
            r = t.create("A")
        t.trigger(r, "A")
        assert (t.result("R04").verdict is FAIL) is not refused
        assert (t.result("R05").verdict is FAIL) is refused
