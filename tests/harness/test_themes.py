"""Themes: each puts its question to a CSMS, and only who answers wrongly is accused."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from harness import generate, themes
from harness.mutants.csms import mutated
from harness.rehearsal import rehearse
from harness.verdict import Verdict
from simulator.scenario import built, dump, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.themes import Theme

QUESTIONS = {
    "who_is_done_is_free_at_once": "R17",
    "threshold_is_met_not_exceeded": "R33",
    "factory_version_is_what_ran_before": "R14",
    "crash_counts_requests_anew": "W06",
}
"""Who answers wrongly what chance alone hardly ever asks, and what it breaks."""

ASKED = dict(zip(QUESTIONS, (*themes.THEMES, themes.THEMES[-1]), strict=True))


def plays(theme: Theme, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Return drawn drills that are about this theme."""
    return [
        themes.play(random.Random(number), generate.fields(number), (theme,)) for number in numbers
    ]


def broken(fields: dict[str, Any]) -> set[str]:
    """Return the properties that a drill finds broken."""
    results = rehearse(built(fields)).judgement.results
    return {one.requirement.id for one in results if one.verdict is Verdict.FAIL}


@pytest.mark.parametrize("theme", themes.THEMES)
def test_a_theme_is_a_scenario_that_a_file_can_hold(theme: Theme) -> None:
    """Whatever it was made of."""
    for fields in plays(theme, range(30)):
        assert load(dump(built(fields))) == built(fields)


@pytest.mark.parametrize("mutant", QUESTIONS)
def test_a_theme_tells_its_mutant_from_a_sound_csms(mutant: str) -> None:
    """In a few drills: what breaks is what the wrong decision breaks."""
    drills = plays(ASKED[mutant], range(12))
    assert [broken(fields) for fields in drills] == [set()] * len(drills)
    with mutated(mutant):
        assert QUESTIONS[mutant] in set().union(*map(broken, drills))


def test_what_must_be_refused_stays_alone() -> None:
    """A plan whose only create makes no sense is left as it is."""
    nonsense = {"create": {"strategy": "canary", "canary_count": 0, "refused": True}}
    out: dict[str, Any] = {"fleet": [], "operator": [nonsense]}
    assert themes.play(random.Random(1), out) == {"fleet": [], "operator": [nonsense]}
