"""How good the harness is: which mutants drawn drills kill, how fast, and how often it is wrong.

A core apart from the caller's clock. A mutant is killed by a run in which one of its properties
fails; a benign variant is accused by a run in which anything fails against its side. For a CSMS a
run is a drawn drill, for a charger the whole suite of cases on a drawn charger.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.explore import try_one
from harness.suites.charger_draws import try_suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.explore import Outcome
    from harness.mutants import Mutant

Z = 1.959964  # two-sided 95 %


@dataclass(slots=True)
class Power:
    """What was measured about one mutant; `rare`: in rarer circumstances (`circumstances`)."""

    mutant: Mutant
    rare: bool = False
    runs: int = 0
    kills: int = 0  # runs in which one of its own properties failed
    accused: int = 0  # runs in which anything failed against its side
    seconds: float = 0.0
    first: int | None = None  # the drill that killed it first
    broken: int = 0  # runs that ended in an error of ours or of the mutant's
    fired: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)  # runs in which nothing else fired

    def add(self, outcome: Outcome) -> None:
        """Take one run in."""
        self.runs += 1
        self.broken += bool(outcome.error)
        failed = {f.requirement for f in outcome.failures if f.subject == self.mutant.side}
        self.fired.update(failed)
        self.alone.update(failed if len(failed) == 1 else ())
        self.accused += bool(failed)
        if failed & set(self.mutant.kills):
            self.kills += 1
            self.first = outcome.number if self.first is None else self.first

    @property
    def works(self) -> bool:
        """Whether it is as it should be: a mutant killed, a benign variant never accused."""
        return self.accused == 0 if self.mutant.benign else self.kills > 0

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the probability to be killed (or accused) by one run."""
        return wilson(self.accused if self.mutant.benign else self.kills, self.runs)

    def runs_for(self, certainty: float = 0.99) -> int | None:
        """Return how many runs kill it with this certainty; None if none ever did."""
        if not self.kills:
            return None
        rate = self.kills / self.runs
        return 1 if rate >= 1.0 else math.ceil(math.log(1.0 - certainty) / math.log(1.0 - rate))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        low, high = self.interval()
        needed = self.runs_for()
        each = self.seconds / max(self.runs, 1)
        return {
            "name": self.mutant.name,
            "wrong": self.mutant.wrong,
            "side": self.mutant.side,
            "benign": self.mutant.benign,
            "rare": self.rare,
            "expected": list(self.mutant.kills),
            "works": self.works,
            "runs": self.runs,
            "kills": self.kills,
            "accused": self.accused,
            "broken": self.broken,
            "rate": [round(low, 4), round(high, 4)],
            "first": self.first,
            "runs_for_99": needed,
            "seconds_for_99": None if needed is None else round(needed * each, 2),
            "fired": dict(self.fired.most_common()),
            "alone": dict(self.alone.most_common()),
        }


def plan(mutants: Iterable[Mutant]) -> list[tuple[Mutant, bool]]:
    """Return what to measure: each mutant, and whether in rarer circumstances.

    A wrong decision is looked for where it shows; a variant that is none must pass everywhere.
    """
    return [
        (one, rare)
        for one in mutants
        for rare in ((False, True) if one.benign and one.side == "csms" else (one.rare,))
    ]


def measure(
    mutant: Mutant,
    numbers: Iterable[int],
    *,
    clock: Callable[[], float],
    within: float,
    rare: bool = False,
) -> Power:
    """Run drawn drills, or the suite on drawn chargers, for at most `within` s of `clock`."""
    power, began = Power(mutant, rare), clock()
    attempt = partial(try_one, rare=rare) if mutant.side == "csms" else try_suite
    for number in numbers:
        power.add(attempt(number, mutant.name))
        power.seconds = clock() - began
        if power.seconds >= within:
            break
    return power


def wilson(hits: int, runs: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a proportion."""
    if runs == 0:
        return 0.0, 1.0
    rate, zz = hits / runs, Z * Z
    middle = (rate + zz / (2 * runs)) / (1 + zz / runs)
    half = Z * math.sqrt(rate * (1 - rate) / runs + zz / (4 * runs * runs)) / (1 + zz / runs)
    # Rounding must not push the rate itself out at 0 and 1.
    return max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half))
