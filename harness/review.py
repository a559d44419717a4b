"""What came of a drill, read from its history alone.

A core. `firmdrill run` and `firmdrill judge` both end here, so a recording judged again gives the
verdict of the run: the history holds everything that decides it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.checkers import Judge
from harness.contract import objects
from harness.history import CHARGER_CASE, FIELD_LOG
from harness.operator_answers import outline
from harness.progress import FAILED, Progress
from harness.run_record import Counts, Ending, ExitCode, Expectation, Phase
from harness.verdict import Verdict
from simulator.scenario import Expect

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.history import Event, Header
    from harness.verdict import Judgement

COURSE = frozenset({"operator", "harness"})  # who tells how a drill goes
PHASES = ("connect", "baseline", "act", "heal", "drain", "final")


@dataclass(frozen=True, slots=True)
class Review:
    """The outcome of one drill."""

    judgement: Judgement
    expectations: tuple[Expectation, ...]
    ending: Ending
    verdict: str
    exit_code: ExitCode
    phases: tuple[Phase, ...]
    counts: Counts
    rollouts: tuple[dict[str, Any], ...]
    problem: str = ""  # what ended the drill before its time


@dataclass(slots=True)
class _Course:
    """What the marks of a history tell about how the drill went."""

    ending: Ending = Ending.NOT_STARTED
    case: bool = False  # of a charger: whole once it has its end
    phases: list[Phase] = field(default_factory=list)
    missed: list[Expectation] = field(default_factory=list)
    rollouts: list[str] = field(default_factory=list)
    problem: str = ""
    cut: str = ""  # the history ends in the middle of a phase
    _open: tuple[str, float] | None = None

    def see(self, event: Event) -> None:
        """Take one event of the operator or the harness in."""
        if event.source == "operator" and event.name == "create" and event.kind == "ok":
            body = event.data.get("body")
            given = body.get("rollout_id") if isinstance(body, dict) else None
            if isinstance(given, str) and given not in self.rollouts:  # a repeat gives the same
                self.rollouts.append(given)
        if event.source == "harness" and event.kind == "mark":
            self._mark(event)

    def _mark(self, event: Event) -> None:
        if event.name in {*PHASES, "end"}:
            self._close(event.time)
            self._open = (event.name, event.time)
        if event.name == "act":
            self.ending = Ending.INTERRUPTED  # until we know better
        elif event.name == "heal" or (event.name == "end" and self.case):
            self.ending = Ending.COMPLETED
        elif event.name == "interrupted":
            self.ending = Ending.INTERRUPTED
        elif event.name == "lost":
            self.problem = str(event.data.get("problem"))
        elif event.name == "step_failed":
            data = event.data
            self.missed.append(
                Expectation(
                    f"step {data.get('number')} ({data.get('step')})",
                    str(data.get("expected")),
                    str(data.get("seen")),
                    met=False,
                )
            )

    def cut_short(self) -> None:
        """Say so where the history ends within a phase: no drill ends without its mark."""
        if self._open is not None and self._open[0] in PHASES:
            if self.ending is Ending.COMPLETED:
                self.ending = Ending.INTERRUPTED
            self.cut = f"the history is cut: it ends in the phase {self._open[0]}, without its end"

    def _close(self, now: float) -> None:
        if self._open is not None and self._open[0] in PHASES:
            self.phases.append(Phase(self._open[0], round(self._open[1], 3), round(now, 3)))
        self._open = None


class Reviewer:
    """Judges a history event by event, so that one too large to keep is judged while it is made.

    `progress` is that of a drill under way, which sees the events by itself.
    """

    def __init__(self, header: Header, progress: Progress | None = None) -> None:
        chargers = header.scenario.get("chargers")
        self.header = header
        self._own = progress is None
        self._progress = progress or Progress(chargers if isinstance(chargers, int) else 0)
        self._judge = Judge(header)
        # A field log is whole as it is: nobody marked its phases.
        ending = Ending.COMPLETED if is_field_log(header) else Ending.NOT_STARTED
        self._course = _Course(ending, case=header.target.get("kind") == CHARGER_CASE)

    def see(self, event: Event) -> None:
        """Take one event in."""
        self._judge.see(event)
        if event.source in COURSE:
            self._course.see(event)
        if self._own:
            self._progress.see(event)

    def cut_short(self) -> None:
        """Take note of a history that ends in the middle: half a drill proves nothing."""
        self._course.cut_short()

    def review(self) -> Review:
        """Return the outcome; call it once, at the end."""
        course, progress = self._course, self._progress
        judgement = self._judge.judgement()
        rollouts = tuple(progress.rollout(rollout) for rollout in course.rollouts)
        expect = expectations_of(self.header)
        expectations = (
            *course.missed,
            *_outcome(expect, rollouts),
            *_exercises(expect, judgement),
            *_reproduced(expect, judgement, self.header),
        )
        verdict, code = conclude(course.ending, judgement, expectations)
        if course.problem:  # what was seen is judged, and decides nothing
            verdict, code = str(Verdict.ERROR), ExitCode.NOT_RUN
        return Review(
            judgement=judgement,
            expectations=expectations,
            ending=course.ending,
            verdict=verdict,
            exit_code=code,
            phases=tuple(course.phases),
            counts=self._counts(rollouts, judgement),
            rollouts=rollouts,
            problem=course.problem or course.cut,
        )

    def _counts(self, rollouts: tuple[dict[str, Any], ...], judgement: Judgement) -> Counts:
        """Return the numbers of the verdict block; ends are counted as the last GET showed them.

        In a field log nobody asked: there the chargers' own words count.
        """
        progress = self._progress
        shown = Counter(str(row.get("status")) for body in rollouts for row in rows_of(body))
        chargers, installed, failed = progress.fleet, shown["installed"], shown["failed"]
        if is_field_log(self.header):
            last = progress.states()
            chargers, installed = len(self._judge.view.stations), last["Installed"]
            failed = sum(last[status] for status in FAILED)
        return Counts(
            chargers=chargers,
            triggered=len(progress.triggered),
            installed=installed,
            failed=failed,
            calls=sum(progress.calls.values()),
            events=judgement.events,
            downloads=dict(progress.downloads),
            bytes_served=progress.bytes_served,
        )


def review(header: Header, events: Iterable[Event]) -> Review:
    """Judge a history and compare it with what its scenario expects."""
    reviewer = Reviewer(header)
    for event in events:
        reviewer.see(event)
    reviewer.cut_short()
    return reviewer.review()


def is_field_log(header: Header) -> bool:
    """Whether a history was imported from a log of the field."""
    return header.target.get("kind") == FIELD_LOG


def expectations_of(header: Header) -> Expect:
    """Return what the scenario of a history expects; nothing if the header does not say."""
    try:
        return Expect.model_validate(header.scenario.get("expect") or {})
    except ValidationError:
        return Expect()


def conclude(
    ending: Ending, judgement: Judgement, expectations: Sequence[Expectation]
) -> tuple[str, ExitCode]:
    """Return the verdict of the whole and the exit code."""
    missed = [e for e in expectations if not e.met]
    verdict, code = str(judgement.verdict), _CODES[judgement.verdict]
    if judgement.verdict is not Verdict.FAIL and ending is Ending.COMPLETED:
        if any(not e.inconclusive for e in missed):
            verdict, code = str(Verdict.FAIL), ExitCode.FAILED
        elif missed and code is ExitCode.PASSED:
            verdict, code = str(Verdict.INCONCLUSIVE), ExitCode.NOT_RUN
    if ending is Ending.COMPLETED:
        return verdict, code
    # What was seen held, but half a drill proves nothing.
    whole = judgement.verdict in {Verdict.FAIL, Verdict.ERROR}
    verdict = verdict if whole else str(Verdict.INCONCLUSIVE)
    if ending is Ending.INTERRUPTED:
        return verdict, ExitCode.INTERRUPTED
    return verdict, code if whole else ExitCode.NOT_RUN


_CODES = {
    Verdict.PASS: ExitCode.PASSED,
    Verdict.NON_STRICT: ExitCode.PASSED,
    Verdict.FAIL: ExitCode.FAILED,
    Verdict.INCONCLUSIVE: ExitCode.NOT_RUN,
    Verdict.NOT_APPLICABLE: ExitCode.NOT_RUN,
    Verdict.ERROR: ExitCode.INTERNAL,
}


def rows_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the chargers of a GET body, all stages in order."""
    return [row for stage in objects(body.get("stages")) for row in objects(stage.get("chargers"))]


