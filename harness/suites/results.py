"""What came of a suite of numbered cases: values for its report and its exit code. A core.

A case at level SHOULD that fails makes the suite NON_STRICT, and FAIL only with `--strict`. A
failure that the user announced (`expected.yaml`, with a reason) is no failure of the suite; a case
that was announced to fail and passes is reported, and fails the suite: the list is out of date.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from harness.run_record import ExitCode
from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.verdict import Finding

FORMAT = "firmdrill-suite/1"


@dataclass(frozen=True, slots=True)
class CaseReport:
    """One case on one system: `who` is the charger's id, or the name of the target."""

    id: str
    title: str
    expects: str
    requirement: str
    level: str  # MUST | SHOULD
    who: str
    verdict: Verdict
    reason: str = ""
    variant: str = ""
    aliases: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    log: str = ""  # the history, relative to the report's folder
    announced: str = ""  # why it was expected to fail

    @property
    def failed(self) -> bool:
        """Whether the case found something wrong."""
        return self.verdict in {Verdict.FAIL, Verdict.ERROR}

    @property
    def ran(self) -> bool:
        """Whether it said anything about the system."""
        return self.verdict not in {Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE}


_LAX = frozenset({Verdict.NON_STRICT, Verdict.INCONCLUSIVE})


@dataclass(slots=True)
class SuiteReport:
    """All cases, and what they make of the whole. `about` holds facts for the reader."""

    name: str
    cases: list[CaseReport] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    strict: bool = False
    interrupted: bool = False
    problem: str = ""  # why nothing could be run
    seconds: float = 0.0
    reproduce: str = ""

    @property
    def wrong(self) -> list[CaseReport]:
        """The cases that fail the suite."""
        return [one for one in self.cases if self._counts(one)]

    @property
    def lax(self) -> list[CaseReport]:
        """The cases that found something wrong and do not fail the suite: level SHOULD."""
        rest = (one for one in self.cases if one.failed and not one.announced)
        return [one for one in rest if not self._counts(one)]

    @property
    def open(self) -> list[CaseReport]:
        """The cases that had to say something and did not: what was not tested has not passed."""
        return [
            one
            for one in self.cases
            if one.verdict is Verdict.INCONCLUSIVE
            and not one.announced
            and (self.strict or one.level == "MUST")
        ]

    def _counts(self, one: CaseReport) -> bool:
        if one.announced:
            return one.verdict is Verdict.PASS
        return one.failed and (self.strict or one.level == "MUST" or one.verdict is Verdict.ERROR)

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the whole."""
        if self.wrong:
            return Verdict.FAIL
        if self.problem or self.interrupted or self.open or not any(one.ran for one in self.cases):
            return Verdict.INCONCLUSIVE
        lax = any(not one.announced and (one.failed or one.verdict in _LAX) for one in self.cases)
        return Verdict.NON_STRICT if lax else Verdict.PASS

    @property
    def exit_code(self) -> ExitCode:
        """Return how the command ends."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.verdict is Verdict.FAIL:
            return ExitCode.FAILED
        return ExitCode.NOT_RUN if self.verdict is Verdict.INCONCLUSIVE else ExitCode.PASSED

    @property
    def counts(self) -> dict[str, int]:
        """Return how many cases came out how, in the order of the verdicts."""
        seen = Counter(one.verdict for one in self.cases)
        return {str(verdict): seen[verdict] for verdict in Verdict if seen[verdict]}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, in a fixed order."""
        return {
            "format": FORMAT,
            "suite": self.name,
            "verdict": str(self.verdict),
            "exit_code": int(self.exit_code),
            "problem": self.problem,
            "interrupted": self.interrupted,
            "strict": self.strict,
            "about": self.about,
            "counts": self.counts,
            "cases": [msgspec.to_builtins(one) for one in self.cases],
            "seconds": round(self.seconds, 3),
            "reproduce": self.reproduce,
        }


def announce(cases: Iterable[CaseReport], announced: Mapping[str, str]) -> list[CaseReport]:
    """Return the cases with the reasons for which some were expected to fail."""
    return [replace(one, announced=announced.get(one.id, "")) for one in cases]
