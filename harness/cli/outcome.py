"""Writes the report of a run and prints its verdict block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import report
from harness.processes import deaf_to_interrupts

if TYPE_CHECKING:
    from rich.console import Console

    from harness.run_record import RunRecord


def show(record: RunRecord, console: Console) -> None:
    """Write the report into the run's folder and print the verdict; the last lines repeat it."""
    with deaf_to_interrupts():  # the drill is over: its exit code must be the one in the report
        if record.folder is not None:
            report.write(record.folder, record)
        report.console(record, console)
