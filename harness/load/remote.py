"""The fleet as the coordinator sees it: workers on this machine or others, reached by Locust.

A shell without sockets of its own: `send(worker, message)` and `heard(worker, message)` are
Locust's. It offers what `sockets.Fleet` offers (seam 3), so that the same world and operator use
it.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import TargetError
from harness.load.clock import QUESTIONS, machine, offset
from harness.load.share import Command, Share, Told
from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Send = Callable[[str, dict[str, Any]], None]

GATHER_WITHIN = 600.0


class LostWorker(TargetError):
    """A worker went away in the middle of a run."""


class RemoteFleet:
    """Drives chargers in workers; `told` hears their news and what they use."""

    def __init__(
        self, workers: Sequence[str], send: Send, told: Callable[[int, Told], None]
    ) -> None:
        self.slots: dict[str, int] = {}
        self.clock_error = 0.0
        self._workers = list(workers)
        self._send = send
        self._told = told
        self._count = 0
        self._waiting: dict[int, tuple[int, asyncio.Future[list[Told]], list[Told]]] = {}
        self._lost: set[int] = set()

    async def share(self, shares: Sequence[Share]) -> None:
        """Tell every worker its part, and the time."""
        self.slots = {charger: share.worker for share in shares for charger in share.urls}
        await asyncio.gather(
            *(self._call(share.worker, Command(do="share", share=share)) for share in shares)
        )
        errors = [await self._set_clock(share) for share in shares]
        self.clock_error = max(errors, default=0.0)

    async def _set_clock(self, share: Share) -> float:
        """Put a worker on the clock of the run; return how wrong it may be."""
        answers = []
        for _ in range(QUESTIONS):
            asked = time.monotonic() - share.begun
            (told,) = await self._call(share.worker, Command(do="clock"))
            if told.machine == machine():
                return 0.0
            answers.append((asked, told.time, time.monotonic() - share.begun))
        begun, error = offset(answers)
        await self._call(share.worker, Command(do="set", time=begun))
        return error

    async def start(self) -> None:
        """Power every charger on; return once the last one was."""
        await self._all(Command(do="start"))

    async def ask(self, ids: Iterable[str], action: str, payload: dict[str, Any]) -> dict[str, str]:
        """Have each charger send one CALL; as `sockets.Fleet.ask`."""
        wanted = list(ids)
        parts: dict[int, list[str]] = {}
        for charger in wanted:
            parts.setdefault(self.slots[charger], []).append(charger)
        answers = await asyncio.gather(
            *(
                self._call(worker, Command(do="ask", ids=part, action=action, payload=payload))
                for worker, part in parts.items()
            )
        )
        outcome = {c: said for (told,) in answers for c, said in told.outcome.items()}
        return {charger: outcome.get(charger, "closed") for charger in wanted}

    async def settle(self) -> None:
        """Return once everything that happened before was told."""
        await self._all(Command(do="settle"))

    def mark(self, name: str) -> None:
        """Tell every charger that a named moment has passed."""
        self._tell(Command(do="mark", name=name))

    def rollout(self, rollout_id: str) -> None:
        """Tell the readers of a rollout to look at."""
        self._tell(Command(do="rollout", name=rollout_id))

    async def gather(self, folder: Path) -> list[Path]:
        """End the recording everywhere; return the slices, fetched where they are elsewhere.

        Of workers that are gone there is none. Raises `LostWorker` if one goes meanwhile.
        """
        here = [number for number in range(len(self._workers)) if number not in self._lost]
        paths = []
        try:
            async with asyncio.timeout(GATHER_WITHIN):
                await asyncio.gather(*(self._call(w, Command(do="end")) for w in here))
                for worker in here:
                    answers = await self._call(worker, Command(do="slice"))
                    paths.append(_kept(answers, folder / f"slice-{worker + 1:03}.ndjson"))
        except TimeoutError as error:
            raise LostWorker(f"no slice within {GATHER_WITHIN:.0f} s: a worker hangs") from error
        return paths

    async def stop(self) -> None:
        """Close every connection."""
        await asyncio.gather(
            *(self._call(w, Command(do="stop")) for w in range(len(self._workers))),
            return_exceptions=True,
        )

    # ------------------------------------------------------------------ messages

    def heard(self, worker: int, message: dict[str, Any]) -> None:
        """Take a worker's message, inside the loop."""
        told = msgspec.convert(message, Told)
        if told.news is not None or told.use is not None:
            self._told(worker, told)
        waiting = self._waiting.get(told.number)
        if waiting is None:
            return
        _, future, pieces = waiting
        pieces.append(told)
        if told.last and not future.done():
            del self._waiting[told.number]
            if told.error:
                future.set_exception(SimulatorError(f"worker {worker}: {told.error}"))
            else:
                future.set_result(pieces)

    def lost(self, worker: int) -> None:
        """Give up on a worker that is gone."""
        self._lost.add(worker)
        for number, (whose, future, _) in list(self._waiting.items()):
            if whose == worker and not future.done():
                del self._waiting[number]
                future.set_exception(_gone(worker))

    def _tell(self, command: Command) -> None:
        message = msgspec.to_builtins(command)
        for number, worker in enumerate(self._workers):
            if number not in self._lost:
                self._send(worker, message)

    async def _all(self, command: Command) -> None:
        calls = (self._call(w, command) for w in range(len(self._workers)))
        await asyncio.gather(*calls)

    async def _call(self, worker: int, command: Command) -> list[Told]:
        if worker in self._lost:
            raise _gone(worker)
        self._count += 1
        number = self._count
        future: asyncio.Future[list[Told]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (worker, future, [])
        self._send(self._workers[worker], {**msgspec.to_builtins(command), "number": number})
        return await future


def _gone(worker: int) -> LostWorker:
    return LostWorker(f"worker {worker} is gone: what its chargers saw is lost with it")


def _kept(answers: Sequence[Told], path: Path) -> Path:
    """Return where a slice lies; write it there if it came in pieces."""
    if answers[-1].path:
        return Path(answers[-1].path)
    with path.open("wb") as file:
        for told in answers:
            file.write(told.chunk)
    return path