def _outcome(expect: Expect, bodies: tuple[dict[str, Any], ...]) -> list[Expectation]:
    """Compare the rollouts' last bodies with `expect`."""
    out = []
    if expect.rollout is not None:
        seen = [str(body.get("status")) for body in bodies]
        met = bool(seen) and all(status == expect.rollout for status in seen)
        said = ", ".join(map(outline, bodies)) or "no rollout was created"
        out.append(Expectation("rollout", expect.rollout, said, met))
    rows = [row for body in bodies for row in rows_of(body)]
    for name, bound in (("installed", expect.installed), ("failed", expect.failed)):
        if bound is not None:
            count = sum(row.get("status") == name for row in rows)
            met = bool(rows) and bound.holds(count, len(rows))
            out.append(Expectation(name, str(bound), f"{count} of {len(rows)}", met))
    return out


def _reproduced(expect: Expect, judgement: Judgement, header: Header) -> list[Expectation]:
    """Say which recorded failures the scenario's own chargers have shown again.

    Only failures that the chargers have in them (by quirk or fault): whether a CSMS still has
    its own is what the verdict says.
    """
    out = []
    for requirement in expect.violates:
        findings = [
            finding
            for result in judgement.results
            for finding in result.findings
            if result.requirement.id == requirement and finding.expected_by_scenario
        ]
        if findings or (requirement.startswith("C") and header.quirky):
            who = len({finding.charger for finding in findings})
            seen = f"broken by {who} of them again" if findings else "not reproduced"
            met = bool(findings)
            out.append(Expectation("violates", requirement, seen, met, inconclusive=not met))
    return out


def _exercises(expect: Expect, judgement: Judgement) -> list[Expectation]:
    """Say which of the named properties were put to the test, and which were not."""
    unexercised = set(judgement.unexercised(expect.exercises))
    return [
        Expectation(
            "exercises",
            requirement,
            "it was never put to the test" if requirement in unexercised else "it was",
            met=requirement not in unexercised,
            inconclusive=requirement in unexercised,
        )
        for requirement in expect.exercises
    ]
