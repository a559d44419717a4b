"""What the judge says: verdicts, findings and their witnesses.

Values only. `to_dict` on a `Judgement` gives plain JSON types; reports are made from nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec


class Verdict(StrEnum):
    """What became of a requirement, or of a whole drill."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    NON_STRICT = "NON_STRICT"  # allowed, but not what a careful implementation does
    INCONCLUSIVE = "INCONCLUSIVE"  # never exercised, or the evidence is missing
    NOT_APPLICABLE = "NOT_APPLICABLE"  # the target's profile or the scenario excludes it
    ERROR = "ERROR"  # the checker itself broke


class Grade(StrEnum):
    """How heavy a finding is."""

    VIOLATES = "violates"  # the published API text or OCPP
    DIFFERS = "differs"  # from the target's profile
    TOLERATED = "tolerated"  # allowed, not ideal: makes NON_STRICT


class Subject(StrEnum):
    """The side that a finding accuses."""

    CSMS = "csms"
    CHARGER = "charger"
    HARNESS = "harness"
    NETWORK = "network"  # only in field logs: one side was not heard of any more


# Asked for with every frame: Python 3.11 takes five times as long to find a member in its class.
CHARGER, CSMS = Subject.CHARGER, Subject.CSMS


@dataclass(frozen=True, slots=True)
class Requirement:
    """One property: `id` is stable and names the checker, the test and the mutant that it kills.

    `switch` names the decision of a target's profile that settles it (D1..D34), if any. `level`
    is MUST where the API text or OCPP demands it, PROFILE where the target's profile does.
    """

    id: str
    title: str
    sentence: str
    source: str
    subject: Subject = Subject.CSMS
    level: str = "MUST"
    switches: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """One event of a witness, as a person reads it."""

    index: int
    time: float
    source: str
    text: str


class Witness(msgspec.Struct, frozen=True):
    """The few events, in order, that show a finding; what was expected, what was seen instead."""

    expected: str
    seen: str
    steps: tuple[Step, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """One accusation. `who` is the rollout, charger or operation that it is about."""

    requirement: str
    grade: Grade
    subject: Subject
    who: str
    witness: Witness
    charger: str | None = None  # the charger concerned: its lane in the report
    expected_by_scenario: bool = False  # a quirky charger did what its quirk says


class Result(msgspec.Struct, frozen=True):
    """What became of one requirement; `exercised` counts the occasions to break it."""

    requirement: Requirement
    verdict: Verdict
    exercised: int
    findings: tuple[Finding, ...] = ()
    omitted: int = 0  # findings beyond the first few, counted but not kept
    note: str = ""  # why INCONCLUSIVE, NOT_APPLICABLE or ERROR


class Judgement(msgspec.Struct, frozen=True):
    """All results over one history, and the verdict of the whole."""

    verdict: Verdict
    results: tuple[Result, ...]
    events: int = 0
    duration: float = 0.0  # seconds of the drill

    @property
    def failed(self) -> tuple[Result, ...]:
        """The results that failed, in order of id."""
        return tuple(r for r in self.results if r.verdict is Verdict.FAIL)

    def result(self, requirement: str) -> Result:
        """Return the result of one requirement id; KeyError if it was not judged."""
        for result in self.results:
            if result.requirement.id == requirement:
                return result
        raise KeyError(requirement)

    def unexercised(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return those wanted requirement ids that this history never put to the test."""
        tested = {r.requirement.id for r in self.results if r.exercised}
        return tuple(item for item in wanted if item not in tested)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]
