"""`firmdrill demo` and `firmdrill run`: one drill, its verdict and its report."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import click

from harness import live, runner, virtual_runner
from harness.cli.outcome import show
from harness.cli.problems import reported
from harness.cli.screen import Screen
from harness.errors import UsageError
from harness.library import find
from harness.target_file import load_target

REPORTS = "firmdrill-reports"


@click.command()
@click.option("--seed", type=click.IntRange(min=0), help="Repeat a run: its seed.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for the report.")
@click.option("-q", "--quiet", is_flag=True, help="Only the verdict.")
@click.option("--json", "as_json", is_flag=True, help="The run as JSON on standard output.")
@reported
def demo(seed: int | None, report: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Rehearse a canary rollout over 300 virtual chargers, with nothing configured.

    Starts our CSMS, a firmware server and the fleet on free loopback ports, lets downloads fail,
    pauses and resumes the rollout, and judges what happened.
    """
    drill("demo", seed=seed, report=report, quiet=quiet, as_json=as_json)


@click.command()
@click.argument("scenario")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the scenario's own seed.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for the report.")
@click.option("--mutant", metavar="NAME", help="Our CSMS with this one wrong decision.")
@click.option(
    "--target",
    type=click.Path(path_type=Path),
    help="A CSMS that is not ours: its target file (`firmdrill target new`).",
)
@click.option("--processes", type=click.IntRange(1, 64), default=1, help="To drive the fleet.")
@click.option("--virtual/--sockets", help="In virtual time: no sockets, no waiting.")
@click.option("-q", "--quiet", is_flag=True, help="Only the verdict.")
@click.option("--json", "as_json", is_flag=True, help="The run as JSON on standard output.")
@reported
def run(
    scenario: str,
    *,
    seed: int | None,
    report: Path | None,
    mutant: str | None,
    target: Path | None,
    processes: int,
    virtual: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run one SCENARIO: a YAML file or the name of a shipped one (`firmdrill scenario list`)."""
    drill(
        scenario,
        seed=seed,
        report=report,
        mutant=mutant,
        target=target,
        processes=processes,
        virtual=virtual,
        quiet=quiet,
        as_json=as_json,
    )


def drill(
    source: str,
    *,
    seed: int | None,
    report: Path | None,
    mutant: str | None = None,
    target: Path | None = None,
    processes: int = 1,
    virtual: bool = False,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run one drill, write its report, print its verdict and exit with its code."""
    found = find(source)
    if mutant is not None:
        _known_mutant(mutant)
    if target is not None and (mutant is not None or virtual):
        raise UsageError("--target is a system of yours: no --mutant of ours, no --virtual time")
    # With --json, standard output belongs to the JSON.
    console = Screen(stderr=as_json, soft_wrap=True)
    options = runner.Options(
        scenario=found.scenario,
        source=found.source,
        folder=report_folder(report, found.scenario.name),
        text=found.text,
        seed=seed,
        mutant=mutant,
        target=None if target is None else load_target(target),
        target_source="" if target is None else os.fspath(target),
        processes=processes,
        virtual=virtual,
    )
    run_one = virtual_runner.run if virtual else runner.run
    record = run_one(options, live.view(console, quiet=quiet or as_json))
    sys.exit(int(show(record, console, as_json=as_json)))


def _known_mutant(name: str) -> None:
    from harness.mutants import insist  # noqa: PLC0415 - only who asks for mutants needs them

    insist(name)


def report_folder(report: Path | None, name: str) -> Path:
    """Return where the report goes: a new folder each time, unless one was named."""
    if report is not None:
        # `os.path`: to a name that is too long, pathlib raises
        if os.path.exists(report) and not os.path.isdir(report):  # noqa: PTH110, PTH112
            raise UsageError(f"--report {report} is a file; give a folder")
        return _made(report, exist_ok=True)
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    base, number = Path(REPORTS) / f"{stamp}-{runner.slug(name)}", 1
    while True:  # made at once: another command of the same second must not get it, too
        try:
            return _made(base if number == 1 else base.with_name(f"{base.name}-{number}"))
        except FileExistsError:
            number += 1


def _made(folder: Path, *, exist_ok: bool = False) -> Path:
    """Make a folder; UsageError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        if isinstance(error, FileExistsError) and folder.is_dir():
            raise
        why = error.strerror or str(error)
        raise UsageError(
            f"the report's folder {folder} cannot be made ({why}); give another one with --report"
        ) from error
    return folder
