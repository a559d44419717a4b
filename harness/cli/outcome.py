"""Writes the report of a run and prints its verdict block."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

from harness import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from harness.run_record import RunRecord


def show(record: RunRecord, console: Console) -> None:
    """Write the report into the run's folder and print the verdict; the last lines repeat it."""
    with _undisturbed():
        if record.folder is not None:
            report.write(record.folder, record)
        report.console(record, console)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C: the drill is over, and its exit code must be the one in the report."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
