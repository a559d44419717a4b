"""Rarer circumstances: sound scenarios, each of which changes something, and nobody accused."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from harness import generate
from harness.circumstances import COHORT, CREATE, FAILURES, TOGETHER, strain
from harness.explore import try_one
from simulator.scenario import built, dump, load

MANY = 300


def test_every_one_is_a_scenario_that_a_file_can_hold() -> None:
    """What search writes down for a find must load again."""
    for number in range(60):
        scenario = built(generate.rare(number))
        assert load(dump(scenario)) == scenario


def test_the_same_number_is_the_same_drill() -> None:
    """In rarer circumstances as well; and it is the drill of that number in no other way."""
    assert generate.rare(7) == generate.rare(7)
    plain, strained = generate.fields(7), generate.rare(7)
    assert plain != strained
    assert [c["count"] for c in plain["fleet"]] == [c["count"] for c in strained["fleet"]]
    assert [c["ocpp"] for c in plain["fleet"]] == [c["ocpp"] for c in strained["fleet"]]


def test_every_row_of_the_tables_is_drawn() -> None:
    """None is so rare, or so overwritten, that it never comes."""
    seen: Counter[Any] = Counter()
    for number in range(MANY):
        out = generate.rare(number)
        for cohort in out["fleet"]:
            parts = {(section, name) for section, name in COHORT if name in _part(cohort, section)}
            seen.update(parts)
            seen.update(s for s, all_of in FAILURES.items() if _failure(cohort, s) in all_of)
        seen.update(name for step in out["operator"] if "create" in step for name in step["create"])
    assert {*COHORT, *FAILURES, *CREATE} <= seen.keys()


def _part(cohort: dict[str, Any], section: str) -> dict[str, Any]:
    part: dict[str, Any] = cohort.get(section, {}) if section else cohort
    return part


def _failure(cohort: dict[str, Any], section: str) -> dict[str, Any]:
    return {k: v for k, v in _part(cohort, section).get("fail", [{}])[0].items() if k != "p"}


@pytest.mark.parametrize("row", [*COHORT, *((section, "fail") for section in FAILURES)])
def test_every_choice_of_a_row_is_sound(row: tuple[str, str]) -> None:
    """Alone, in a scenario that says nothing else."""
    section, name = row
    for choice in COHORT.get(row) or [[{"p": "50 %", **one}] for one in FAILURES[section]]:
        cohort: dict[str, Any] = {"cohort": "c", "count": 2}
        (cohort.setdefault(section, {}) if section else cohort)[name] = choice
        create = {"create": {"strategy": "all_at_once"}}
        fields = {"version": 1, "name": "x", "seed": 1, "fleet": [cohort],
                  "firmware": {"version": "2.0.0", "size": "100 kB"},
                  "operator": [create, "execute_stage"]}  # fmt: skip
        built(fields)


def test_nonsense_stays_nonsense() -> None:
    """A create that must be refused is refused for what it was written for."""
    nonsense = {"create": {"strategy": "canary", "canary_count": 0, "refused": True}}
    for number in range(50):
        out: dict[str, Any] = {"fleet": [], "operator": [dict(nonsense)], "heal": {}}
        strain(random.Random(number), out)
        assert out["operator"] == [nonsense]


@pytest.mark.slow
def test_nobody_is_accused_in_rarer_circumstances() -> None:
    """Of our CSMS and our chargers, in a hundred drills; a mutant still is."""
    outcomes = [try_one(number, rare=True) for number in range(100)]
    assert [(o.number, o.failures, o.error) for o in outcomes if o.failures or o.error] == []
    assert len({one for o in outcomes for one in o.exercised}) > 70
    found = [try_one(number, "pause_ignored", rare=True).failures for number in range(40)]
    assert {one.requirement for failures in found for one in failures} & {"R18", "R19"}
    assert all(one.rare for failures in found for one in failures)


@pytest.mark.parametrize("fields", TOGETHER)
def test_what_belongs_together_is_drawn_together(fields: dict[str, Any]) -> None:
    """Some rare drill has all of it, in every create and every cohort."""
    for number in range(400):
        out = generate.rare(number)
        creates = [step["create"] for step in out["operator"] if "create" in step]
        sound = [create for create in creates if create.get("refused") is not True]
        parts = {"create": sound} | {
            name: [cohort.get(name, {}) for cohort in out["fleet"]] for name in fields
            if name != "create"
        }  # fmt: skip
        if all(part.items() >= values.items() for name, values in fields.items()
               for part in parts[name]):  # fmt: skip
            built(out)
            return
    pytest.fail(f"never drawn: {fields}")
