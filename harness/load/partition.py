"""Which worker drives which chargers. A core: it depends on their order and numbers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.divided import divide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.faults import ChargerSpec
    from simulator.scenario import Scenario


def shares(specs: Sequence[ChargerSpec], workers: int) -> list[list[ChargerSpec]]:
    """Return each worker's chargers, by worker index: together the fleet, and nobody twice."""
    homes = divide(specs, workers)
    out: list[list[ChargerSpec]] = [[] for _ in range(workers)]
    for spec, home in zip(specs, homes, strict=True):
        out[home].append(spec)
    return out


def scaled(scenario: Scenario, chargers: int | None) -> Scenario:
    """Return the scenario with this many chargers; every cohort keeps its share, and one at least.

    A fleet of fewer chargers than cohorts keeps the first cohorts only.
    """
    if chargers is None:
        return scenario
    cohorts = scenario.fleet[:chargers]
    whole = sum(cohort.count for cohort in cohorts)
    counts = [max(1, cohort.count * chargers // whole) for cohort in cohorts]
    # What rounding left over, or took too much of, is settled with the largest cohort.
    largest = counts.index(max(counts))
    counts[largest] += chargers - sum(counts)
    fleet = tuple(
        cohort.model_copy(update={"count": count})
        for cohort, count in zip(cohorts, counts, strict=True)
    )
    return scenario.model_copy(update={"fleet": fleet})
