"""`firmdrill load`: a scenario under load, its limit, and two runs compared."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from harness.cli.drills import report_folder
from harness.cli.problems import reported
from harness.errors import TargetError, UsageError
from harness.library import find
from harness.load import compare as compared
from harness.load.command import Words, become, environment, line
from harness.load.document import checked
from harness.load.limit import Limit, Probe, in_words, search
from harness.load.options import MOST_CHARGERS, RATES
from harness.load.verdict import LoadExit
from harness.run_record import ExitCode
from harness.target_file import load_target
from simulator.units import read_duration

CHARGERS = click.IntRange(1, MOST_CHARGERS)
CONCLUSIVE = {
    ExitCode.PASSED, ExitCode.FAILED, LoadExit.NO_TRAFFIC, LoadExit.TOO_FEW_CHARGERS,
}  # fmt: skip
MISSING = (
    "`firmdrill load` needs Locust, which is not installed. It is an extra of the package: "
    "pip install 'firmdrill[load]' (in a checkout: pip install -e '.[load]'), then try again."
)


class DefaultGroup(click.Group):
    """A group whose first word may be a scenario instead of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let `load SCENARIO …` mean `load run SCENARIO …`."""
        known = {*self.commands, "--help", "-h"}
        if args and args[0] not in known:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("load", cls=DefaultGroup)
def load() -> None:
    """Put a scenario under load: thousands of chargers, dashboards, thresholds, and the judge.

    `firmdrill load SCENARIO` is `firmdrill load run SCENARIO`. Beside the usual exit codes: 5 a
    threshold had no samples, 6 zero traffic, 7 fewer chargers came up than asked for.
    """


def _needs_locust() -> None:
    if importlib.util.find_spec("locust") is None:
        raise UsageError(MISSING)


@load.command()
@click.argument("scenario")
@click.option("--target", type=click.Path(path_type=Path), help="A CSMS that is not ours.")
@click.option("--chargers", type=CHARGERS, help="This many, in the same proportions.")
@click.option("--heartbeats", type=click.FloatRange(min=0), help="A second, of the whole fleet.")
@click.option(
    "--statuses", type=click.FloatRange(min=0), help="StatusNotifications a second, likewise."
)
@click.option("--repeat", metavar="DURATION", help="Begin the plan anew for this long: 30 min.")
@click.option(
    "--readers", type=click.IntRange(min=0), help="Dashboards, instead of the scenario's."
)
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the scenario's own seed.")
@click.option("--mutant", metavar="NAME", help="Our CSMS with this one wrong decision.")
@click.option("--processes", type=click.IntRange(1, 64), help="Workers on this machine.")
@click.option("--master", is_flag=True, help="Wait for workers on other machines.")
@click.option("--expect-workers", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--bind", default="127.0.0.1:5557", show_default=True, help="Where a master listens.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for the report.")
@click.option("--history/--no-history", default=True, help="Keep the merged history.")
@click.option("-v", "--verbose", is_flag=True, help="Locust's own words as well.")
@reported
def run(scenario: str, *, target: Path | None, report: Path | None, **said: Any) -> None:
    """Run one scenario under load, judge it, write its report and exit with its code."""
    _needs_locust()
    found = find(scenario)  # problems are told here, before anything starts
    if target is not None:
        load_target(target)
    readers = found.scenario.load.readers if said["readers"] is None else said["readers"]
    if said["repeat"] is not None:
        said["repeat"] = _duration(said["repeat"])
    words = Words(
        scenario=scenario,
        folder=report_folder(report, f"load {found.scenario.name}"),
        target=target,
        readers=readers,
        **{name: value for name, value in said.items() if name != "readers"},
    )
    become(line(words), environment())


def _duration(text: str) -> float:
    try:
        return read_duration(text)
    except ValueError as error:
        raise UsageError(f"--repeat: {error}") from error


@load.command()
@click.argument("master")
@click.option("--processes", type=click.IntRange(1, 64), default=1, help="On this machine.")
@click.option("-v", "--verbose", is_flag=True, help="Locust's own words as well.")
@reported
def worker(master: str, *, processes: int, verbose: bool) -> None:
    """Drive chargers for the `firmdrill load --master` that listens at MASTER (host:port)."""
    _needs_locust()
    words = Words(scenario="", folder=Path(os.curdir), master_at=master, processes=processes,
                  verbose=verbose)  # fmt: skip
    become(line(words), environment())


@load.command("find-limit")
@click.argument("scenario")
@click.option(
    "--raise", "what", type=click.Choice(["chargers", *RATES]), default="chargers",
    show_default=True, help="What is raised until something breaks.",
)  # fmt: skip
@click.option("--from", "low", type=click.FloatRange(min=1), default=100, show_default=True)
@click.option("--to", "high", type=click.FloatRange(min=1), default=10_000, show_default=True)
@click.option(
    "--within", type=click.FloatRange(min=0.01), default=0.1, show_default=True,
    help="How near to the limit, as a share of it.",
)  # fmt: skip
@click.option("--target", type=click.Path(path_type=Path), help="A CSMS that is not ours.")
@click.option("--chargers", type=CHARGERS, help="While a rate is raised.")
@click.option("--mutant", metavar="NAME", help="Our CSMS, wrong or slow in this way.")
@click.option("--processes", type=click.IntRange(1, 64), help="Workers on this machine.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for limit.json.")
@reported
def find_limit(
    scenario: str, *, what: str, low: float, high: float, within: float, report: Path | None,
    **said: Any,
) -> None:  # fmt: skip
    """Raise chargers or a rate until a threshold or a property breaks; say where and why.

    Every level is a run of its own, on a CSMS of its own unless there is a --target.
    """
    _needs_locust()
    found = find(scenario)
    if high < low:
        raise UsageError(f"--to {high:g} is less than --from {low:g}")
    folder = report_folder(report, f"limit {found.scenario.name}")
    attempt = Attempts(scenario, what, folder, found.scenario.load.readers, said)
    limit = Limit()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the level that runs as well
    try:
        search(attempt, low, high, within=within, whole=what == "chargers", limit=limit)
    finally:  # what was found is worth keeping
        text = json.dumps({**limit.to_dict(), "what": what, "scenario": scenario}, indent=1)
        (folder / "limit.json").write_text(text + "\n", encoding="utf-8")
    unit = "chargers" if what == "chargers" else f"{what} a second"
    click.echo(in_words(limit, unit))
    click.echo(f"report     {folder / 'limit.json'}")
    # Finding the limit is what was asked for; not even the lowest level holding is a failure.
    sys.exit(int(ExitCode.PASSED if limit.held is not None else ExitCode.FAILED))


class Attempts:
    """Tries one level of a search: a run of Locust, and what its load.json says."""

    def __init__(
        self, scenario: str, what: str, folder: Path, readers: int, said: dict[str, Any]
    ) -> None:
        self._scenario = scenario
        self._what = what
        self._folder = folder
        self._readers = readers
        self._said = said
        self._count = 0

    def __call__(self, level: float) -> Probe:
        """Run with this level; TargetError if that says nothing about a limit."""
        self._count += 1
        folder = self._folder / f"{self._count:02}-{level:g}"
        folder.mkdir(parents=True, exist_ok=True)
        raised = {self._what: int(level) if self._what == "chargers" else level}
        words = Words(
            scenario=self._scenario, folder=folder, readers=self._readers, history=False,
            **{**self._said, **raised},
        )  # fmt: skip
        click.echo(f"{level:g} {self._what}: ", nl=False)
        done = subprocess.run(  # noqa: S603 - our own interpreter
            line(words), env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode not in CONCLUSIVE:
            click.echo(f"ended with {done.returncode}")
            last = [word for word in done.stderr.splitlines() if word.strip()]
            told = [word for word in last if word.startswith("ERROR ")] or last[-3:]
            raise TargetError(f"the run ended with {done.returncode}: {' | '.join(told)}")
        record = json.loads((folder / "load.json").read_text(encoding="utf-8"))
        reason = next(iter(record["reasons"]), "")
        click.echo("held" if done.returncode == 0 else reason)
        if record["generator"]["warning"]:
            click.echo(f"  WARNING {record['generator']['warning']}")
        return Probe(level, done.returncode == 0, reason)


@load.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--worse", type=click.FloatRange(min=0), default=0.25, show_default=True,
    help="Share by which a p95 or p99 may be slower, or errors more.",
)  # fmt: skip
@reported
def compare(before: Path, after: Path, *, worse: float) -> None:
    """Compare two runs by their load.json (or report folders); exit 1 if AFTER is slower."""
    old, new = _record(before), _record(after)
    found = compared.rows(old, new)
    for text in compared.lines(old, new, found):
        click.echo(text)
    slow = compared.slower(found, worse)
    for text in slow:
        click.echo(f"SLOWER {text}")
    sys.exit(int(ExitCode.FAILED if slow else ExitCode.PASSED))


def _record(path: Path) -> dict[str, Any]:
    file = path / "load.json" if path.is_dir() else path
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    return checked(said, str(file))
