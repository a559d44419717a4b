"""Searches drawn drills in virtual time for one that breaks a property, and makes it small.

A core apart from the caller's clock. Failures are told apart by what is broken and who is accused,
and a shrunk scenario must still break the same property, or shrinking would slide onto another bug.
"""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness import generate
from harness.drill import NotConnected
from harness.errors import TargetError
from harness.rehearsal import rehearse
from harness.shrink import shrink
from harness.verdict import Verdict
from simulator.errors import ScenarioError
from simulator.scenario import built, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.verdict import Judgement

    Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """One distinct failure: the scenario that shows it, as small as it was made."""

    requirement: str
    subject: str
    number: int  # the drawn drill that broke it first
    mutant: str | None
    fields: Fields
    seen: str  # what the first witness says
    tried: int = 0  # scenarios tried to make it small
    rare: bool = False  # drawn in rarer circumstances

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from other failures."""
        return self.requirement, self.subject

    def yaml(self, *, schema: str = "./scenario.schema.json") -> str:
        """Return it as a scenario file that replays it."""
        mutant = f" with the mutant {self.mutant}" if self.mutant else ""
        rare = " in rarer circumstances" if self.rare else ""
        found = {
            **self.fields,
            "name": f"{self.requirement}: found by search, made small",
            "found": f"drawn drill {self.number}{rare}{mutant}: {self.seen}"[:400],
            "expect": {"violates": [self.requirement]},
        }
        return dump(built(found), schema=schema)


@dataclass(slots=True)
class Search:
    """What a search has seen so far."""

    runs: int = 0
    failures: dict[tuple[str, str], Failure] = field(default_factory=dict)
    broken: list[tuple[int, str]] = field(default_factory=list)  # drills that our own code broke
    exercised: Counter[str] = field(default_factory=Counter)  # drills that put a property to a test

    def add(self, outcome: Outcome) -> list[Failure]:
        """Take one drill in; return the failures that are new."""
        self.runs += 1
        self.exercised.update(outcome.exercised)
        if outcome.error:
            self.broken.append((outcome.number, outcome.error))
        new = [f for f in outcome.failures if f.identity not in self.failures]
        self.failures |= {f.identity: f for f in new}
        return new


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one drawn drill."""

    number: int
    failures: tuple[Failure, ...] = ()
    exercised: tuple[str, ...] = ()
    error: str = ""


def try_one(number: int, mutant: str | None = None, *, rare: bool = False) -> Outcome:
    """Draw the drill of this number, run it and judge it."""
    fields = generate.rare(number) if rare else generate.fields(number)
    try:
        judgement = _judged(fields, mutant)
    except NotConnected as error:
        # Some lines are too bad to connect at all: nothing was put to the test.
        return Outcome(number, error="" if rare else f"TargetError: {error}")
    except TargetError as error:
        return Outcome(number, error=f"TargetError: {error}")
    except Exception as error:  # noqa: BLE001 - a crash of ours is a finding, too
        return Outcome(number, error=f"{type(error).__name__}: {error}")
    exercised = tuple(r.requirement.id for r in judgement.results if r.exercised)
    failures = _failures(judgement, number, mutant, fields)
    return Outcome(number, tuple(replace(one, rare=rare) for one in failures), exercised)


def smallest(failure: Failure, *, attempts: int = 400) -> Failure:
    """Return the failure with the smallest scenario found that still shows it."""

    def fails(fields: Fields) -> bool:
        with contextlib.suppress(ScenarioError, TargetError):
            found = _failures(_judged(fields, failure.mutant), 0, failure.mutant, fields)
            return any(one.identity == failure.identity for one in found)
        return False

    fields, tried = shrink(failure.fields, fails, attempts=attempts)
    small = [
        one
        for one in _failures(
            _judged(fields, failure.mutant), failure.number, failure.mutant, fields
        )
        if one.identity == failure.identity
    ]
    return replace(small[0], tried=tried, rare=failure.rare) if small else failure


def search(
    numbers: Iterable[int],
    *,
    mutant: str | None = None,
    go_on: Callable[[], bool] = lambda: True,
    news: Callable[[Search, Outcome], None] = lambda *_: None,
) -> Search:
    """Try drills one after the other while `go_on()`; `news` hears of each."""
    seen = Search()
    for number in numbers:
        if not go_on():
            break
        outcome = try_one(number, mutant)
        seen.add(outcome)
        news(seen, outcome)
    return seen


def _judged(fields: Fields, mutant: str | None) -> Judgement:
    with _mutated(mutant):
        judgement = rehearse(built(fields), keep=False).judgement
    # A drill that is over is one heap of cycles: let go while the cache holds it, it costs least.
    gc.collect(0)
    return judgement


def _failures(
    judgement: Judgement, number: int, mutant: str | None, fields: Fields
) -> Iterator[Failure]:
    for result in judgement.results:
        if result.verdict is Verdict.ERROR:
            yield Failure(result.requirement.id, "harness", number, mutant, fields, result.note)
        elif result.verdict is Verdict.FAIL:
            first = next(f for f in result.findings if not f.expected_by_scenario)
            seen = f"{first.who}: {first.witness.seen}"
            yield Failure(result.requirement.id, first.subject, number, mutant, fields, seen)


@contextlib.contextmanager
def _mutated(mutant: str | None) -> Iterator[None]:
    if mutant is None:
        yield
        return
    from harness.mutants.csms import mutated  # noqa: PLC0415 - imports the reference

    with mutated(mutant):
        yield
