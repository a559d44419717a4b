"""`firmdrill judge`: the verdict over a recorded history."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.histories import Lines, named, place
from harness.cli.importing import interruptible, progress
from harness.cli.outcome import show
from harness.cli.problems import reported
from harness.cli.screen import Screen
from harness.errors import UsageError
from harness.history import read, whole
from harness.review import review
from harness.run_record import Ending, ExitCode, RunRecord
from harness.verdict import Verdict

if TYPE_CHECKING:
    from harness.history import Header
    from harness.review import Review


@click.command()
@click.argument("history", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a new report.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on standard output.")
@reported
def judge(history: Path, report: Path | None, *, as_json: bool) -> None:
    """Judge a recorded HISTORY again: a history.ndjson, or the report folder that holds one.

    The verdicts are those of the run; a newer version of firmdrill may see more.
    """
    lines = Lines(place(history))
    with progress(lines, quiet=False), interruptible(lines):
        record = _judged(lines, report)
    console = Screen(stderr=as_json, soft_wrap=True)
    sys.exit(int(show(record, console, as_json=as_json)))


def judged(path: Path, folder: Path | None = None) -> RunRecord:
    """Return the record of a history file; raises UsageError or HistoryError."""
    return _judged(Lines(path), folder)


def _judged(lines: Lines, folder: Path | None) -> RunRecord:
    """Return the record of what is read of a history until it is stopped."""
    path = lines.path
    with named(path):
        header, events = read(lines.read())
        outcome = review(header, whole(events))
    if lines.stopped and not outcome.judgement.events:
        raise KeyboardInterrupt
    if not outcome.judgement.events:
        raise UsageError(f"{path} holds no events: there is nothing to judge")
    record = recorded(header, outcome, path, folder)
    return _interrupted(record, outcome.judgement.verdict) if lines.stopped else record


def _interrupted(record: RunRecord, seen: Verdict) -> RunRecord:
    """Return the record of a judge that had to stop: only what is broken is sure."""
    sure = seen in {Verdict.FAIL, Verdict.ERROR}
    return replace(
        record,
        ending=Ending.INTERRUPTED,
        exit_code=ExitCode.INTERRUPTED,
        verdict=str(seen if sure else Verdict.INCONCLUSIVE),
        problem="interrupted: the history was judged as far as it was read",
    )


def recorded(header: Header, outcome: Review, path: Path, folder: Path | None) -> RunRecord:
    """Return the record of a history that was judged."""
    scenario = {name: str(header.scenario.get(name, "")) for name in ("name", "proves", "file")}
    return RunRecord(
        scenario=scenario,
        seed=header.seed,
        ending=outcome.ending,
        exit_code=outcome.exit_code,
        verdict=outcome.verdict,
        reproduce=f"firmdrill judge {path}",
        target=dict(header.target),
        header=header,
        history=path,
        judgement=outcome.judgement,
        expectations=outcome.expectations,
        phases=outcome.phases,
        counts=outcome.counts,
        rollouts=outcome.rollouts,
        problem=outcome.problem,
        folder=folder,
        wall_seconds=outcome.judgement.duration,  # how long the drill took, not the judging
    )
