"""`firmdrill check charger`: we play the CSMS and the firmware server; a charger connects to us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.drills import report_folder
from harness.cli.problems import reported
from harness.cli.screen import Screen
from harness.cli.suite_end import end
from harness.errors import UsageError
from harness.report.block import cleaned
from harness.socket_world import interrupted_by_signals
from harness.suites.charger_cases import HUMAN, QUICK, VARIANTS, Equipment
from harness.suites.charger_register import chosen
from harness.suites.charger_run import Plan, on_charger, rehearsed
from harness.suites.charger_signing import OurSigner, read_key
from harness.suites.charger_site import CORRUPT, GOOD, OLDER, ChargerSite, SiteOptions, manufacturer
from harness.suites.results import SuiteReport
from simulator.certificates import KeyPair
from simulator.units import read_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from harness.suites.charger_cases import Case, Pace
    from harness.suites.charger_signing import Signer
    from harness.suites.results import CaseReport

PASSWORD = "FIRMDRILL_STATION_PASSWORD"  # noqa: S105 - the name of a variable
PACES = {"human": HUMAN, "quick": QUICK}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LISTEN = "127.0.0.1:9000"


@click.command()
@click.argument("prefixes", nargs=-1, metavar="[CASE]...")
@click.option(
    "--charger",
    "ids",
    multiple=True,
    metavar="ID",
    help="Wait for these chargers; default: the first one that connects.",
)
@click.option(
    "--listen",
    default=LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Where chargers connect: ws://HOST:PORT/<id>.",
)
@click.option(
    "--firmware-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of our firmware server; default: any free one.",
)
@click.option(
    "--firmware-url",
    default="",
    metavar="URL",
    help="How chargers reach our firmware server, where that is not as we listen.",
)
@click.option("--image", type=FILE, help="An image that the charger takes (default: made up).")
@click.option("--older", type=FILE, help="Another version, to go back and forth.")
@click.option("--corrupt", type=FILE, help="A damaged image; default: we damage the good one.")
@click.option("--signed", is_flag=True, help="The charger's updates are signed.")
@click.option("--signing-key", type=FILE, help="PEM key that signs images; default: one of ours.")
@click.option("--signing-cert", type=FILE, help="Its certificate, PEM, that the charger trusts.")
@click.option("--tls-cert", type=FILE, help="Serve wss and https with this certificate.")
@click.option("--tls-key", type=FILE, help="Its key.")
@click.option(
    "--pace",
    type=click.Choice(sorted(PACES)),
    default="human",
    show_default=True,
    help="How patient we are.",
)
@click.option("--download", metavar="TIME", help="How long a download may take.")
@click.option("--install", metavar="TIME", help="How long an installation may take.")
@click.option("--non-interactive", is_flag=True, help="Nobody is there to plug a car.")
@click.option("--strict", is_flag=True, help="Cases at level SHOULD must pass, too.")
@click.option("--list", "listing", is_flag=True, help="List the cases and end.")
@click.option(
    "--simulated",
    type=click.Choice([one.name for one in VARIANTS]),
    help="Try the cases on a simulated charger in virtual time; nothing listens.",
)
@click.option("--mutant", metavar="NAME", help="With --simulated: one wrong decision in it.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for the report.")
@reported
def charger(prefixes: tuple[str, ...], **options: Any) -> None:
    """Check real chargers: they connect to us, we update them and watch.

    CASE chooses cases by the beginning of their number (`download/`) or by a certification case
    that they match (TC_044_1). A password for HTTP Basic is taken from FIRMDRILL_STATION_PASSWORD.
    """
    cases = chosen(prefixes)
    if not cases:
        raise UsageError(f"no case begins with {' or '.join(prefixes)}; --list shows all")
    if options["listing"]:
        _list(cases)
        return
    folder = report_folder(options["report"], "check-charger")
    suite = SuiteReport("chargers", strict=options["strict"], reproduce=_command(prefixes, options))
    console = Screen(soft_wrap=True)
    began = time.monotonic()
    if options["simulated"]:
        _simulated(suite, cases, options, console)
    elif options["mutant"]:
        raise UsageError("--mutant needs --simulated: a real charger decides for itself")
    else:
        asyncio.run(_real(suite, cases, options, folder, console))
    suite.seconds = time.monotonic() - began
    end(suite, folder, console)


def _list(cases: list[Case]) -> None:
    for one in cases:
        names = f"  ({', '.join(one.aliases)})" if one.aliases else ""
        click.echo(f"{one.id:<15} {one.level:<6} {one.title}: {one.expects}{names}")
    click.echo(f"{len(cases)} cases")


def _simulated(
    suite: SuiteReport, cases: list[Case], options: dict[str, Any], console: Console
) -> None:
    from harness.mutants import insist, names  # noqa: PLC0415 - only who asks for mutants needs them

    mutant = options["mutant"] or ""
    if mutant:
        insist(mutant, names("charger"))
    suite.about = {"charger": f"simulated, {options['simulated']}, virtual time"}
    if mutant:
        suite.about["mutant"] = mutant
    for report in rehearsed(cases, options["simulated"], mutant):
        suite.cases.append(report)
        _tell(console, report)


async def _real(
    suite: SuiteReport, cases: list[Case], options: dict[str, Any], folder: Path, console: Console
) -> None:
    signer, ours = _signer(options)
    site = ChargerSite(
        _site_options(options), signer=signer, ask=_asker(console, options["non_interactive"]),
        refused=lambda why: _say(console, f"refused: {why}"),
    )  # fmt: skip
    plan = Plan(
        cases=cases, pace=_pace(options), folder=folder, signed=options["signed"],
        equipment=_equipment(options, signer),
    )  # fmt: skip
    try:
        await site.start()
        ocpp, firmware = site.urls
        suite.about = {"chargers connect to": f"{ocpp}/<id>", "images at": firmware}
        _say(console, f"Have the charger connect to {ocpp}/<its id>; images come from {firmware}")
        if ours and options["signed"]:
            root = folder / "firmware-root.pem"
            root.write_text(ours, encoding="utf-8")
            _say(console, f"Images are signed by us: have the charger trust {root}")
        await _until_interrupted(suite, _rack(site, plan, options["ids"], suite, console))
    finally:
        await site.stop()


async def _rack(
    site: ChargerSite, plan: Plan, ids: tuple[str, ...], suite: SuiteReport, console: Console
) -> None:
    def tell(report: CaseReport) -> None:
        suite.cases.append(report)
        _tell(console, report)

    if not ids:
        came = await site.until(lambda: bool(site.desk.lines), plan.pace.connect)
        if not came:
            suite.problem = f"no charger connected within {plan.pace.connect:g} s"
            return
        ids = tuple(site.desk.lines)[:1]
    await asyncio.gather(*(on_charger(site, one, plan, tell) for one in dict.fromkeys(ids)))


async def _until_interrupted(suite: SuiteReport, work: Any) -> None:
    """Do it; Ctrl-C ends it, and what was found is still reported."""
    task = asyncio.ensure_future(work)

    def stop() -> None:
        suite.interrupted = True
        task.cancel()

    with interrupted_by_signals(stop), contextlib.suppress(asyncio.CancelledError):
        await task


def _signer(options: dict[str, Any]) -> tuple[Signer, str]:
    """Return who signs, and the root to trust where that is us."""
    key, certificate = options["signing_key"], options["signing_cert"]
    if (key is None) != (certificate is None):
        raise UsageError("--signing-key and --signing-cert need each other")
    maker = manufacturer()
    if key is None:
        return OurSigner(maker), maker.root
    return read_key(key, certificate, stranger=maker), ""


def _site_options(options: dict[str, Any]) -> SiteOptions:
    host, _, port = options["listen"].rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004
        raise UsageError(f"--listen {options['listen']}: write it as HOST:PORT")
    if (options["tls_cert"] is None) != (options["tls_key"] is None):
        raise UsageError("--tls-cert and --tls-key need each other")
    if host.strip("[]") in {"0.0.0.0", "::"} and not options["firmware_url"]:  # noqa: S104 - compared
        raise UsageError(
            f"--listen {options['listen']} is every address of this machine: say with "
            "--firmware-url http://ADDRESS:PORT (and --firmware-port) how chargers reach the images"
        )
    if options["image"] is None and (options["older"] or options["corrupt"]):
        raise UsageError("--older and --corrupt need --image")
    files = {GOOD: options["image"], OLDER: options["older"], CORRUPT: options["corrupt"]}
    return SiteOptions(
        host=host.strip("[]"),
        port=int(port),
        firmware_port=options["firmware_port"],
        firmware_url=options["firmware_url"],
        images={name: path for name, path in files.items() if path is not None},
        tls=KeyPair(options["tls_cert"], options["tls_key"]) if options["tls_cert"] else None,
        password=os.environ.get(PASSWORD) or None,
    )


def _equipment(options: dict[str, Any], signer: Signer) -> Equipment:
    return Equipment(
        flaws=signer.flaws,
        person=not options["non_interactive"],
        older=options["image"] is None or options["older"] is not None,
    )


def _pace(options: dict[str, Any]) -> Pace:
    pace = PACES[options["pace"]]
    try:
        return replace(
            pace,
            download=read_duration(options["download"] or pace.download),
            install=read_duration(options["install"] or pace.install),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _asker(console: Console, silent: bool) -> Callable[[str, str], Any]:
    turn = asyncio.Lock()

    async def ask(charger: str, what: str) -> bool:
        if silent:
            return False
        async with turn:  # one question at a time, however many chargers there are
            _say(console, f"\n{charger}: please {what}, then press Enter (s and Enter to skip) ")
            line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        return bool(line) and line.strip().lower() != "s"

    return ask


def _tell(console: Console, report: CaseReport) -> None:
    said = str(report.verdict).lower().replace("_", " ")
    why = f": {report.reason}" if report.reason else ""
    _say(console, f"{said:<15} {report.who} {report.id} {report.title}{why}")


def _say(console: Console, text: str) -> None:
    console.print(cleaned(text), markup=False, highlight=False)


def _command(prefixes: tuple[str, ...], options: dict[str, Any]) -> str:
    """Return the command that does it again; no option holds a secret."""
    words = ["firmdrill", "check", "charger", *prefixes]
    idle = {"report", "listen", "pace"} if options["simulated"] else {"report"}
    for name, value in options.items():
        flag = "--" + {"ids": "charger", "listing": "list"}.get(name, name.replace("_", "-"))
        if name in idle or value in (None, False, "", (), 0):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [flag] if one is True else [flag, str(one)]
    return shlex.join(words)
