"""The group of commands, and the entry point."""

from __future__ import annotations

import click

from harness.about import version
from harness.cli.check import check
from harness.cli.drills import demo, run
from harness.cli.exporting import export
from harness.cli.field_logs import import_command
from harness.cli.forecast import forecast
from harness.cli.load import load
from harness.cli.measure import power
from harness.cli.parts import csms, firmware_server, fleet
from harness.cli.recordings import judge
from harness.cli.replaying import replay
from harness.cli.scenarios import scenario
from harness.cli.search import explore
from harness.cli.target import target


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="firmdrill")
def main() -> None:
    """Rehearse a firmware rollout before the fleet does.

    Exit codes: 0 pass, 1 a property or an expectation failed, 2 wrong usage or an invalid
    scenario, 3 target unreachable or nothing could be concluded, 4 our own error, 130 interrupted.
    """


for _command in (
    demo,
    run,
    judge,
    import_command,
    export,
    replay,
    scenario,
    target,
    check,
    explore,
    forecast,
    load,
    power,
    csms,
    fleet,
    firmware_server,
):
    main.add_command(_command)
