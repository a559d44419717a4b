"""Writes the report of a run and prints its verdict block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import report

if TYPE_CHECKING:
    from rich.console import Console

    from harness.run_record import RunRecord


def show(record: RunRecord, console: Console) -> None:
    """Write the report into the run's folder and print the verdict; the last lines repeat it."""
    if record.folder is not None and hasattr(report, "write"):
        report.write(record.folder, record)
    if hasattr(report, "console"):
        report.console(record, console)
        return
    for result in record.judgement.results if record.judgement else ():
        console.print(f"{result.requirement.id} {result.verdict} {result.exercised} {result.note}")
        for finding in result.findings[:3]:
            console.print(f"   {finding.who}: {finding.witness.expected} / {finding.witness.seen}")
            for step in finding.witness.steps:
                console.print(f"      {step.time} {step.source} {step.text}", markup=False)
    for expectation in record.expectations:
        console.print(str(expectation), markup=False)
    console.print(f"{record.verdict} {record.problem} {record.counts}", markup=False)
