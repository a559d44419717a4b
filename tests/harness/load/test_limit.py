"""The search for the limit, and two runs compared: on made-up systems, without any load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import TargetError, UsageError
from harness.load import compare
from harness.load.document import checked, schema
from harness.load.limit import Limit, Probe, in_words, search


@given(st.floats(60.0, 9_000.0), st.sampled_from([0.05, 0.1, 0.3]))
def test_the_knee_is_found_as_near_as_asked(truth: float, within: float) -> None:
    """A system that breaks above a level has its knee there."""
    limit = search(lambda n: Probe(n, n <= truth, "slow"), 50.0, 10_000.0, within=within)
    assert limit.held is not None
    assert limit.broke is not None
    assert limit.held <= truth < limit.broke
    assert limit.broke / limit.held <= 1.0 + within
    assert limit.knee == pytest.approx(truth, rel=within)
    assert len(limit.probes) <= 40


@given(st.integers(1, 5_000))
def test_whole_levels_are_tried_as_whole_numbers(truth: int) -> None:
    """Nobody starts half a charger, and the search still ends."""
    limit = search(lambda n: Probe(n, n <= truth), 1.0, 10_000.0, within=0.01, whole=True)
    assert all(probe.level == int(probe.level) for probe in limit.probes)
    assert limit.held is not None
    assert limit.held <= truth < (limit.broke or 0)


def test_one_bad_moment_is_no_limit() -> None:
    """A level that breaks is tried again before it counts."""
    seen: list[float] = []

    def attempt(level: float) -> Probe:
        seen.append(level)
        return Probe(level, not (level == 200.0 and seen.count(200.0) == 1), "a hiccup")

    limit = search(attempt, 100.0, 400.0)
    assert limit.broke is None
    assert limit.held == 400.0
    assert "no limit found" in in_words(limit, "chargers")


def test_a_system_that_breaks_at_once_has_no_knee() -> None:
    """Then the lowest level and its reason are all there is to tell."""
    limit = search(lambda n: Probe(n, held=False, reason="p99"), 100.0, 400.0)
    assert limit.knee is None
    assert in_words(limit, "chargers") == "already 100 chargers are too many: p99"


def test_what_was_found_is_kept_when_a_level_cannot_be_tried() -> None:
    """A search takes long, and ends in the middle when the target goes away."""
    found = Limit()

    def attempt(level: float) -> Probe:
        if level > 150.0:
            raise TargetError("gone")
        return Probe(level, held=True)

    with pytest.raises(TargetError):
        search(attempt, 100.0, 400.0, limit=found)
    assert (found.held, found.broke, len(found.probes)) == (100.0, None, 1)


def record(p95: float, count: int = 100, errors: int = 0) -> dict[str, Any]:
    """Return the part of a load.json that a comparison reads."""
    row = {"type": "REST", "name": "read", "count": count, "errors": errors, "mean": p95,
           "p50": p95, "p95": p95, "p99": p95, "longest": p95}  # fmt: skip
    return {"format": "firmdrill-load/1", "latencies": [row], "verdict": "PASS", "duration": 1.0,
            "chargers": {"asked": 1, "booted": 1}, "ocpp_calls": 1,
            "scenario": {"name": "x"}}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "slow"),
    [
        (record(100.0), record(110.0), False),
        (record(100.0), record(150.0), True),
        (record(100.0, count=5), record(150.0, count=5), False),  # chance
        (record(0.1), record(0.9), False),  # nobody's business
        (record(100.0), record(100.0, errors=40), True),
    ],
)
def test_slower_is_what_matters_and_is_no_chance(
    before: dict[str, Any], after: dict[str, Any], slow: bool
) -> None:
    """A quarter more at p95 or p99, with samples enough and more than a millisecond; or errors."""
    assert bool(compare.slower(compare.rows(before, after), 0.25)) is slow
    assert any("REST: read" in text for text in compare.lines(before, after, compare.rows(
        before, after)))  # fmt: skip


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (
            {"format": "firmdrill-run/1"},
            "is not a load.json of format firmdrill-load/1: it says 'f",
        ),
        ([], "is not a load.json of format firmdrill-load/1: it says 'list'"),
        ({"format": "firmdrill-load/1"}, "is a damaged load.json: .*passed"),
    ],
)
def test_only_load_reports_are_compared(said: object, wrong: str) -> None:
    """Another JSON file is refused by what it says it is, a damaged one by what is wrong."""
    with pytest.raises(UsageError, match=f"a.json {wrong}"):
        checked(said, "a.json")


def test_the_committed_schema_of_load_json_is_current() -> None:
    """docs/load.schema.json is what `schema()` returns; its module tells how to refresh it."""
    committed = Path(__file__).parents[3] / "docs" / "load.schema.json"
    assert json.loads(committed.read_text(encoding="utf-8")) == schema()
