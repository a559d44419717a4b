"""`firmdrill forecast`: what each strategy of a rollout would cost, over many nights."""

from __future__ import annotations

import itertools
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.problems import reported
from harness.errors import UsageError
from harness.forecast import DEFAULTS, Night, Watch, night, outlook, strategy
from harness.library import find
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
@click.option("--reaction-p95", default="30 min", show_default=True, help="In 95 of 100 cases.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="First night.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: one a core.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("firmdrill-forecast"),
              show_default=True, help="Folder for forecast.html and forecast.json.")  # fmt: skip
@reported
def forecast(
    *, scenario: str, runs: int, names: tuple[str, ...], failures: int, every: str, reaction: str,
    reaction_p95: str, seed: int, jobs: int | None, out: Path,
) -> None:  # fmt: skip
    """Compare strategies for a rollout before its night.

    SCENARIO is a file or the name of a shipped one: its fleet, its faults, its patience. Its
    operator's steps are replaced by somebody who follows each strategy, watches, and pauses.
    """
    loaded = find(scenario).scenario
    plans = [strategy(name) for name in dict.fromkeys(names or DEFAULTS)]
    watch = Watch(failures, _seconds(every, "--every"), _reaction(reaction, reaction_p95))
    out.mkdir(parents=True, exist_ok=True)
    nights: list[Night] = []
    interrupted = False
    try:
        wanted = _nights(
            loaded, plans, watch, range(seed, seed + runs), jobs or os.cpu_count() or 1
        )
        _collect(wanted, nights, runs * len(plans))
    except KeyboardInterrupt:
        interrupted = True
    if not nights:
        click.echo("interrupted before the first night was over", err=True)
        sys.exit(int(ExitCode.INTERRUPTED))
    about = {
        "scenario": loaded.name, "fleet": nights[0].fleet, "nights": runs, "seed": seed,
        "failures": failures, "every": every, "reaction": f"{reaction} (95 %: {reaction_p95})",
        "interrupted": interrupted,
        "command": _command(scenario, runs, names, failures, every, reaction, reaction_p95, seed),
    }  # fmt: skip
    _publish(about, [one.name for one in plans], nights, out)
    sys.exit(int(ExitCode.INTERRUPTED if interrupted else ExitCode.PASSED))


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
    pool = ProcessPoolExecutor(workers, initializer=be_patient)
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
            click.echo(f"{len(nights)} of {total} nights, {write_duration(round(left))} left")


def _publish(about: dict[str, Any], order: list[str], nights: list[Night], out: Path) -> None:
    by_name = {name: [one for one in nights if one.strategy == name] for name in order}
    outlooks = [outlook(mine) for mine in by_name.values() if mine]
    click.echo(report.table(outlooks))
    (out / "forecast.json").write_bytes(report.to_json(about, outlooks, nights))
    (out / "forecast.html").write_text(report.html(about, outlooks), encoding="utf-8")
    click.echo(f"report     {out / 'forecast.html'}")


def _seconds(text: str, option: str) -> float:
    try:
        seconds = read_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if seconds <= 0:
        raise UsageError(f"{option}: must be longer than nothing")
    return seconds


def _reaction(median: str, p95: str) -> Lognormal:
    middle, high = _seconds(median, "--reaction"), _seconds(p95, "--reaction-p95")
    return Lognormal(median=middle, p95=max(middle, high))


def _command(scenario: str, runs: int, names: tuple[str, ...], *rest: object) -> str:
    failures, every, reaction, p95, seed = rest
    chosen = "".join(f" --strategy {name}" for name in names)
    return (
        f"firmdrill forecast {scenario} --runs {runs}{chosen} --failures {failures} "
        f"--every '{every}' --reaction '{reaction}' --reaction-p95 '{p95}' --seed {seed}"
    )
