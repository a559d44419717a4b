"""`firmdrill explore`: search drawn drills in virtual time for one that breaks a property."""

from __future__ import annotations

import math
import os
import shlex
import sys
import textwrap
import time
from concurrent.futures import BrokenExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.checkers import REQUIREMENTS
from harness.cli.problems import reported
from harness.cli.screen import say
from harness.errors import UsageError
from harness.explore import Failure, Outcome, Search, smallest, try_one
from harness.mutants import insist
from harness.pool import drillers
from harness.run_record import ExitCode
from harness.runner import slug
from simulator.event_loop import be_patient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TELL_EVERY = 5.0
_CHUNK = 8
LOST = "a process that ran drills was ended from outside: memory may be short; try --jobs 1"


@click.command()
@click.option("--runs", type=click.IntRange(1), help="At most; default: as many as time allows.")
@click.option(
    "--seconds", type=click.FloatRange(0), default=60.0, show_default=True, help="Budget."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First drill.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: one a core.")
@click.option("--mutant", metavar="NAME", help="Search our CSMS with this one wrong decision.")
@click.option(
    "--rare",
    is_flag=True,
    help="In rarer circumstances: slow installations, an impatient "
    "CSMS, bad lines, wrong clocks, all quirks.",
)
@click.option("--tries", type=click.IntRange(0), default=400, show_default=True,
              help="Scenarios tried to make a failure small.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("firmdrill-found"),
              show_default=True, help="Folder for the scenarios found.")  # fmt: skip
@reported
def explore(
    *,
    runs: int | None,
    seconds: float,
    seed: int,
    jobs: int | None,
    mutant: str | None,
    rare: bool,
    tries: int,
    out: Path,
) -> None:
    """Search for the smallest drill that breaks a property of our CSMS or of a mutant of it.

    Drills are drawn by number, so a search can be repeated and divided. Each distinct failure is
    made small and written as a scenario file.
    """
    if mutant is not None:
        insist(mutant)
    if math.isnan(seconds):
        raise UsageError("--seconds: nan is no number of seconds")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; give a folder")
    workers = jobs or os.cpu_count() or 1
    began = time.monotonic()
    seen = Search()
    told = began
    attempt = partial(try_one, mutant=mutant, rare=rare)
    cut: ExitCode | None = None
    try:
        numbers = range(seed, seed + (runs or sys.maxsize))
        for outcome in _outcomes(numbers, attempt, workers, began + seconds):
            for failure in seen.add(outcome):
                say(f"drill {outcome.number} breaks {failure.requirement}: {failure.seen}")
            now = time.monotonic()
            if now - told >= TELL_EVERY:
                told = now
                say(_line(seen, seed, now - began))
    except (KeyboardInterrupt, BrokenExecutor) as why:
        cut = _cut(why)
    say(_line(seen, seed, time.monotonic() - began))
    say(_coverage(seen))
    for number, error in seen.broken:
        say(f"drill {number} could not be run: {error}", err=True)
    _keep(seen, out, 0 if cut else tries)
    sys.exit(int(_code(seen) if cut is None else cut))


def _cut(why: BaseException) -> ExitCode:
    """Say why the search ends here; what it has found is kept."""
    lost = isinstance(why, BrokenExecutor)
    say(LOST if lost else "interrupted; what was found is kept as it was drawn", err=True)
    return ExitCode.INTERNAL if lost else ExitCode.INTERRUPTED


def _keep(seen: Search, out: Path, tries: int) -> None:
    """Write each failure, made small; as it was drawn once the user has had enough."""
    enough = False
    for failure in seen.failures.values():
        small = failure
        try:
            small = smallest(failure, attempts=tries) if tries and not enough else failure
        except KeyboardInterrupt:
            enough = True
            _cut(KeyboardInterrupt())
        _write(small, out)
    if enough:
        sys.exit(int(ExitCode.INTERRUPTED))


def _outcomes(
    numbers: range, attempt: Callable[[int], Outcome], workers: int, deadline: float
) -> Iterator[Outcome]:
    """Yield the outcomes in the order of the numbers, until time is up."""
    if workers == 1:
        be_patient()
        for number in numbers:
            if time.monotonic() > deadline:
                return
            yield attempt(number)
        return
    with drillers(workers) as pool:
        for begin in range(numbers.start, numbers.stop, _CHUNK * workers):
            if time.monotonic() > deadline:
                return
            part = range(begin, min(begin + _CHUNK * workers, numbers.stop))
            yield from pool.map(attempt, part, chunksize=_CHUNK)


def _line(seen: Search, first: int, seconds: float) -> str:
    tested = sum(requirement.id in seen.exercised for requirement in REQUIREMENTS)
    numbers = f" (numbers {first} to {first + seen.runs - 1})" if seen.runs else ""
    return (
        f"{seconds:6.1f} s  {seen.runs} drills{numbers}, {seen.runs / max(seconds, 0.001):.0f}/s, "
        f"{tested} of {len(REQUIREMENTS)} properties put to the test, "
        f"{len(seen.failures)} distinct failures"
    )


def _coverage(seen: Search) -> str:
    """Say how many drills put each property to the test."""
    told = ", ".join(f"{one.id}={seen.exercised[one.id]}" for one in REQUIREMENTS)
    words = f"drills that put a property to the test: {told}"
    return textwrap.fill(words, 100, subsequent_indent="  ", break_on_hyphens=False)


def _write(failure: Failure, out: Path) -> None:
    parts = (failure.requirement.lower(), failure.subject, slug(failure.mutant or "reference"))
    name = "-".join(parts) + ".yaml"  # the wire rules may accuse either side
    path = out / name
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(failure.yaml(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    with_mutant = f" --mutant {failure.mutant}" if failure.mutant else ""
    chargers = sum(cohort["count"] for cohort in failure.fields["fleet"])
    how = f"made small in {failure.tried} tries to" if failure.tried else "as it was drawn,"
    say(
        f"{failure.requirement} ({failure.subject}): {how} "
        f"{chargers} chargers and {len(failure.fields['operator'])} steps: {failure.seen}\n"
        f"  firmdrill run {shlex.quote(str(path))} --virtual{with_mutant}"
    )


def _code(seen: Search) -> ExitCode:
    if seen.failures:
        return ExitCode.FAILED
    if seen.broken:
        return ExitCode.INTERNAL
    return ExitCode.PASSED if seen.runs else ExitCode.NOT_RUN
