"""`firmdrill forecast`: what each strategy of a rollout would cost, over many nights."""

from __future__ import annotations

import itertools
import os
import shlex
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import writing
from harness.cli.problems import reported, stop
from harness.cli.screen import say
from harness.errors import UsageError
from harness.forecast import DEFAULTS, Night, Watch, night, outlook, strategy
from harness.library import find
from harness.pool import drillers
from harness.report import forecast as report
from harness.run_record import ExitCode
from simulator.event_loop import be_patient
from simulator.faults import Lognormal
from simulator.units import read_duration, write_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.forecast import Strategy
    from simulator.scenario import Scenario

TELL_EVERY = 2.0  # seconds
REPORT, FACTS = "forecast.html", "forecast.json"
TAIL = 3.0  # the 95th of 100 reactions, in medians, unless said otherwise
LOST = (
    "a process that lived through nights was ended from outside: memory may be short; "
    "with --jobs 1 one night runs at a time"
)


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option(
    "--runs", type=click.IntRange(1), default=20, show_default=True, help="Nights a strategy."
)
@click.option(
    "--strategy",
    "names",
    multiple=True,
    metavar="S",
    help="canary:5%, rolling:50, all_at_once; behind it @mixed, /40. May be repeated.",
)
@click.option(
    "--failures",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Failed chargers that make somebody worry.",
)
@click.option("--every", default="1 min", show_default=True, help="How often somebody looks.")
@click.option(
    "--reaction",
    default="10 min",
    show_default=True,
    help="From seeing it to pressing pause: the median.",
)
@click.option(
    "--reaction-p95",
    show_default="three times the median",
    help="In 95 of 100 cases it is shorter.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="First night.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: one a core.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("firmdrill-forecast"),
              show_default=True, help="Folder for forecast.html and forecast.json.")  # fmt: skip
@reported
def forecast(
    *, scenario: str, runs: int, names: tuple[str, ...], failures: int, every: str, reaction: str,
    reaction_p95: str | None, seed: int, jobs: int | None, out: Path,
) -> None:  # fmt: skip
    """Compare strategies for a rollout before its night.

    SCENARIO is a file or the name of a shipped one: its fleet, its faults, its patience. Its
    operator's steps are replaced by somebody who follows each strategy, watches, and pauses.
    """
    loaded = find(scenario).scenario
    if not any(cohort.count for cohort in loaded.fleet):
        raise UsageError(f"{scenario} has no chargers: there is nothing to forecast")
    plans = [strategy(name) for name in dict.fromkeys(names or DEFAULTS)]
    delay = _reaction(reaction, reaction_p95)
    watch = Watch(failures, _seconds(every, "--every"), delay)
    writing.prepare(out, (REPORT, FACTS))
    nights: list[Night] = []
    cut, code = "", ExitCode.PASSED
    seeds = range(seed, seed + runs)
    try:
        _collect(_nights(loaded, plans, watch, seeds, jobs or os.cpu_count() or 1), nights,
                 runs * len(plans))  # fmt: skip
    except KeyboardInterrupt:
        cut, code = "interrupted", ExitCode.INTERRUPTED
    except BrokenExecutor:
        cut, code = LOST, ExitCode.INTERNAL
    if not nights:
        stop(f"{cut}, before the first night was over", code)
    p95 = write_duration(delay.p95)
    about = {
        "scenario": loaded.name, "fleet": nights[0].fleet, "asked": runs, "seed": seed,
        "failures": failures, "every": every, "cut": cut,
        "reaction": f"{reaction} (in 95 of 100 nights less than {p95})",
        "command": _command(scenario, runs, names, {
            "--failures": failures, "--every": every, "--reaction": reaction,
            "--reaction-p95": p95, "--seed": seed,
        }),
    }  # fmt: skip
    _publish(about, [one.name for one in plans], nights, out)
    if cut:
        say(cut, err=True)
    sys.exit(int(code))


def _nights(
    scenario: Scenario, plans: list[Strategy], watch: Watch, seeds: range, workers: int
) -> Iterator[Night]:
    """Yield the nights as they end: every strategy's first, then every second one."""
    pairs = [(plan, seed) for seed in seeds for plan in plans]
    parts = (
        itertools.repeat(scenario), [plan for plan, _ in pairs], itertools.repeat(watch),
        [seed for _, seed in pairs],
    )  # fmt: skip
    if workers == 1:
        be_patient()
        yield from map(night, *parts)
        return
    pool = drillers(workers)
    try:
        yield from pool.map(night, *parts)
    finally:
        pool.shutdown(cancel_futures=True)


def _collect(coming: Iterator[Night], nights: list[Night], total: int) -> None:
    began = told = time.monotonic()
    for one in coming:
        nights.append(one)
        now = time.monotonic()
        if now - told >= TELL_EVERY:
            told = now
            left = (now - began) / len(nights) * (total - len(nights))
            text = f"{len(nights)} of {total} nights, {write_duration(round(left))} left"
            say(text, err=True)  # standard output is the table's


def _publish(about: dict[str, Any], order: list[str], nights: list[Night], out: Path) -> None:
    """Write both files and print the table, with the nights that all strategies lived through."""
    by_name = {name: [one for one in nights if one.strategy == name] for name in order}
    whole = min(map(len, by_name.values()))
    compared = [mine[: max(whole, 1)] for mine in by_name.values() if mine]
    about |= {
        "nights": max(whole, 1),
        "missing": [name for name, mine in by_name.items() if not mine],
    }
    outlooks = [outlook(mine) for mine in compared]
    files = {
        FACTS: report.to_json(about, outlooks, [one for mine in compared for one in mine]),
        REPORT: report.html(about, outlooks).encode(),
    }
    problem = None
    try:
        writing.write(files, out)
    except UsageError as error:
        problem = error
    say(report.table(outlooks))  # it took long to find out
    if problem is not None:
        raise problem
    say(f"report     {out / REPORT}")


def _seconds(text: str, option: str) -> float:
    try:
        seconds = read_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if seconds <= 0:
        raise UsageError(f"{option}: must be longer than nothing")
    return seconds


def _reaction(median: str, p95: str | None) -> Lognormal:
    middle = _seconds(median, "--reaction")
    high = TAIL * middle if p95 is None else _seconds(p95, "--reaction-p95")
    if high < middle:
        raise UsageError(f"--reaction-p95 {p95} is less than --reaction {median}, its median")
    return Lognormal(median=middle, p95=high)


def _command(scenario: str, runs: int, names: tuple[str, ...], rest: dict[str, object]) -> str:
    words = ["firmdrill", "forecast", scenario, "--runs", str(runs)]
    for name in names:
        words += ["--strategy", name]
    for option, value in rest.items():
        words += [option, str(value)]
    return shlex.join(words)
