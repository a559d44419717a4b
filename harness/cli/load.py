"""`firmdrill load`: a scenario under load, its limit, and two runs compared."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from harness.cli.drills import report_folder
from harness.cli.problems import reported
from harness.errors import UsageError
from harness.library import find
from harness.load.command import Words, environment, line
from harness.target_file import load_target

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
@click.option("--chargers", type=click.IntRange(min=1), help="This many, in the same proportions.")
@click.option("--heartbeats", type=click.FloatRange(min=0), help="A second, of the whole fleet.")
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
    words = Words(
        scenario=scenario,
        folder=report_folder(report, f"load {found.scenario.name}"),
        target=target,
        readers=readers,
        **{name: value for name, value in said.items() if name != "readers"},
    )
    sys.exit(subprocess.call(line(words), env=environment()))  # noqa: S603 - our own interpreter


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
    sys.exit(subprocess.call(line(words), env=environment()))  # noqa: S603 - our own interpreter
