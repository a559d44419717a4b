"""`firmdrill csms`, `fleet` and `firmware-server`: one part alone, beside other tools."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from harness import processes, targets
from harness.cli.problems import reported, stop
from harness.cli.screen import Screen
from harness.diagnosis import diagnose
from harness.errors import UsageError
from harness.history import Header, History
from harness.library import find
from harness.progress import Progress
from harness.recorder import Recorder
from harness.run_record import ExitCode
from harness.socket_world import Clock, interrupted_by_signals
from simulator.certificates import client_context
from simulator.charger import Charger
from simulator.dialect import dialect_of
from simulator.event_loop import tidy
from simulator.sockets import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable

PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
TELL_EVERY = 5.0
TELL_EVERY_JSON = 0.5


@click.command("csms", context_settings=PASS_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@reported
def csms(options: tuple[str, ...]) -> None:
    """Run our CSMS alone: REST and OCPP on free loopback ports (`firmdrill csms --help`)."""

    def ready(said: dict[str, Any]) -> None:
        click.echo(f"REST API   {said.get('api')}")
        click.echo(f"OCPP       {said.get('ocpp')}/<charger id>")
        key = said.get("key_file")
        click.echo(f"API key    in {key}" if key else f"API key    from {targets.KEY_VARIABLE}")
        click.echo("Next, in another terminal:")
        if key:
            click.echo(f"  export {targets.KEY_VARIABLE}=$(cat {key})")
        click.echo(
            f"  firmdrill fleet smoke --ocpp {said.get('ocpp')} --register {said.get('ext')}"
        )
        click.echo("Ctrl-C stops it.")

    sys.exit(_run_part("reference_csms", options, ready))


@click.command("firmware-server", context_settings=PASS_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@reported
def firmware_server(options: tuple[str, ...]) -> None:
    """Serve firmware images that break on demand (`firmdrill firmware-server --help`)."""

    def ready(said: dict[str, Any]) -> None:
        click.echo(json.dumps(said))  # for programs, as the help says; the rest is for people
        click.echo(
            f"Images at {said.get('url')}/<any tag>/<image name>; one line a request follows.",
            err=True,
        )

    sys.exit(_run_part("simulator.firmware_server", options, ready))


def _run_part(
    module: str, options: tuple[str, ...], ready: Callable[[dict[str, Any]], None]
) -> int:
    """Run a part in the foreground; pass on what it says, and Ctrl-C."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        processes.command(module, options), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None  # noqa: S101 - it was started with a pipe
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        try:
            for line in child.stdout:
                said = processes.parse(line.encode())
                if said is not None and said.get("ready") is True:
                    ready(said)
                else:
                    click.echo(line, nl=False)
        except KeyboardInterrupt:  # the terminal told the child as well
            child.send_signal(signal.SIGTERM)
        code = child.wait()
    return int(ExitCode.INTERRUPTED) if code == -signal.SIGINT else code


@click.command()
@click.argument("scenario")
@click.option(
    "--ocpp", required=True, help="Where chargers connect: ws://host:port/path (or {id})."
)
@click.option("--register", metavar="URL", help="Base url of our CSMS's /ext/v1, to register them.")
@click.option("--ca", type=click.Path(exists=True), help="CA file of the firmware server.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the scenario's own seed.")
@click.option("--json", "as_json", is_flag=True, help="A JSON line twice a second, for programs.")
@reported
def fleet(
    scenario: str,
    *,
    ocpp: str,
    register: str | None,
    ca: str | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Run only the chargers of SCENARIO against a CSMS that listens at --ocpp, until Ctrl-C."""
    if not ocpp.startswith(("ws://", "wss://")):
        raise UsageError(f"--ocpp {ocpp}: write it as ws://host:port/path or wss://…")
    found = find(scenario)
    chargers = found.scenario.chargers(seed)
    seed = found.scenario.seed if seed is None else seed
    address = targets.Address("", ocpp, os.environ.get(targets.KEY_VARIABLE, ""), ext=register)
    tell = _in_json if as_json else _in_words
    asyncio.run(_fleet(chargers, address, ca, seed=seed, tell=tell))
    if as_json:
        sys.exit(int(ExitCode.INTERRUPTED))
    stop("interrupted", ExitCode.INTERRUPTED)


async def _fleet(
    chargers: list[Any],
    address: targets.Address,
    ca: str | None,
    *,
    seed: int,
    tell: Callable[..., Any],
) -> None:
    if address.ext is not None:
        api = targets.RestApi(address)
        await api.open()
        try:
            await targets.provision(api, chargers)
        finally:
            await api.close()
    clock, progress = Clock(), Progress(len(chargers))
    history = History(Header(), keep=False)
    history.subscribe(progress.see)
    recorder = Recorder(history, clock.now)
    driver = Fleet(
        [Charger(spec, seed=seed, start=clock.epoch) for spec in chargers],
        url=address.charger_url,
        observe=recorder.observe,
        download_ssl=None if ca is None else client_context(ca),  # type: ignore[arg-type]
    )
    stopped = asyncio.Event()
    tidying = asyncio.create_task(tidy())  # it may run for days
    with interrupted_by_signals(stopped.set):
        await driver.start()
        await tell(chargers, address, progress, stopped)
    tidying.cancel()
    await driver.stop()


async def _in_json(
    chargers: list[Any], address: targets.Address, progress: Progress, stopped: asyncio.Event
) -> None:
    """Say how the fleet is, as `{"chargers", "online", "booted", "states", "trouble"}`."""
    del address
    while not stopped.is_set():
        said = {
            "chargers": len(chargers),
            "online": progress.count("online"),
            "booted": progress.count("booted"),
            "states": progress.states(),
            "trouble": dict(list(progress.trouble.items())[:3]),
        }
        click.echo(json.dumps(said))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), TELL_EVERY_JSON)


async def _in_words(
    chargers: list[Any], address: targets.Address, progress: Progress, stopped: asyncio.Event
) -> None:
    """Say how the fleet is, and once why it cannot connect."""
    explained = False
    console = Screen(soft_wrap=True)
    while not stopped.is_set():
        states = ", ".join(f"{name} {count}" for name, count in sorted(progress.states().items()))
        console.print(
            f"online {len(progress.online)}/{len(chargers)}, booted {progress.count('booted')}"
            + (f"; {states}" if states else ""),
            highlight=False,
            markup=False,
        )
        if progress.trouble and not explained:
            explained = True
            spec = next(spec for spec in chargers if spec.id in progress.trouble)
            url = address.charger_url(spec.id)
            reason = await diagnose(url, subprotocols=(dialect_of(spec).subprotocol,))
            console.print(reason.sentence(url), markup=False, highlight=False)
        try:
            await asyncio.wait_for(stopped.wait(), TELL_EVERY)
        except TimeoutError:
            continue
