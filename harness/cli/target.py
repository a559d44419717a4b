"""`firmdrill target`: describe a CSMS that is not ours, and probe it step by step."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from harness.cli.problems import reported
from harness.errors import UsageError
from harness.report.block import cleaned
from harness.run_record import ExitCode
from harness.target_file import Target, load_target
from harness.target_probe import probe as probed

TEMPLATE = """\
# A CSMS for `firmdrill run SCENARIO --target {name}`. Secrets stay in the environment.
version: 1
name: my CSMS
api: https://csms.example/api/v1/cpo      # base url of the firmware management API
ocpp: wss://csms.example/ocpp/{{id}}        # where a charger connects
key_env: MY_CSMS_KEY                      # variable that holds the bearer key
# ca: ca.pem                              # authority of its certificates, if it is private
chargers:
  pattern: "CP-{{n:04}}"                    # ids that it knows; or ids: [CP-1, CP-2]
  # password_env: MY_CHARGER_PASSWORD     # security profiles 1 and 2
firmware:
  host: 127.0.0.1                         # where our firmware server listens
# names:                                  # where it names things differently
#   paths: {{create: /rollouts, read: "/rollouts/{{rollout_id}}"}}
#   fields: {{charger_ids: chargePointIds, rollout_id: id}}
#   statuses: {{in_progress: RUNNING}}
profile: {{}}                               # what the API leaves open: {{D6: any}}
"""
SAID = {True: "ok  ", False: "FAIL", None: "?   "}


@click.group("target")
def target() -> None:
    """Describe and probe a CSMS that is not ours."""


@target.command()
@click.argument("file", type=click.Path(path_type=Path))
@reported
def new(file: Path) -> None:
    """Write a target FILE to start from."""
    if file.exists():
        raise UsageError(f"{file} exists already; choose another name")
    try:
        file.write_text(TEMPLATE.format(name=file), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror or error}") from error
    click.echo(f"wrote {file}; next: firmdrill target probe {file}")


@target.command()
@click.argument("file", type=click.Path(path_type=Path))
@reported
def probe(file: Path) -> None:
    """Say step by step whether the CSMS of FILE can be used.

    DNS, TCP, TLS, the key, every operation of the API, every OCPP version and a boot. It starts no
    rollout; where FILE says how a charger is made known, it makes one known for each version.
    """
    described = load_target(file)
    works = asyncio.run(_probe(described))
    sys.exit(int(ExitCode.PASSED if works else ExitCode.NOT_RUN))


async def _probe(described: Target) -> bool:
    works = True
    async for step in probed(described):
        click.echo(cleaned(f"{SAID[step.works]}  {step.text}"))
        works = works and (step.works is not False or not step.vital)
    return works
