"""One part of a divided fleet: a process that drives its chargers and tells everything it sees.

A shell, run by `divided.DividedFleet` as `python -I -m simulator.fleet_process`. Commands come as
JSON lines on standard input, the first of them `Part`; what the observer hears, and the answers to
commands, go as JSON lines to standard output, in the order in which they happened. When standard
input ends, whoever started us is gone, and we go too.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from simulator import event_loop
from simulator.certificates import KeyPair, client_context
from simulator.charger import Charger
from simulator.errors import SimulatorError
from simulator.faults import ChargerSpec
from simulator.line_writer import LineWriter
from simulator.sockets import Fleet

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


class Part(msgspec.Struct, kw_only=True):
    """What one process is told to drive; `urls` and `passwords` are by charger id."""

    specs: list[dict[str, Any]]
    seed: int
    start: float
    urls: dict[str, str]
    passwords: dict[str, str]
    connect_rate: float
    ca: str | None = None
    certificates: dict[str, tuple[str, str]] = {}  # a charger's own certificate and key, files
    download_ca: str | None = None
    max_downloads: int | None = None


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of output: events that happened, then the answer to a command if there is one."""

    events: list[tuple[str, str, str | None, dict[str, Any]]] = []
    number: int | None = None  # of the command that is answered
    outcome: dict[str, str] | None = None  # of an ask
    error: str | None = None


class Command(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of input after the first; `number` is answered when it is done."""

    do: str  # start, ask, mark, cut, settle, stop
    number: int = 0
    ids: list[str] = []
    action: str = ""
    payload: dict[str, Any] = {}
    name: str = ""


class Worker:
    """Drives the part and collects what happens until the end of the loop's turn."""

    def __init__(self, part: Part, writer: LineWriter) -> None:
        self._writer = writer
        self._encode = msgspec.json.Encoder().encode
        self._events: list[tuple[str, str, str | None, dict[str, Any]]] = []
        chargers = [
            Charger(ChargerSpec.model_validate(spec), seed=part.seed, start=part.start)
            for spec in part.specs
        ]
        self.fleet = Fleet(
            chargers,
            url=part.urls.__getitem__,
            password=part.passwords.get,
            observe=self._observe,
            connect_rate=part.connect_rate,
            ssl=_trust(part),
            download_ssl=client_context(Path(part.download_ca)) if part.download_ca else None,
            max_downloads=part.max_downloads,
        )

    async def obey(self, command: Command) -> None:
        """Do what a command says and answer it."""
        outcome = error = None
        try:
            match command.do:
                case "start":
                    await self.fleet.start()
                    gc.freeze()  # thousands of chargers live as long as the process
                case "ask":
                    outcome = await self.fleet.ask(command.ids, command.action, command.payload)
                case "mark":
                    self.fleet.mark(command.name)
                case "cut":
                    self.fleet.cut(command.name)
                case "stop":
                    await self.fleet.stop()
                case _:  # settle: the answer itself stands behind everything that happened
                    pass
        except SimulatorError as failed:
            error = str(failed)
        self._tell(Told(number=command.number, outcome=outcome, error=error))

    def _observe(self, charger: str, kind: str, text: str | None, data: dict[str, Any]) -> None:
        if not self._events:
            asyncio.get_running_loop().call_soon(self._flush)
        self._events.append((charger, kind, text, data))

    def _flush(self) -> None:
        if self._events:
            self._tell(Told())

    def _tell(self, told: Told) -> None:
        told.events, self._events = self._events, []
        self._writer.text(self._encode(told).decode() + "\n")


def _trust(part: Part) -> ssl.SSLContext | Callable[[str], ssl.SSLContext] | None:
    """Return how the chargers of a part trust the CSMS, and what they show it."""
    if part.ca is None:
        return None
    authority = Path(part.ca)
    plain = client_context(authority)
    if not part.certificates:
        return plain

    def own(charger: str) -> ssl.SSLContext:
        if charger not in part.certificates:
            return plain
        certificate, key = part.certificates[charger]
        return client_context(authority, pair=KeyPair(Path(certificate), Path(key)))

    return own


def _read_commands(loop: asyncio.AbstractEventLoop, commands: asyncio.Queue[Command]) -> None:
    decode = msgspec.json.Decoder(Command).decode
    for line in sys.stdin:
        loop.call_soon_threadsafe(commands.put_nowait, decode(line))
    loop.call_soon_threadsafe(commands.put_nowait, Command(do="stop"))


async def work(part: Part) -> None:
    """Obey until told to stop; commands that take time run beside the others."""
    loop = asyncio.get_running_loop()
    commands: asyncio.Queue[Command] = asyncio.Queue()
    writer = LineWriter(
        sys.stdout, lost=lambda: loop.call_soon_threadsafe(commands.put_nowait, Command(do="stop"))
    )
    worker = Worker(part, writer)
    threading.Thread(target=_read_commands, args=(loop, commands), daemon=True).start()
    running: set[asyncio.Task[None]] = set()
    tidying = asyncio.create_task(event_loop.tidy())
    while (command := await commands.get()).do != "stop":
        if command.do in {"start", "ask"}:
            task = asyncio.create_task(worker.obey(command))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            await worker.obey(command)
    tidying.cancel()
    await worker.obey(command)
    writer.close()


def main() -> None:
    """Read the part and drive it."""
    part = msgspec.json.decode(sys.stdin.readline(), type=Part)
    event_loop.run(work(part))
    sys.stdout.flush()
    os._exit(0)  # the thread that reads commands cannot be woken


if __name__ == "__main__":
    main()
