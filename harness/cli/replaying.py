"""`firmdrill replay`: one side of a recording played into the other, or a whole drill again."""

from __future__ import annotations

import asyncio
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import live, runner, virtual_runner
from harness.cli.drills import report_folder
from harness.cli.histories import is_history, opened, place
from harness.cli.importing import spare
from harness.cli.outcome import show
from harness.cli.problems import reported
from harness.cli.recordings import judged
from harness.cli.screen import Screen
from harness.errors import TargetError, UsageError
from harness.fieldlog.files import LogFile, import_log
from harness.fieldlog.intake import Options
from harness.fieldlog.replay import Player
from harness.fieldlog.replay_sockets import into_chargers, into_csms
from harness.fieldlog.replay_turns import CHARGER, CSMS, turns_of
from harness.history import read
from harness.library import included
from harness.report.block import cleaned
from harness.run_record import ExitCode
from harness.target_file import load_target
from simulator.certificates import client_context
from simulator.scenario import load

if TYPE_CHECKING:
    from rich.console import Console

    from harness.history import Event, Header
    from harness.run_record import RunRecord

PASSWORD = "FIRMDRILL_STATION_PASSWORD"  # noqa: S105 - the variable's name, not a password
PATIENCE = {CHARGER: 30.0, CSMS: 300.0}  # a CSMS answers at once, a charger downloads first


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", metavar="URL", help="Play the chargers into the CSMS at ws://host:port/path.")
@click.option("--listen", metavar="HOST:PORT", help="Play the CSMS for chargers that connect here.")
@click.option("--speed", default="fast", help="fast, original, or times faster: 10.")
@click.option("--charger", multiple=True, help="Only this charger of the recording; repeatable.")
@click.option("--charge-point-id", default="", help="The charger, where a log names none.")
@click.option("--patience", type=float, help="Seconds longer than recorded to wait for an answer.")
@click.option("--ca", type=click.Path(exists=True), help="CA file of the CSMS (wss://).")
@click.option("--target", type=click.Path(path_type=Path), help="Run the drill again against this.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a drill run again.")
@reported
def replay(
    file: Path,
    *,
    to: str | None,
    listen: str | None,
    speed: str,
    charger: tuple[str, ...],
    charge_point_id: str,
    patience: float | None,
    ca: str | None,
    target: Path | None,
    report: Path | None,
) -> None:
    """Play one side of a recording, or run a recorded drill again.

    FILE is a history, a report folder, a trace or any log that `firmdrill import` reads. With --to
    its chargers talk to a CSMS, with --listen its CSMS talks to chargers that connect; answers are
    matched by meaning, and the first divergence ends in exit code 1. With neither, the drill that
    FILE records is run again from its scenario and seed. A password comes from
    FIRMDRILL_STATION_PASSWORD.
    """
    if to is not None and listen is not None:
        raise UsageError("--to and --listen exclude each other: one side is played")
    console = Screen(soft_wrap=True)
    if to is None and listen is None:
        sys.exit(_rerun(file, target, report, console))
    side = CHARGER if to is not None else CSMS
    players, versions = _players(
        _events(file, charge_point_id), charger, side=side, speed=_speed(speed),
        patience=PATIENCE[side] if patience is None else patience,
    )  # fmt: skip
    count, turns = len(players), sum(len(player.turns) for player in players.values())
    console.print(
        f"Playing the {side}'s side: {count} charger{'' if count == 1 else 's'}, {turns} turns …",
        markup=False, highlight=False,
    )  # fmt: skip
    if to is not None:
        _into_csms(players, to, versions, ca)
    else:
        host, port = _place(str(listen))
        asyncio.run(
            into_chargers(
                players, host=host, port=port, subprotocols=versions,
                listening=lambda url: console.print(
                    f"Chargers connect to {url}/<charger id>", markup=False, highlight=False),
                wait=PATIENCE[CSMS],
            )
        )  # fmt: skip
    sys.exit(_tell(players, console))


def _into_csms(
    players: dict[str, Player], to: str, versions: dict[str, str], ca: str | None
) -> None:
    if not to.startswith(("ws://", "wss://")):
        raise UsageError(f"--to {to}: write it as ws://host:port/path or wss://…")
    tls = client_context(Path(ca)) if ca is not None else None
    asyncio.run(
        into_csms(
            players, to, subprotocols=versions, password=os.environ.get(PASSWORD) or None, tls=tls
        )
    )
    if all(player.divergence and not player.done for player in players.values()):
        first = next(player.divergence for player in players.values() if player.divergence)
        raise TargetError(f"nobody could connect to {to}: {first.seen}")


