"""`firmdrill power`: how good the harness itself is, measured with mutants and benign variants."""

from __future__ import annotations

import itertools
import json
import math
import os
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import power as measuring
from harness import power_report
from harness.cli import writing
from harness.cli.problems import reported
from harness.cli.screen import say
from harness.errors import UsageError
from harness.mutants import Mutant, every, insist
from harness.pool import drillers
from harness.run_record import ExitCode
from simulator.event_loop import be_patient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.power import Power


PAGE, FACTS = "power.md", "power.json"
LOST = "a process that ran drills was ended from outside (memory may be short; try --jobs 1)"


@click.command()
@click.option("--runs", type=click.IntRange(1), default=400, show_default=True,
              help="Drawn drills for a CSMS's mutant.")  # fmt: skip
@click.option(
    "--suites",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="The same for a charger's mutant: suites of cases, each on a drawn charger.",
)
@click.option("--seconds", type=click.FloatRange(0), default=60.0, show_default=True,
              help="A mutant, on one core.")  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="Only these mutants.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First drill.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: one a core.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for power.md and power.json.")
@reported
def power(
    *, runs: int, suites: int, seconds: float, only: tuple[str, ...], seed: int, jobs: int | None,
    out: Path | None,
) -> None:  # fmt: skip
    """Measure how many wrong decisions the judge finds, and how often it is wrong."""
    wrong = every()
    for name in only:
        insist(name, [one.name for one in wrong])
    # A wrong decision of a CSMS and one of a charger may share a name: both are meant.
    chosen = [one for name in dict.fromkeys(only) for one in wrong if one.name == name]
    if math.isnan(seconds):
        raise UsageError("--seconds: nan is no number of seconds")
    if out is not None:
        writing.prepare(out, (PAGE, FACTS))
    parts = measuring.plan(chosen or wrong)
    measured: list[Power] = []
    cut: ExitCode | None = None
    try:
        numbers = {"csms": range(seed, seed + runs), "charger": range(seed, seed + suites)}
        for one in _measured(parts, numbers, seconds, jobs or os.cpu_count() or 1):
            measured.append(one)
            say(f"{len(measured):>3}/{len(parts)} {_line(one)}")
    except (KeyboardInterrupt, BrokenExecutor) as why:
        cut = ExitCode.INTERRUPTED if isinstance(why, KeyboardInterrupt) else ExitCode.INTERNAL
    failed = [one.mutant.name for one in measured if not one.works]
    say(f"{len(measured) - len(failed)} of {len(measured)} as they should be"
               + (f"; not: {', '.join(failed)}" if failed else ""))  # fmt: skip
    if cut is not None:
        why_cut = "interrupted" if cut is ExitCode.INTERRUPTED else LOST
        say(f"{why_cut}: {len(parts) - len(measured)} were not measured", err=True)
    if out is not None:
        writing.write(_files(measured), out)
    sys.exit(int(cut or (ExitCode.FAILED if failed else ExitCode.PASSED)))


def _measured(
    chosen: list[tuple[Mutant, bool]], numbers: dict[str, range], seconds: float, workers: int
) -> Iterator[Power]:
    """Yield what was measured of each, in order, as soon as it is known."""
    parts = (itertools.repeat(numbers), itertools.repeat(seconds))
    if workers == 1:
        be_patient()
        yield from map(_one, chosen, *parts)
        return
    pool = drillers(workers)
    try:
        yield from pool.map(_one, chosen, *parts)
    finally:
        pool.shutdown(cancel_futures=True)


def _one(part: tuple[Mutant, bool], numbers: dict[str, range], seconds: float) -> Power:
    one, rare = part
    return measuring.measure(
        one, numbers[one.side], clock=time.process_time, within=seconds, rare=rare
    )


def _line(one: Power) -> str:
    said = one.to_dict()
    fired = ", ".join(f"{name} {count}" for name, count in one.fired.most_common(4))
    if one.mutant.benign:
        return f"{'ok' if one.works else 'ALARM':<8} {_name(one)}: {one.accused} / {one.runs}"
    when = f"99 % after {said['runs_for_99']} runs, {said['seconds_for_99']} s"
    return (
        f"{'killed' if one.works else 'SURVIVES':<8} {_name(one)}: {one.kills} / {one.runs}"
        + (f", {when}" if one.kills else "")
        + (f"; {fired}" if fired else "")
    )


def _name(one: Power) -> str:
    return one.mutant.name + (" (rare)" if one.rare else "")


def _files(measured: list[Power]) -> dict[str, bytes]:
    facts = json.dumps(power_report.to_json(measured), indent=1)
    return {PAGE: power_report.markdown(measured).encode(), FACTS: f"{facts}\n".encode()}
