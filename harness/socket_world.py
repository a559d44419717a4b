"""The real world: asyncio, real sockets, a CSMS that listens somewhere.

A shell. Every event of the history wakes the waiting conditions, once a turn of the loop however
many events it had. The first Ctrl-C (or SIGTERM) ends the phase that runs; the drill then drains
and is judged as far as it came.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from harness.history import Event
    from harness.progress import Progress
    from harness.recorder import Recorder
    from harness.site import Site
    from harness.targets import RestApi
    from harness.world import Outcome, Request
    from simulator.divided import DividedFleet
    from simulator.sockets import Fleet


class Clock:
    """Seconds since the start of the drill, from a clock that never steps back."""

    def __init__(self) -> None:
        self.epoch = time.time()
        self._begun = time.monotonic()

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._begun


class Task:
    """A coroutine that runs beside the operator."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    async def join(self) -> None:
        """Wait for its end; raises what it raised."""
        await self._task

    def cancel(self) -> None:
        """End it."""
        self._task.cancel()


class Waiters:
    """Coroutines that wait for a condition over what was recorded."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._planned = False

    def poke(self, _: Event) -> None:
        """Take an event as news."""
        self.wake()

    def wake(self) -> None:
        """Ask every condition again in the next turn of the loop."""
        if self._waiting and not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._ask)

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until the condition holds; False after `within` seconds."""
        if condition():
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (condition, future)
        self._waiting.append(entry)
        try:
            # Not wait_for: until Python 3.12 it loses a Ctrl-C that comes with the event.
            async with asyncio.timeout(max(within, 0.0)):
                await future
        except TimeoutError:
            return condition()
        finally:
            self._waiting.remove(entry)
        return True

    def _ask(self) -> None:
        self._planned = False
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)


class SocketWorld:
    """Processes and sockets; implements `harness.world.World`."""

    def __init__(
        self,
        *,
        clock: Clock,
        recorder: Recorder,
        progress: Progress,
        api: RestApi,
        fleet: Fleet | DividedFleet,
        site: Site,
    ) -> None:
        self.recorder = recorder
        self.progress = progress
        self.epoch = clock.epoch
        self._clock = clock
        self._api = api
        self._fleet = fleet
        self._site = site
        self._waiters = Waiters()
        self._started = False
        self._current: asyncio.Task[None] | None = None
        self._spawned: set[asyncio.Task[None]] = set()
        self.interrupts = 0
        self._pending = False
        self._abandoned = False
        recorder.history.subscribe(self._waiters.poke)

    def now(self) -> float:
        """Return the seconds since the start of the drill."""
        return self._clock.now()

    async def request(self, request: Request) -> Outcome:
        """Send one request over HTTP."""
        return await self._api.request(request)

    async def settle(self) -> None:
        """Wait until other processes of the fleet have told what they saw."""
        if self._started:
            await self._fleet.settle()

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until the condition holds; it is asked again after every event."""
        return await self._waiters.until(condition, within)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(max(seconds, 0.0))

    async def ask(self, ids: Iterable[str], action: str, payload: dict[str, Any]) -> dict[str, str]:
        """Have chargers send one CALL each."""
        return await self._fleet.ask(ids, action, payload)

    def online(self) -> list[str]:
        """Return the ids of the connected chargers, in fleet order."""
        return [charger for charger in self._fleet.slots if charger in self.progress.online]

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Task:
        """Run a coroutine beside the current one."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return Task(task)

    async def start_fleet(self) -> None:
        """Power every charger on."""
        self._started = True
        await self._fleet.start()

    async def kill_target(self, *, at_commit: bool = False) -> None:
        """Kill the CSMS that we started; nobody sees its commits from here."""
        del at_commit
        await self.settle()
        self.recorder.history.record(self.now(), "harness", "kill", "csms")
        await self._site.kill()

    async def restart_target(self) -> None:
        """Start it again."""
        await self._site.restart()
        self.recorder.history.record(self.now(), "harness", "up", "csms")

    def mark(self, name: str) -> None:
        """Record a named moment and tell the chargers."""
        self.recorder.mark(name)
        if self._started:  # before it, chargers have no clock to hear it by
            self._fleet.mark(name)

    # ------------------------------------------------------------------ being interrupted

    async def interruptible(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run a coroutine; False if the user interrupted it."""
        if self._pending or self._abandoned:  # interrupted between two phases, or for good
            self._pending = False
            coroutine.close()
            return False
        before = self.interrupts
        self._current = asyncio.get_running_loop().create_task(coroutine)
        try:
            await self._current
        except asyncio.CancelledError:
            if self.interrupts == before:
                raise
            for task in self._spawned:
                task.cancel()
            await asyncio.gather(*self._spawned, return_exceptions=True)
            return False
        finally:
            self._current.cancel()
            self._current = None
        return True

    def abandon(self) -> None:
        """End the phase that runs and all that follow: there is nothing left to drill."""
        self._abandoned = True
        self.interrupt()

    def interrupt(self) -> None:
        """End the phase that runs, as Ctrl-C does."""
        self.interrupts += 1
        if self._current is None:
            self._pending = True
        else:
            self._current.cancel()


@contextlib.contextmanager
def interrupted_by_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on Ctrl-C and SIGTERM while the block runs."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    taken = []
    for number in numbers:
        # Not in a thread that is not the main one, nor on every platform.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, interrupt)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
