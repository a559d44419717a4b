"""How a suite of numbered cases ends: its report, its last lines, its exit code. A shell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.cli.screen import say
from harness.report import matrix
from harness.run_record import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from harness.suites.results import SuiteReport


def end(suite: SuiteReport, folder: Path, console: Console) -> None:
    """Write the report, print the verdict and exit; a pass that left no report is none."""
    written = True
    try:
        matrix.write(folder, suite)
    except OSError as error:
        written = False
        say(f"the report cannot be written to {folder}: {error}", err=True)
    matrix.console(suite, console, folder)
    passed = suite.exit_code is ExitCode.PASSED
    sys.exit(int(ExitCode.NOT_RUN if passed and not written else suite.exit_code))
