"""Runs the cases on every charger of a rack, all chargers at the same time. A shell.

On one charger the cases run one after the other; between two the charger gets time to come to rest.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.mutants.chargers import mutated_charger
from harness.runner import slug
from harness.suites.charger_bench import Bench
from harness.suites.charger_cases import VARIANTS, Equipment, Variant, inapplicable
from harness.suites.charger_judging import concluded, play
from harness.suites.charger_site import GOOD, OLDER
from harness.suites.charger_virtual import VIRTUAL, rehearse_case
from harness.suites.results import CaseReport
from harness.verdict import Subject, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.history import History
    from harness.suites.charger_cases import Case, CaseResult, Pace
    from harness.suites.charger_site import ChargerSite
    from harness.verdict import Finding


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run, and where its logs go."""

    cases: Sequence[Case]
    pace: Pace
    equipment: Equipment
    folder: Path
    signed: bool = False


async def on_charger(
    site: ChargerSite, charger: str, plan: Plan, tell: Callable[[CaseReport], None]
) -> None:
    """Run every case on one charger; `tell` hears of each as it ends."""
    line = site.desk.line(charger)
    bench: Bench | None = None
    for case in plan.cases:
        away = await _away(site, charger, plan.pace, bench)
        variant = Variant(line.subprotocol or "ocpp1.6", plan.signed)
        why = inapplicable(case, variant, plan.equipment) if line.subprotocol else ""
        if why:
            tell(_report(case, charger, variant, Verdict.NOT_APPLICABLE, reason=why))
        elif away:
            tell(_report(case, charger, variant, Verdict.INCONCLUSIVE, reason=away))
        else:
            if bench is not None:
                await site.until(lambda bench=bench: bench.calm, plan.pace.soon)  # type: ignore[misc]
            bench, report = await _one(site, (charger, variant), case, plan, bench)
            tell(report)


async def _away(site: ChargerSite, charger: str, pace: Pace, before: Bench | None) -> str:
    """Return why nothing can be asked of a charger now, '' if it is there.

    Who stayed away once for as long as a charger may is not waited for again: a box that is dead
    would otherwise cost its patience in every case, and be accused in all of them.
    """
    line, came = site.desk.line(charger), len(site.desk.line(charger).opened)
    patience = 0.0 if line.given_up else pace.connect
    there = line.online or await site.until(lambda: line.online, patience)
    # Who connects and does not boot, or does not stay, is there: the case will say what it does.
    if there or line.socket is not None or len(line.opened) > came:
        line.given_up = False
        return ""
    line.given_up = True
    if before is None:
        return f"it did not connect within {pace.connect:g} s"
    since = before.recorder.history.header.scenario["name"]
    return f"since {since} it has not been back (waited {pace.connect:g} s)"


async def _one(
    site: ChargerSite, who: tuple[str, Variant], case: Case, plan: Plan, before: Bench | None
) -> tuple[Bench, CaseReport]:
    began, (charger, variant) = time.monotonic(), who
    recorder = site.begin(charger, case, plan.pace, variant=variant.name, id=charger)
    images = (GOOD, OLDER if plan.equipment.older else GOOD)
    bench = Bench(
        charger, variant=variant, pace=plan.pace, desk=site.desk, recorder=recorder, at=site,
        after=before, images=images, flaw=case.flaw,
    )  # fmt: skip
    try:
        said = await play(case, bench)
        await asyncio.sleep(min(plan.pace.quiet, 2.0))  # what is on its way still belongs to it
        recorder.mark("end")
    finally:
        site.end(charger)
        log = _keep(recorder.history, plan.folder, case.id, charger)
    result = concluded(case, bench, recorder.history, said)
    report = _report(
        case, charger, variant, result.verdict, reason=result.reason,
        findings=_findings(result), log=log, seconds=time.monotonic() - began,
    )  # fmt: skip
    return bench, report


def _keep(history: History, folder: Path, case: str, charger: str) -> str:
    """Write a case's history; return its path relative to the report."""
    mark = hashlib.sha256(charger.encode()).hexdigest()[:6]  # ids may differ where slugs do not
    relative = f"cases/{slug(case)}-{slug(charger)}-{mark}.ndjson"
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(history.lines())
    return relative


def _findings(result: CaseResult) -> tuple[Finding, ...]:
    if result.judgement is None:
        return ()
    return tuple(
        finding
        for one in result.judgement.results
        if one.verdict in {Verdict.FAIL, Verdict.NON_STRICT}
        for finding in one.findings
        if finding.subject is Subject.CHARGER
    )


def _report(case: Case, who: str, variant: Variant, verdict: Verdict, **rest: Any) -> CaseReport:
    return CaseReport(
        id=case.id, title=case.title, expects=case.expects, requirement=case.requirement,
        level=case.level, who=who, verdict=verdict, variant=variant.name, aliases=case.aliases,
        properties=case.properties, **rest,
    )  # fmt: skip


def rehearsed(cases: Sequence[Case], variant: str, mutant: str = "") -> Iterator[CaseReport]:
    """Run the cases on a simulated charger in virtual time, right or wrong; no logs are kept."""
    wanted = next(one for one in VARIANTS if one.name == variant)
    with mutated_charger(mutant):
        for case in cases:
            why = inapplicable(case, wanted, VIRTUAL)
            if why:
                yield _report(case, "simulated", wanted, Verdict.NOT_APPLICABLE, reason=why)
                continue
            result = rehearse_case(case, wanted)
            yield _report(
                case, "simulated", wanted, result.verdict, reason=result.reason,
                findings=_findings(result), seconds=result.seconds,
            )  # fmt: skip
