"""Hypothesis over whole drills: the reference keeps every promise, and a mutant does not get by."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.stateful import run_state_machine_as_test

from harness.mutants.csms import mutated
from harness.rehearsal import rehearse
from harness.stateful import Broken, RolloutMachine, broken, enforce, scenarios
from simulator.scenario import Scenario, dump, load

SEARCH = settings(
    max_examples=150,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
pytestmark = pytest.mark.slow


@given(scenarios())
@settings(SEARCH, max_examples=400)
def test_every_drawn_scenario_is_valid_and_kept_by_the_reference(scenario: Scenario) -> None:
    """What Hypothesis draws loads back equal from its own YAML, and breaks nothing of ours."""
    assert load(dump(scenario)) == scenario
    enforce(rehearse(scenario).judgement)


def test_the_reference_survives_an_operator_who_decides_step_by_step() -> None:
    """Executes, pauses, reads, crashes at commits and waits in any order, over the REST API."""
    run_state_machine_as_test(RolloutMachine, settings=SEARCH)


@pytest.mark.parametrize(
    ("mutant", "requirements"),
    # R43: whom the ignored pause lets through, the answer to an overlapping execute does not name.
    [
        ("pause_ignored", {"R18", "R19", "R21", "R40", "R43"}),
        ("crash_sends_again", {"R13", "R39", "R14"}),
    ],
)
def test_the_machine_finds_wrong_decisions(mutant: str, requirements: set[str]) -> None:
    """The failure is the property's own class, with a witness; shrinking may not leave it."""
    quick = settings(
        SEARCH, max_examples=1500, phases=[Phase.generate], verbosity=Verbosity.quiet,
        derandomize=True,
    )  # fmt: skip
    with mutated(mutant), pytest.raises(Broken) as caught:
        run_state_machine_as_test(RolloutMachine, settings=quick)
    assert type(caught.value) in {broken(requirement) for requirement in requirements}
    assert "seen:" in str(caught.value)
