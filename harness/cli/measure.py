"""`firmdrill power`: how good the harness itself is, measured with mutants and benign variants."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import power as measuring
from harness.cli.problems import reported
from harness.errors import UsageError
from harness.mutants import Mutant, every, mutant, names
from harness.run_record import ExitCode

if TYPE_CHECKING:
    from harness.power import Power


@click.command()
@click.option("--runs", type=click.IntRange(1), default=400, show_default=True, help="A mutant.")
@click.option("--seconds", type=click.FloatRange(0), default=60.0, show_default=True,
              help="A mutant, on one core.")  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="Only these mutants.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First drill.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: one a core.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for power.md and power.json.")
@reported
def power(
    *, runs: int, seconds: float, only: tuple[str, ...], seed: int, jobs: int | None,
    out: Path | None,
) -> None:  # fmt: skip
    """Measure how many wrong decisions of a CSMS the judge finds, and how often it is wrong."""
    unknown = sorted(set(only) - set(names()))
    if unknown:
        raise UsageError(f"no mutant is called {unknown[0]}; known: {', '.join(names())}")
    chosen = [mutant(name) for name in only] if only else every()
    measured: list[Power] = []
    for one in _measured(chosen, range(seed, seed + runs), seconds, jobs or os.cpu_count() or 1):
        measured.append(one)
        click.echo(_line(one))
    if out is not None:
        _write(measured, out)
    failed = [one.mutant.name for one in measured if not one.works]
    click.echo(f"{len(measured) - len(failed)} of {len(measured)} as they should be"
               + (f"; not: {', '.join(failed)}" if failed else ""))  # fmt: skip
    sys.exit(int(ExitCode.FAILED if failed else ExitCode.PASSED))


def _measured(
    chosen: list[Mutant], numbers: range, seconds: float, workers: int
) -> list[Power] | map[Power]:
    if workers == 1:
        return map(_one, chosen, itertools.repeat(numbers), itertools.repeat(seconds))
    with ProcessPoolExecutor(workers) as pool:
        parts = (itertools.repeat(numbers), itertools.repeat(seconds))
        return list(pool.map(_one, chosen, *parts))


def _one(one: Mutant, numbers: range, seconds: float) -> Power:
    return measuring.measure(one, numbers, clock=time.process_time, within=seconds)


def _line(one: Power) -> str:
    said = one.to_dict()
    fired = ", ".join(f"{name} {count}" for name, count in one.fired.most_common(4))
    if one.mutant.benign:
        return f"{'ok' if one.works else 'ALARM':<8} {one.mutant.name}: {one.accused} / {one.runs}"
    when = f"99 % after {said['runs_for_99']} runs, {said['seconds_for_99']} s"
    return (
        f"{'killed' if one.works else 'SURVIVES':<8} {one.mutant.name}: {one.kills} / {one.runs}"
        + (f", {when}" if one.kills else "")
        + (f"; {fired}" if fired else "")
    )


def _write(measured: list[Power], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "power.md").write_text(measuring.markdown(measured), encoding="utf-8")
    facts = json.dumps([one.to_dict() for one in measured], indent=1)
    (out / "power.json").write_text(facts + "\n", encoding="utf-8")
