"""Steps, bounds and counters of an operator's plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from simulator.scenario_steps import STEPS, Bound, BoundField, HoldStep, PauseStep, Step, WaitStep
from tests.simulator.strategies import BOUNDS
from tests.simulator.strategies import STEPS as DRAWN

ONE: TypeAdapter[Any] = TypeAdapter(Step)
BOUND: TypeAdapter[Any] = TypeAdapter(BoundField)


@pytest.mark.parametrize(
    ("written", "number", "holds"),
    [
        (40, 40, True), (40, 39, False), (">= 40", 40, True), ("<= 0", 0, True),
        ("<= 0", 1, False), ("== 3", 3, True), ("== 3", 4, False), ("> 3", 3, False),
        ("< 3", 2, True), (">= 85 %", 85, True), (">= 85 %", 84, False), ("85 %", 90, True),
    ],
)  # fmt: skip
def test_a_bound_holds(written: Any, number: float, holds: bool) -> None:
    """Of a whole of 100, each form compares as it reads; without a sign it means at least."""
    assert BOUND.validate_python(written).holds(number, 100) is holds


@given(BOUNDS)
def test_a_bound_reads_back(bound: Bound) -> None:
    """What is written means the same."""
    assert BOUND.validate_python(BOUND.dump_python(bound)) == bound


@pytest.mark.parametrize("written", ["many", "=> 3", "-1", "1.2.3", True, [1]])
def test_what_is_no_bound_is_refused(written: Any) -> None:
    """Nonsense is never a zero."""
    with pytest.raises(ValidationError):
        BOUND.validate_python(written)


@pytest.mark.parametrize("name", ["execute_stage", "read", "fleet", "fence", "kill", "restart"])
def test_a_step_without_arguments_is_a_bare_name(name: str) -> None:
    """`- execute_stage` is the whole step, and is written so again."""
    step = ONE.validate_python(name)
    assert isinstance(step, STEPS[name])
    assert ONE.dump_python(step, exclude_unset=True) == name
    assert ONE.validate_python({name: None}) == ONE.validate_python({name: {}}) == step


def test_short_forms_fill_the_one_field_that_matters() -> None:
    """`hold: 60 s` and `pause: reason`."""
    assert ONE.validate_python({"hold": "60 s"}) == HoldStep(seconds=60.0)
    assert ONE.validate_python({"pause": "too many errors"}) == PauseStep(reason="too many errors")


def test_when_stands_beside_the_step_or_in_it() -> None:
    """Both ways of writing a condition mean the same."""
    beside = ONE.validate_python({"when": {"UpdateFirmware": 40}, "pause": {"reason": "x"}})
    inside = ONE.validate_python({"pause": {"reason": "x", "when": {"UpdateFirmware": ">= 40"}}})
    assert beside == inside
    assert beside.when == {"UpdateFirmware": Bound(value=40)}


@given(DRAWN)
def test_a_step_reads_back(step: Any) -> None:
    """What is written is the same step."""
    assert ONE.validate_python(ONE.dump_python(step, mode="json", exclude_unset=True)) == step


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"execute_stge": None}, "did you mean execute_stage"),
        ({"read": {}, "fleet": {}}, "exactly one of"),
        ({}, "exactly one of"),
        ({"read": 3}, "takes a mapping"),
        ({"wait": {"within": "3 s"}}, "wait for what"),
        ({"wait": {"until": {"Instaled": 3}}}, "did you mean Installed"),
        ({"when": {"moon": 1}, "read": {}}, "no counter is called moon; known: UpdateFirmware"),
        ({"hold": "soon"}, "not a duration"),
        ({"create": {"strategy": "canary", "max_in_flight": 0}}, "greater than or equal to 1"),
        ({"read": {"seconds": 3}}, "Extra inputs"),
    ],
)
def test_a_wrong_step_is_refused_with_its_reason(written: Any, told: str) -> None:
    """The reason says what a step is made of."""
    with pytest.raises(ValidationError, match=told):
        ONE.validate_python(written)


def test_a_wait_may_have_several_conditions() -> None:
    """Counters, stage and status may stand together."""
    step = ONE.validate_python({"wait": {"until": {"offline": "<= 0"}, "stage": "settled"}})
    assert isinstance(step, WaitStep)
    assert (step.stage, step.status) == ("settled", None)
