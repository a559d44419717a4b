"""What a drill leaves behind: the value that every report is made from.

Values only. `RunRecord.to_dict()` is the stable JSON of `--json` and `report.json`; the events
themselves stay in the history file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from harness.history import Header
    from harness.verdict import Judgement

FORMAT = "firmdrill-run/1"


class ExitCode(IntEnum):
    """How the command ends; documented and stable."""

    PASSED = 0
    FAILED = 1  # a property or an expectation failed
    USAGE = 2  # wrong usage, or an invalid scenario
    NOT_RUN = 3  # target unreachable, nothing ran, or inconclusive
    INTERNAL = 4  # our own error
    INTERRUPTED = 130  # the report is still written


class Ending(IntEnum):
    """How far the drill came."""

    NOT_STARTED = 0  # the target or the fleet never came up: nothing was judged
    INTERRUPTED = 1
    COMPLETED = 2


@dataclass(frozen=True, slots=True)
class Expectation:
    """One line of the scenario's `expect`, and whether it came true."""

    name: str  # rollout | installed | exercises | step ...
    expected: str
    seen: str
    met: bool
    inconclusive: bool = False  # not met because it was never put to the test (exit 3, not 1)


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the drill and how long it took, in seconds since the start."""

    name: str  # connect | baseline | act | heal | drain | final
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened, in numbers."""

    chargers: int = 0
    triggered: int = 0
    installed: int = 0
    failed: int = 0
    calls: int = 0
    events: int = 0
    downloads: dict[str, int] = field(default_factory=dict)
    bytes_served: int = 0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything a report says about one drill.

    `judgement` is None only if nothing ran (`problem` says why). `scenario` holds `name`, `proves`
    and `file`; `target` describes what was drilled (never a key). `reproduce` is one copyable
    command.
    """

    scenario: dict[str, str]
    seed: int
    ending: Ending
    exit_code: ExitCode
    verdict: str  # PASS | FAIL | NON_STRICT | INCONCLUSIVE | ERROR
    reproduce: str
    target: dict[str, Any] = field(default_factory=dict)
    header: Header | None = None
    history: Path | None = None  # the NDJSON file
    judgement: Judgement | None = None
    expectations: tuple[Expectation, ...] = ()
    phases: tuple[Phase, ...] = ()
    counts: Counts = Counts()
    rollouts: tuple[dict[str, Any], ...] = ()  # the last GET body of each
    problem: str = ""  # why nothing ran, or what broke
    wall_seconds: float = 0.0
    folder: Path | None = None  # where the report lies

    @property
    def passed(self) -> bool:
        """Whether the command ends with 0."""
        return self.exit_code is ExitCode.PASSED

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, in a fixed order."""
        return {
            "format": FORMAT,
            "passed": self.passed,
            "verdict": self.verdict,
            "exit_code": int(self.exit_code),
            "ending": self.ending.name.lower(),
            "scenario": self.scenario,
            "seed": self.seed,
            "target": self.target,
            "problem": self.problem,
            "expectations": [
                {
                    "name": e.name,
                    "expected": e.expected,
                    "seen": e.seen,
                    "met": e.met,
                    "inconclusive": e.inconclusive,
                }
                for e in self.expectations
            ],
            "counts": {
                "chargers": self.counts.chargers,
                "triggered": self.counts.triggered,
                "installed": self.counts.installed,
                "failed": self.counts.failed,
                "calls": self.counts.calls,
                "events": self.counts.events,
                "downloads": dict(sorted(self.counts.downloads.items())),
                "bytes_served": self.counts.bytes_served,
            },
            "phases": [{"name": p.name, "began": p.began, "ended": p.ended} for p in self.phases],
            "judgement": self.judgement.to_dict() if self.judgement else None,
            "history": str(self.history) if self.history else None,
            "report": str(self.folder) if self.folder else None,
            "reproduce": self.reproduce,
            "wall_seconds": round(self.wall_seconds, 3),
        }