def _tell(players: dict[str, Player], console: Console) -> int:
    """Say how far each charger came, and the first divergence of all; return the exit code."""

    def say(text: str) -> None:
        console.print(cleaned(text), markup=False, highlight=False)

    for name, player in players.items():
        how = "diverged" if player.divergence else "as recorded"
        say(f"{name}: {player.done} of {len(player.turns)} turns, {how}")
        for remark in dict.fromkeys(player.remarks):
            say(f"  {remark} ({player.remarks.count(remark)} times)")
    diverged = [(p.divergence, n) for n, p in players.items() if p.divergence is not None]
    if not diverged:
        say("As recorded: every answer means the same.")
        return int(ExitCode.PASSED)
    first, name = min(diverged, key=lambda pair: pair[0].time)
    say(f"first divergence: {name}, {first.place} ({first.time:.3f} s)")
    say(f"  expected: {first.expected}")
    say(f"  seen:     {first.seen}")
    return int(ExitCode.FAILED)


# ---------------------------------------------------------------------- what is played


def _events(file: Path, charger: str) -> list[Event]:
    """Return the chargers' events of a history, or of a log that is imported on the way."""
    path = place(file)
    if is_history(path):
        with opened(path) as lines:
            return [event for event in read(lines)[1] if event.charger is not None]
    events: list[Event] = []
    import_log(
        LogFile(path),
        Options(name=path.name, charger=charger),
        begin=lambda _: None,
        see=lambda event: events.append(event) if event.charger is not None else None,
        report=lambda line, problem: click.echo(cleaned(f"line {line}: {problem}"), err=True),
    )
    return events


def _players(
    events: list[Event], only: tuple[str, ...], *, side: str, speed: float, patience: float
) -> tuple[dict[str, Player], dict[str, str]]:
    """Return a player a charger, and the subprotocol that each speaks."""
    mine: dict[str, list[Event]] = {}
    for event in events:
        mine.setdefault(str(event.charger), []).append(event)
    unknown = [name for name in only if name not in mine]
    if unknown:
        raise UsageError(f"the recording has no charger {unknown[0]}; it has {', '.join(mine)}")
    wanted = {name: mine[name] for name in (only or mine)}
    turns = {name: turns_of(said, side) for name, said in wanted.items()}
    turns = {name: steps for name, steps in turns.items() if any(t.kind != "open" for t in steps)}
    if not turns:
        raise UsageError("the recording holds no frame that could be played")
    begin = min(steps[0].time for steps in turns.values())
    players = {
        name: Player(steps, side=side, begin=begin, speed=speed, patience=patience)
        for name, steps in turns.items()
    }
    versions = {name: _version(wanted[name]) for name in turns}
    return players, versions


def _version(events: list[Event]) -> str:
    said = (str(event.data.get("subprotocol") or "") for event in events if event.kind == "open")
    return next((version for version in said if version), "ocpp1.6")


def _speed(text: str) -> float:
    if text == "fast":
        return math.inf
    try:
        speed = 1.0 if text == "original" else float(text.rstrip("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < math.inf:
        raise UsageError(f"--speed {text}: write fast, original, or a number above zero")
    return speed


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--listen {text}: write it as 127.0.0.1:9000, port 0 for any free one")
    return host.strip("[]"), int(port)


# ---------------------------------------------------------------------- a drill again


def _rerun(file: Path, target: Path | None, report: Path | None, console: Console) -> int:
    """Run the drill of a history again and say whether it came out the same."""
    path = place(file)
    if not is_history(path):
        raise UsageError(f"{path} is no history of a drill: say --to or --listen to play it")
    before = judged(path)
    header = before.header
    assert header is not None  # noqa: S101 - a history has one
    options = _options(header, path, target, report)
    run = virtual_runner.run if options.virtual else runner.run
    after = run(options, live.view(console, quiet=True))
    code = show(after, console)
    lost, new = _broken(before) - _broken(after), _broken(after) - _broken(before)
    same = not lost and not new and before.verdict == after.verdict
    told = f"broke {', '.join(sorted(_broken(before))) or 'nothing'}"
    if same:
        console.print(f"reproduced: as recorded, {before.verdict}, {told}")
    else:
        console.print(f"not reproduced: the recording was {before.verdict}, {told}")
    return int(code) if same or code else int(ExitCode.FAILED)


def _options(
    header: Header, path: Path, target: Path | None, report: Path | None
) -> runner.Options:
    text, source = str(header.scenario.get("text") or ""), str(header.scenario.get("file") or "")
    if not text:
        raise UsageError(f"{path} does not hold its scenario: say --to or --listen to play it")
    kind = str(header.target.get("kind", ""))
    if target is None and header.target.get("foreign"):
        name = header.target.get("name")
        raise UsageError(f"the drill ran against {name}: name its target file with --target")
    scenario = load(text, name=source or path.name, include=partial(included, source))
    mutant = header.target.get("mutant")
    folder = report_folder(report, f"again-{scenario.name}")
    spare(path, folder / runner.HISTORY)  # the recording may be all there is of it
    return runner.Options(
        scenario=scenario,
        source=source or str(path),
        folder=folder,
        text=text,
        seed=header.seed,
        mutant=str(mutant) if mutant and target is None else None,
        target=None if target is None else load_target(target),
        target_source="" if target is None else os.fspath(target),
        virtual=target is None and kind == "virtual",
    )


def _broken(record: RunRecord) -> set[str]:
    return {
        result.requirement.id for result in (record.judgement.failed if record.judgement else ())
    }
