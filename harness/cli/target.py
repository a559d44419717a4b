"""`firmdrill target`: describe a CSMS that is not ours, and probe it step by step."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from harness.cli.problems import reported
from harness.diagnosis import diagnose
from harness.errors import TargetError, UsageError
from harness.run_record import ExitCode
from harness.target_file import Target, load_target
from harness.targets import RestApi
from harness.world import Request
from simulator.faults import ChargerSpec

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
SUBPROTOCOLS = ("ocpp2.0.1", "ocpp1.6", "ocpp2.1")


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
    """Say step by step whether the CSMS of FILE can be used: API, key, OCPP. Changes nothing."""
    described = load_target(file)
    works = asyncio.run(_probe(described))
    sys.exit(int(ExitCode.PASSED if works else ExitCode.NOT_RUN))


async def _probe(described: Target) -> bool:
    spec = ChargerSpec(
        id="firmdrill-probe", cohort="probe", ocpp="ocpp1.6", vendor="", model="", serial="",
        firmware_version="",
    )  # fmt: skip
    (spec,) = described.rename([spec])
    address = described.address([spec])
    api = RestApi(address)
    await api.open()
    works = True
    try:
        await api.check()
        _tell(True, f"GET {address.api}/fleet/firmware answers with this key")
        for key in ("missing", "wrong"):
            outcome = await api.request(Request("other", "GET", "/fleet/firmware", key=key))
            refused = getattr(outcome, "status", None) == 401  # noqa: PLR2004 - Unauthorized
            _tell(refused, f"with the key {key} it answers {getattr(outcome, 'status', None)}")
    except TargetError as error:
        works = False
        _tell(False, str(error))
    finally:
        await api.close()
    url = address.charger_url(spec.id)
    for subprotocol in SUBPROTOCOLS:
        tls = address.charger_trust(spec.id)
        found = await diagnose(url, subprotocols=(subprotocol,), tls=tls)
        _tell(found.step == "ok", f"{subprotocol}: {found.sentence(url)}")
        works = works and found.step in {"ok", "subprotocol", "auth"}
    return works


def _tell(works: bool, text: str) -> None:
    click.echo(f"{'ok  ' if works else 'FAIL'}  {text}")
