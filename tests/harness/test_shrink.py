"""Shrinking: smaller, still failing, and never a different failure."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness import generate
from harness.shrink import shrink, size
from simulator.scenario import load


def chargers(fields: dict[str, Any]) -> int:
    """Count the chargers."""
    return sum(cohort["count"] for cohort in fields["fleet"])


def test_everything_that_does_not_matter_goes() -> None:
    """A failure that needs three chargers and a pause keeps those and no more."""
    fields = next(
        drawn
        for drawn in map(generate.fields, range(200))
        if chargers(drawn) > 10 and "pause" in json.dumps(drawn["operator"])
    )

    def fails(candidate: dict[str, Any]) -> bool:
        return chargers(candidate) >= 3 and "pause" in json.dumps(candidate["operator"])

    small, tried = shrink(fields, fails)
    assert chargers(small) == 3
    assert len(small["operator"]) == 1
    assert size(small) < size(fields)
    assert 0 < tried <= 400
    assert set(small["fleet"][0]) == {"cohort", "count"}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_what_comes_out_still_fails_and_is_no_larger(number: int, least: int) -> None:
    """And it is the same whenever it is done again."""
    fields = generate.fields(number)
    before = json.dumps(fields)

    def fails(candidate: dict[str, Any]) -> bool:
        return chargers(candidate) + len(candidate["operator"]) >= least

    if not fails(fields):
        return
    small, _ = shrink(fields, fails, attempts=150)
    assert fails(small)
    assert size(small) <= size(fields)
    assert shrink(generate.fields(number), fails, attempts=150)[0] == small
    assert json.dumps(fields) == before  # what was given is not changed


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100_000))
def test_every_drawn_drill_is_a_valid_scenario(number: int) -> None:
    """The same number gives the same drill, of a size that searches can afford."""
    scenario = generate.scenario(number)
    assert scenario == load(json.dumps(generate.fields(number)))
    assert 1 <= len(scenario.chargers()) <= 19
    assert scenario.operator[0].do == "create"
