"""The whole suite against one drawn charger in virtual time: what the search for flaws runs.

A core. The number of a draw fixes the variant and everything a sound charger may differ in: how
fast it is, how far away, how often it reports an attempt, when it reports Installed.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.explore import Failure, Outcome
from harness.mutants.chargers import mutated_charger
from harness.suites.charger_cases import QUICK, VARIANTS, inapplicable
from harness.suites.charger_register import all_cases
from harness.suites.charger_virtual import VIRTUAL, rehearse_case
from harness.verdict import Verdict
from simulator.faults import Fixed, Uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.suites.charger_cases import CaseResult, Variant

# Dates lie beyond the judge's tolerance for clocks (C03), and updates may take as long as that.
PACE = replace(QUICK, later=6.5, install=20.0)


def draw(number: int) -> tuple[Variant, dict[str, Any]]:
    """Return the variant of a draw, and the fields of its charger that differ from the usual."""
    dice = random.Random(number)
    variant = VARIANTS[number % len(VARIANTS)]
    return variant, {
        "latency": dice.choice([Fixed(value=0.0), Fixed(value=0.05), Uniform(low=0.001, high=0.2)]),
        "install_time": Fixed(value=dice.choice([0.5, 2.0, 4.0])),
        "reboot_time": Fixed(value=dice.choice([0.2, 1.0, 3.0])),
        "download_rate": Fixed(value=dice.choice([4e5, 1e6, 5e6])),
        "reports_each_attempt": dice.random() < 0.5,  # noqa: PLR2004 - one half
        "retries_mean": dice.choice(["attempts", "retries"]),
        "allow_new_sessions": dice.random() < 0.5,  # noqa: PLR2004
    }


def try_suite(number: int, mutant: str = "") -> Outcome:
    """Run every case that fits the drawn charger; a failed case and a broken property both fire."""
    variant, fields = draw(number)
    failures: dict[str, Failure] = {}
    exercised: set[str] = set()
    try:
        with mutated_charger(mutant):
            for result in _results(variant, fields, number):
                exercised |= _exercised(result)
                for name in _fired(result):
                    said = f"{variant.name}, {result.case.id}: {result.reason}"
                    failures.setdefault(name, Failure(name, "charger", number, mutant, {}, said))
    except Exception as error:  # noqa: BLE001 - a crash of ours is a finding, too
        return Outcome(number, error=f"{type(error).__name__}: {error}")
    return Outcome(number, tuple(failures.values()), tuple(sorted(exercised)))


def _results(variant: Variant, fields: dict[str, Any], seed: int) -> Iterator[CaseResult]:
    for case in all_cases():
        if not inapplicable(case, variant, VIRTUAL):
            yield rehearse_case(case, variant, pace=PACE, seed=seed, **fields)


def _fired(result: CaseResult) -> list[str]:
    """Return what found something: the rules, and the case where it saw something itself."""
    by_rule = any(result.reason.startswith(f"{rule}: ") for rule in result.fired)
    itself = result.verdict is Verdict.FAIL and not by_rule
    return [*([result.case.id] if itself else []), *result.fired]


def _exercised(result: CaseResult) -> set[str]:
    rules = result.judgement.results if result.judgement is not None else ()
    tried = {one.requirement.id for one in rules if one.exercised}
    return tried | ({result.case.id} if result.verdict is not Verdict.NOT_APPLICABLE else set())
