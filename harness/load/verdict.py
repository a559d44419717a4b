"""What came of a load run: the judge's word over the merged history, thresholds, honest figures.

A load run that proved nothing does not pass. Each way of proving nothing has its own message and
exit code, so that a CI job can tell a slow CSMS from a run that never happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from harness.load import usage
from harness.load.document import FORMAT
from harness.load.figures import Figures
from harness.load.latency import TIMED
from harness.load.slices import merged, write_history
from harness.load.thresholds import measured
from harness.report.block import cleaned
from harness.review import Reviewer
from harness.run_record import ExitCode
from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.history import Event
    from harness.load.course import Ran
    from harness.load.options import LoadOptions
    from harness.load.thresholds import Measured
    from harness.review import Review
    from harness.verdict import Result

HISTORY = "history.ndjson"
EVENTS_A_BREATH = 5_000


class LoadExit(IntEnum):
    """Exit codes of `firmdrill load` beside those of every command."""

    NO_SAMPLES = 5  # a threshold had nothing to be compared with
    NO_TRAFFIC = 6  # not one OCPP call was answered
    TOO_FEW_CHARGERS = 7  # fewer chargers came up than were asked for


@dataclass(slots=True)
class LoadRecord:
    """Everything that a report says about one load run."""

    options: LoadOptions
    ran: Ran
    figures: Figures
    thresholds: list[Measured] = field(default_factory=list)
    review: Review | None = None
    exit_code: int = int(LoadExit.NO_TRAFFIC)
    verdict: str = "ERROR"
    reasons: list[str] = field(default_factory=list)  # why it did not pass, the weightiest first
    history: Path | None = None

    @property
    def warning(self) -> str:
        """Say if the generator was the bottleneck."""
        return usage.warning(self.ran.uses)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, in a fixed order: format firmdrill-load/1."""
        options, ran, figures = self.options, self.ran, self.figures
        scenario = options.scenario
        return {
            "format": FORMAT,
            "passed": self.exit_code == 0,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "reasons": self.reasons,
            "scenario": {
                "name": scenario.name,
                "proves": scenario.proves,
                "file": options.source,
            },
            "seed": options.actual_seed,
            "target": dict(ran.header.target),
            "chargers": {"asked": ran.asked, "booted": ran.booted},
            "workers": ran.workers,
            "clock_error": ran.clock_error,
            "duration": round(figures.duration, 3),
            "ocpp_calls": figures.calls,
            "thresholds": [_threshold(one) for one in self.thresholds],
            "latencies": figures.table(),
            "over_time": figures.over_time(),
            "curve": figures.curve(),
            "windows": [
                {"kind": w.kind, "began": round(w.began, 3), "ended": round(w.ended, 3)}
                for w in figures.windows
            ],
            "generator": {
                "warning": self.warning,
                "uses": [use.to_dict() for use in ran.uses],
            },
            "expectations": [
                {"name": e.name, "expected": e.expected, "seen": e.seen, "met": e.met}
                for e in (self.review.expectations if self.review else ())
            ],
            "judgement": self.review.judgement.to_dict() if self.review else None,
            "history": None if self.history is None else self.history.name,
            "reproduce": options.reproduce(ran.workers),
        }


def _threshold(one: Measured) -> dict[str, Any]:
    return {
        "name": one.name, "limit": one.limit, "seen": one.seen, "met": one.met,
        "samples": one.samples,
    }  # fmt: skip


def judge(ran: Ran, options: LoadOptions, breathe: Callable[[], None] = lambda: None) -> LoadRecord:
    """Merge the slices, judge them, compare the thresholds, decide.

    `breathe` is called now and then: millions of events take minutes, and others want to live.
    """
    record = LoadRecord(options, ran, Figures(ran.asked))
    if ran.slices:
        reviewer = None if ran.incomplete else Reviewer(ran.header, record.figures.progress)
        for event in _events(record):
            if event.index % EVENTS_A_BREATH == 0:
                breathe()
            record.figures.see(event)
            if reviewer is not None and event.kind != TIMED:
                reviewer.see(event)
        record.review = None if reviewer is None else reviewer.review()
    record.figures.end()
    record.thresholds = measured(options.scenario.load.thresholds, record.figures)
    decide(record)
    for path in options.folder.glob("slice-*.ndjson"):  # those of workers that are gone as well
        path.unlink(missing_ok=True)
    (options.folder / "token").unlink(missing_ok=True)
    return record


