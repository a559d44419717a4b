"""Every checker there is, in the order of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers import (
    answers,
    charger_life,
    charger_rules,
    conflicts,
    crashing,
    deriving,
    dispatching,
    fleet_rules,
    linear,
    liveness,
    ordering,
    pausing,
    plan_rules,
    reasons,
    rebooting,
    resuming,
    retrying,
    shapes,
    showing,
    triggering,
    windowing,
    wire,
    wire_fields,
)
from harness.checkers.base import Checker

if TYPE_CHECKING:
    from harness.verdict import Requirement

MODULES = (
    answers,
    charger_life,
    charger_rules,
    conflicts,
    crashing,
    deriving,
    dispatching,
    fleet_rules,
    linear,
    liveness,
    ordering,
    pausing,
    plan_rules,
    reasons,
    rebooting,
    resuming,
    retrying,
    shapes,
    showing,
    triggering,
    windowing,
    wire,
    wire_fields,
)
ORDER = {"R": 0, "L": 1, "C": 2, "W": 3}


def _found() -> tuple[type[Checker], ...]:
    kinds = {
        member
        for module in MODULES
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, Checker)
        and "requirement" in vars(member)
    }
    return tuple(
        sorted(kinds, key=lambda kind: (ORDER[kind.requirement.id[0]], kind.requirement.id))
    )


CHECKERS: tuple[type[Checker], ...] = _found()

REQUIREMENTS: tuple[Requirement, ...] = tuple(checker.requirement for checker in CHECKERS)
