"""Runs one case on a bench and says what came of it. A core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.judge import judge
from harness.history import CHARGER_CASE, Header
from harness.suites.charger_cases import CaseResult, Skipped, Unmet
from harness.verdict import Subject, Verdict

if TYPE_CHECKING:
    from harness.history import History
    from harness.suites.charger_bench import Bench
    from harness.suites.charger_cases import Case, Pace
    from harness.verdict import Judgement


def header(case: Case, pace: Pace, *, started_at: str, **target: Any) -> Header:
    """Return the header of one case's history: the charger is the side under test."""
    return Header(
        scenario={"name": case.id, "proves": case.expects, "flaw": case.flaw},
        target={"kind": CHARGER_CASE, **target},
        profile={"D12": {"update_timeout": pace.update}},
        under_test=("charger",),
        started_at=started_at,
    )


async def play(case: Case, bench: Bench) -> tuple[Verdict, str]:
    """Run the script of a case; return what it says by itself, before the judge."""
    try:
        await bench.online()
        await case.script(bench)
    except Unmet as unmet:
        return Verdict.FAIL, str(unmet)
    except Skipped as skipped:
        return Verdict.NOT_APPLICABLE, str(skipped)
    return Verdict.PASS, ""


def concluded(case: Case, bench: Bench, history: History, said: tuple[Verdict, str]) -> CaseResult:
    """Return the result of a case: its own verdict, and the judge's on its history."""
    judgement = judge(history.header, history.events)
    fired = broken_rules(judgement)
    verdict, reason = said
    if fired and verdict is not Verdict.FAIL:
        verdict, reason = Verdict.FAIL, _first(judgement, fired[0])
    elif verdict is Verdict.PASS and _tolerated(judgement):
        verdict, reason = Verdict.NON_STRICT, _tolerated(judgement)
    seconds = history.events[-1].time if history.events else 0.0
    return CaseResult(
        case, bench.charger, bench.variant.name, verdict, reason, judgement, history, seconds, fired
    )


def broken_rules(judgement: Judgement) -> tuple[str, ...]:
    """Return the ids of the rules that a judgement says a charger broke."""
    return tuple(
        result.requirement.id
        for result in judgement.results
        if result.verdict is Verdict.FAIL
        and any(finding.subject is Subject.CHARGER for finding in result.findings)
    )


def _first(judgement: Judgement, requirement: str) -> str:
    finding = judgement.result(requirement).findings[0]
    return f"{requirement}: expected {finding.witness.expected}; seen: {finding.witness.seen}"


def _tolerated(judgement: Judgement) -> str:
    """Return what was not ideal about the charger, '' if nothing."""
    for result in judgement.results:
        if result.verdict is Verdict.NON_STRICT:
            for finding in result.findings:
                if finding.subject is Subject.CHARGER:
                    return f"{result.requirement.id}: {finding.witness.seen}"
    return ""