def _events(record: LoadRecord) -> Iterator[Event]:
    """Return the merged events; they are written down as they pass."""
    events = merged(record.ran.slices)
    if not record.options.keep_history:
        return events
    record.history = record.options.folder / HISTORY
    return write_history(record.history, record.ran.header, events)


def decide(record: LoadRecord) -> None:
    """Put verdict, exit code and reasons into the record."""
    found = list(_reasons(record))
    record.reasons = [text for _, _, text in found]
    if found:
        record.verdict, record.exit_code = found[0][0], found[0][1]
    else:
        record.verdict, record.exit_code = str(Verdict.PASS), int(ExitCode.PASSED)


def _reasons(record: LoadRecord) -> Iterator[tuple[str, int, str]]:
    """Yield (verdict, exit code, reason), the weightiest first."""
    yield from _not_run(record)
    broken = False
    if record.ran.problem or record.review is None:
        return
    failed = str(Verdict.FAIL)
    for told in (*_broken(record.review), *_too_slow(record)):
        broken = True
        yield failed, int(ExitCode.FAILED), told
    for one in record.thresholds:
        if not one.samples:
            told = f"threshold {one.name} has no samples: nothing of that name was measured"
            yield str(Verdict.ERROR), int(LoadExit.NO_SAMPLES), told
    review = record.review
    if review.exit_code and not record.ran.too_few and not record.ran.interrupted:
        missed = [f"{e.name} {e.expected}: {e.seen}" for e in review.expectations if not e.met]
        missed += [
            f"{r.requirement.id}: {cleaned(r.note)}"
            for r in review.judgement.results
            if r.verdict is Verdict.ERROR
        ]
        if missed or not broken:
            yield review.verdict, int(review.exit_code), "; ".join(missed) or review.verdict


def _not_run(record: LoadRecord) -> Iterator[tuple[str, int, str]]:
    """Say why there was less of a run than was asked for."""
    ran, error = record.ran, str(Verdict.ERROR)
    if ran.interrupted:
        yield str(Verdict.INCONCLUSIVE), int(ExitCode.INTERRUPTED), "interrupted"
    if ran.problem:
        yield error, int(ExitCode.NOT_RUN), ran.problem
    if ran.slices and not ran.incomplete and not record.figures.calls:
        told = "zero traffic: not one OCPP call was answered, so nothing was loaded"
        yield error, int(LoadExit.NO_TRAFFIC), told
    if ran.too_few:
        told = f"fewer chargers than asked: {ran.booted} of {ran.asked} came up. {ran.too_few}"
        yield error, int(LoadExit.TOO_FEW_CHARGERS), told


def _too_slow(record: LoadRecord) -> Iterator[str]:
    for one in record.thresholds:
        if one.samples and not one.met:
            yield f"threshold {one.name} {one.limit} is broken: {one.seen}"


def _broken(review: Review) -> Iterator[str]:
    """Say each property that failed, with its first finding."""
    for result in review.judgement.results:
        if result.verdict is Verdict.FAIL:
            requirement, count = result.requirement, len(result.findings) + result.omitted
            yield f"{requirement.id} {requirement.title} is broken {count} times{_first(result)}"


def _first(result: Result) -> str:
    """Return the first finding in a few words; what chargers said in it cannot do any harm."""
    if not result.findings:
        return ""
    one = result.findings[0]
    return cleaned(f", first by {one.who}: {one.witness.seen} (expected: {one.witness.expected})")
