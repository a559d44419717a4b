"""`firmdrill check csms`: the numbered cases against anyone's CSMS."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.drills import report_folder
from harness.cli.problems import reported
from harness.cli.screen import Screen, say
from harness.cli.suite_end import end
from harness.errors import TargetError, UsageError
from harness.report.block import cleaned
from harness.suites import csms_run
from harness.suites.csms_run import Interrupted, Suite, chosen
from harness.suites.results import SuiteReport, announce
from harness.target_file import load_target, read_expected
from simulator.units import read_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from harness.suites.csms_cases import CsmsCase
    from harness.suites.csms_probes import Probe
    from harness.suites.results import CaseReport

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("prefixes", nargs=-1, metavar="[CASE]...")
@click.option("--target", type=FILE, help="Its target file; default: our reference CSMS.")
@click.option(
    "--search",
    default="60 s",
    show_default=True,
    help="How long drawn drills are tried afterwards; 0 for none.",
)
@click.option("--expected", type=FILE, help="YAML: case -> why it is expected to fail.")
@click.option("--strict", is_flag=True, help="Cases at level SHOULD must pass, too.")
@click.option("--list", "listing", is_flag=True, help="List the cases and end.")
@click.option("--mutant", metavar="NAME", help="Our reference CSMS with one wrong decision.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the scenarios' own seeds.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for the report.")
@reported
def csms(
    *, prefixes: tuple[str, ...], target: Path | None, search: str, expected: Path | None,
    strict: bool, listing: bool, mutant: str | None, seed: int | None, report: Path | None,
) -> None:  # fmt: skip
    """Check a CSMS from the outside: its rollout API, and how it treats chargers.

    CASE chooses cases by the beginning of their number (`rollout/pause`) or by a certification case
    that they match (TC_044). The search follows only where all cases are run.
    """
    drilled, probes = chosen(prefixes)
    if not drilled and not probes:
        raise UsageError(f"no case begins with {' or '.join(prefixes)}; --list shows all")
    if listing:
        _list(drilled, probes)
        return
    _known(mutant, target)
    described = None if target is None else load_target(target)
    announced = read_expected(expected) if expected else described.announced() if described else {}
    _all_known(announced)
    seconds = 0.0 if prefixes else _duration(search)
    folder = report_folder(report, "check-csms")
    source = os.fspath(target) if target else ""
    suite = Suite(folder, described, source, mutant, seed, announced)
    result = SuiteReport(
        "CSMS", strict=strict, about={"system": suite.who},
        reproduce=_command(prefixes, target=target, search=search, expected=expected,
                           strict=strict, mutant=mutant, seed=seed),
    )  # fmt: skip
    console = Screen(soft_wrap=True)
    began = time.monotonic()
    _run(suite, result, (drilled, probes), seconds, console)
    result.seconds = time.monotonic() - began
    end(result, folder, console)


def _run(
    suite: Suite, result: SuiteReport, cases: tuple[list[CsmsCase], list[Probe]],
    seconds: float, console: Console,
) -> None:  # fmt: skip
    """Collect what the cases say; a system that cannot be reached is no verdict about it."""
    try:
        _collect(csms_run.probed(suite, cases[1]), suite, result, console)
        if cases[1]:
            _collect(csms_run.at_the_door(suite), suite, result, console)
        _collect(csms_run.drilled(suite, cases[0]), suite, result, console)
        if seconds > 0.0:
            _collect(csms_run.searched(suite, seconds, tell=say), suite, result, console)
    except (Interrupted, KeyboardInterrupt):
        result.interrupted = True
    except TargetError as error:
        result.problem = str(error)


def _collect(
    reports: Iterable[CaseReport], suite: Suite, result: SuiteReport, console: Console
) -> None:
    for (one,) in (announce([each], suite.announced) for each in reports):
        result.cases.append(one)
        said = str(one.verdict).lower().replace("_", " ")
        why = f": {one.reason}" if one.reason else ""
        why += f" (announced: {one.announced})" if one.announced else ""
        console.print(cleaned(f"{said:<15} {one.id:<20} {one.title}{why}"), markup=False,
                      highlight=False)  # fmt: skip


def _list(drilled: list[CsmsCase], probes: list[Probe]) -> None:
    for one in drilled:
        names = f"  ({', '.join(one.aliases)})" if one.aliases else ""
        judged = " ".join(one.properties)
        click.echo(f"{one.id:<22} {one.level:<6} {one.title} [{one.drill}: {judged}]{names}")
    for probe in probes:
        click.echo(f"{probe.id:<22} {probe.level:<6} {probe.title} [{probe.method} {probe.path}]")
    click.echo(f"{len(drilled) + len(probes)} cases")


def _known(mutant: str | None, target: Path | None) -> None:
    if mutant is None:
        return
    from harness.mutants import insist  # noqa: PLC0415 - only who asks for mutants needs them

    if target is not None:
        raise UsageError("--target is a system of yours: no --mutant of ours")
    insist(mutant)


def _all_known(announced: dict[str, str]) -> None:
    """Refuse reasons for cases that do not exist: a slip there would hide a failure."""
    drilled, probes = chosen(())
    known = {one.id for one in drilled} | {one.id for one in probes} | {csms_run.DOOR}
    known |= {f"{csms_run.SEARCHED}/{one}" for one in csms_run.TEXTS}
    unknown = [one for one in announced if one not in known]
    if unknown:
        raise UsageError(f"expected failures name {unknown[0]}, which is no case; --list shows all")


def _duration(text: str) -> float:
    try:
        return read_duration(text)
    except ValueError as error:
        raise UsageError(f"--search: {error}") from None


def _command(prefixes: tuple[str, ...], **options: Any) -> str:
    words = ["firmdrill", "check", "csms", *prefixes]
    for name, value in options.items():
        if value not in (None, False, ""):
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join(words)
