"""A fleet divided over several processes, with one merged stream of what happens.

A shell, the twin of `sockets.Fleet` for fleets that need more than one core. The division depends
on the order of the chargers and the number of processes only, and a charger's fate on its id and
the seed only, so that the division changes nobody's life. The events of one charger stay in their
order; between processes the order is that of arrival, and `settle` says when everything that
happened before a moment has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from simulator.errors import DescriptorLimit, SimulatorError
from simulator.fleet_process import Command, Part, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from simulator.certificates import KeyPair
    from simulator.faults import ChargerSpec
    from simulator.sockets import Observer

STOP_TIMEOUT = 10.0
_LONGEST_LINE = 1 << 26


class LostProcess(SimulatorError):
    """A process of the fleet ended by itself."""


def divide(specs: Sequence[ChargerSpec], processes: int) -> list[int]:
    """Return in which of the processes each charger lives.

    In turn, but for those that share an uplink: a bandwidth is shared within one process only.
    """
    homes: dict[str, int] = {}
    out = []
    for number, spec in enumerate(specs):
        home = number % processes
        out.append(home if spec.uplink is None else homes.setdefault(spec.uplink[0], home))
    return out


class DividedFleet:
    """Drives chargers in `processes` processes; use it like `sockets.Fleet`.

    Differences: it takes specs (a charger is made where it lives) and the files of authorities
    instead of TLS contexts, and `mark` reaches the chargers a moment later. Call `settle` before
    recording something that must not come before what the chargers saw first. `lost` hears of a
    process that ended by itself, after its chargers were told to be gone.
    """

    def __init__(
        self,
        specs: Sequence[ChargerSpec],
        *,
        processes: int,
        seed: int,
        start: float,
        url: Callable[[str], str],
        observe: Observer,
        connect_rate: float = 500.0,
        password: Callable[[str], str | None] | None = None,
        ca: Path | None = None,
        certificate: Callable[[str], KeyPair | None] | None = None,
        download_ca: Path | None = None,
        max_downloads: int | None = None,
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        count = max(1, min(processes, len(specs)))
        homes = divide(specs, count)
        shares = [
            [spec for spec, home in zip(specs, homes, strict=True) if home == number]
            for number in range(count)
        ]
        self.observe = observe
        self._tell_lost = lost
        self.crashed = 0  # chargers whose process ended by itself, or whose code raised
        self.slots = {spec.id: home for spec, home in zip(specs, homes, strict=True)}
        self._workers: list[_Worker] = []
        self._parts = [
            Part(
                specs=[spec.model_dump(mode="json") for spec in share],
                seed=seed,
                start=start,
                urls={spec.id: url(spec.id) for spec in share},
                passwords=_passwords(share, password),
                connect_rate=connect_rate / count,
                ca=str(ca) if ca else None,
                certificates=_certificates(share, certificate),
                download_ca=str(download_ca) if download_ca else None,
                max_downloads=None if max_downloads is None else max(1, max_downloads // count),
            )
            for share in shares
        ]
        self._open: set[str] = set()

    @property
    def pids(self) -> list[int]:
        """The ids of its processes."""
        return [worker.pid for worker in self._workers]

    @property
    def online(self) -> int:
        """How many chargers have an open WebSocket, as far as was heard."""
        return len(self._open)

    async def start(self) -> None:
        """Start the processes and power every charger on; return once the last one was.

        Raises `DescriptorLimit` like `sockets.Fleet`, `LostProcess` if a process ended instead.
        """
        for part in self._parts:
            self._workers.append(await _Worker.start(part, self._heard, self._lost))
        try:
            await asyncio.gather(*(worker.call(Command(do="start")) for worker in self._workers))
        except SimulatorError:
            await self.stop()
            raise

    async def ask(self, ids: Iterable[str], action: str, payload: dict[str, Any]) -> dict[str, str]:
        """Have each charger send one CALL; as `sockets.Fleet.ask`."""
        wanted = list(ids)
        shares: dict[int, list[str]] = {}
        for charger in wanted:
            shares.setdefault(self.slots[charger], []).append(charger)
        outcome: dict[str, str] = {}
        for share in await asyncio.gather(
            *(self._ask(number, part, action, payload) for number, part in shares.items())
        ):
            outcome |= share
        return {charger: outcome[charger] for charger in wanted}

    async def settle(self) -> None:
        """Return once everything that happened before this call has been observed."""
        calls = (worker.call(Command(do="settle")) for worker in self._workers)
        await asyncio.gather(*calls, return_exceptions=True)

    def mark(self, name: str) -> None:
        """Tell every charger that a named moment of the drill has passed."""
        for worker in self._workers:
            worker.tell(Command(do="mark", name=name))

    def cut(self, charger_id: str) -> None:
        """Drop a charger's connection from outside; nothing if it has none."""
        self._workers[self.slots[charger_id]].tell(Command(do="cut", name=charger_id))

    async def stop(self) -> None:
        """Stop every process in good order, or kill it after a while."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        self._workers.clear()

    async def _ask(
        self, number: int, ids: list[str], action: str, payload: dict[str, Any]
    ) -> dict[str, str]:
        command = Command(do="ask", ids=ids, action=action, payload=payload)
        try:
            return (await self._workers[number].call(command)).outcome or {}
        except LostProcess:
            return dict.fromkeys(ids, "closed")

    def _heard(self, charger: str, kind: str, text: str | None, data: dict[str, Any]) -> None:
        if kind == "open":
            self._open.add(charger)
        elif kind == "close":
            self._open.discard(charger)
        elif kind == "note" and data.get("note") == "crashed":
            self.crashed += 1
        self.observe(charger, kind, text, data)

    def _lost(self, worker: _Worker) -> None:
        """Record that the chargers of a process are gone with it, and say so."""
        for charger in worker.ids:
            fate = f"the process of this charger {worker.fate}"
            self.observe(charger, "note", None, {"note": "crashed", "traceback": fate})
            if charger in self._open:
                self._open.discard(charger)
                self.observe(charger, "close", None, {"code": 1006, "reason": fate})
        self.crashed += len(worker.ids)
        self._tell_lost(
            f"a process of the fleet {worker.fate}, and {len(worker.ids)} chargers with it"
        )


class _Worker:
    """One process, seen from outside."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        ids: Sequence[str],
        heard: Observer,
        lost: Callable[[_Worker], None],
    ) -> None:
        self.ids = ids
        self.fate = "ended"
        self._process = process
        self._heard = heard
        self._lost = lost
        self._stopping = False
        self._encode = msgspec.json.Encoder().encode
        self._waiting: dict[int, asyncio.Future[Told]] = {}
        self._count = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, part: Part, heard: Observer, lost: Callable[[_Worker], None]) -> _Worker:
        """Start a process and tell it its part; secrets travel in the pipe only."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "simulator.fleet_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for us: we stop the processes in good order
        )  # fmt: skip
        worker = cls(process, list(part.urls), heard, lost)
        worker._write(part)
        return worker

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def tell(self, command: Command) -> None:
        """Send a command whose end nobody waits for."""
        self._count += 1
        command.number = self._count
        self._write(command)

    async def call(self, command: Command) -> Told:
        """Send a command and return its answer; raises what the process says went wrong."""
        if self._reading.done():
            raise LostProcess(f"a process of the fleet {self.fate}")
        self.tell(command)
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting[command.number] = future
        told = await future
        if told.error is not None:
            raise DescriptorLimit(told.error)
        return told

    async def stop(self) -> None:
        """Stop the process; kill it if it takes too long."""
        self._stopping = True
        with contextlib.suppress(LostProcess, TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await self.call(Command(do="stop"))
                await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
        await self._reading
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _write(self, message: Part | Command) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(self._encode(message) + b"\n")

    async def _read(self) -> None:
        decode = msgspec.json.Decoder(Told).decode
        stream = self._process.stdout
        while stream is not None and (line := await stream.readline()):
            told = decode(line)
            for event in told.events:
                self._heard(*event)
            future = self._waiting.pop(told.number, None) if told.number is not None else None
            if future is not None and not future.done():
                future.set_result(told)
        code = await self._process.wait()
        self.fate = f"ended unexpectedly ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LostProcess(f"a process of the fleet {self.fate}"))
        if not self._stopping:
            self._lost(self)


def _passwords(
    share: Sequence[ChargerSpec], password: Callable[[str], str | None] | None
) -> dict[str, str]:
    found = {} if password is None else {spec.id: password(spec.id) for spec in share}
    return {charger: secret for charger, secret in found.items() if secret is not None}


def _certificates(
    share: Sequence[ChargerSpec], certificate: Callable[[str], KeyPair | None] | None
) -> dict[str, tuple[str, str]]:
    found = {} if certificate is None else {spec.id: certificate(spec.id) for spec in share}
    return {
        charger: (str(pair.certificate), str(pair.key))
        for charger, pair in found.items()
        if pair is not None
    }
