"""Writes the report of a run, prints its verdict block and says how the command ends."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from harness import report
from harness.cli.screen import say
from harness.processes import deaf_to_interrupts
from harness.report.block import cleaned
from harness.run_record import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from harness.run_record import RunRecord


def show(record: RunRecord, console: Console, *, as_json: bool = False) -> ExitCode:
    """Write the report into the run's folder, print the verdict and return the exit code.

    Where the report cannot be written the verdict is told all the same, and why; but a pass that
    left no report is none. With `as_json` standard output gets the run as JSON.
    """
    with deaf_to_interrupts():  # the drill is over: its exit code must be the one in the report
        problem = _unwritten(record)
        if problem:
            passed = record.exit_code is ExitCode.PASSED
            code = ExitCode.NOT_RUN if passed else record.exit_code
            record = replace(record, folder=None, exit_code=code)
        report.console(record, console)
        if as_json:
            say(json.dumps(record.to_dict(), ensure_ascii=False, default=str))
        if problem:
            say(cleaned(problem), err=True)
    return record.exit_code


def _unwritten(record: RunRecord) -> str:
    """Write the report; return why that was not possible and what makes it again, '' if it was."""
    if record.folder is None:
        return ""
    try:
        report.write(record.folder, record)
    except OSError as error:
        told = f"the report cannot be written to {record.folder} ({error.strerror or error})"
        if record.history is None or not record.history.is_file():
            return told
        again = shlex.join(["firmdrill", "judge", str(record.history), "--report"])
        return f"{told}; once there is room, {again} FOLDER makes it from the history"
    return ""
