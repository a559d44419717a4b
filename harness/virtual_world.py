"""The virtual world: the same operator and phases, where a minute costs nothing.

Coroutines run on a heap instead of an event loop: they await `Promise`s, a resolved promise resumes
them in a turn of its own, and nothing ever happens at the same time as something else. The same
seed gives the same history, byte for byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable

    from harness.inprocess import InProcessCsms
    from harness.progress import Progress
    from harness.recorder import Recorder
    from harness.world import Outcome, Request
    from simulator.virtual import Scheduler, VirtualFleet

REST_LATENCY = 0.002  # seconds from a request to the CSMS, and back again
T = TypeVar("T")


class Stuck(TargetError):
    """Something is awaited that can never happen any more."""


class Interrupted(BaseException):
    """The user has had enough: raised where the drill waits."""


class Promise(Generic[T]):
    """A value that comes later; whoever awaits it is resumed once."""

    __slots__ = ("_value", "_waiter", "resolved")

    def __init__(self) -> None:
        self.resolved = False
        self._value: T | None = None
        self._waiter: Callable[[], None] | None = None

    def resolve(self, value: T) -> None:
        """Give the value; a second one is ignored."""
        if self.resolved:
            return
        self.resolved = True
        self._value = value
        if self._waiter is not None:
            self._waiter()

    def then(self, waiter: Callable[[], None]) -> None:
        """Have `waiter` called when the value is there."""
        self._waiter = waiter
        if self.resolved:
            waiter()

    def forget(self) -> None:
        """Resume nobody any more."""
        self._waiter = None

    def __await__(self) -> Generator[Promise[T], None, T]:
        if not self.resolved:
            yield self
        return self._value  # type: ignore[return-value]


class Routine:
    """A coroutine on the heap; what `spawn` returns."""

    def __init__(self, scheduler: Scheduler, coroutine: Coroutine[Any, Any, None]) -> None:
        self._scheduler = scheduler
        self._coroutine = coroutine
        self._awaited: Promise[Any] | None = None  # None: its next step is on the heap
        self._interrupted = False
        self._error: BaseException | None = None
        self.end: Promise[None] = Promise()
        scheduler.post(scheduler.now, self._step)

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.end.resolved

    async def join(self) -> None:
        """Wait for its end; raises what it raised."""
        await self.end
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """End it; harmless if it ended already."""
        if not self.finished:
            self._coroutine.close()
            self.end.resolve(None)

    def interrupt(self) -> None:
        """Raise `Interrupted` where it waits, in its next step."""
        self._interrupted = True
        if self._awaited is not None:
            self._awaited.forget()
            self._resume()

    def raise_error(self) -> None:
        """Raise what it raised, if it has ended."""
        if self._error is not None:
            raise self._error

    def _step(self, _: Any) -> None:
        if self.finished:
            return
        try:
            awaited = self._advance()
        except StopIteration:
            self.end.resolve(None)
        except Exception as error:  # noqa: BLE001 - it is raised again where it is joined
            self._error = error
            self.end.resolve(None)
        else:
            self._awaited = awaited
            awaited.then(self._resume)

    def _advance(self) -> Promise[Any]:
        interrupted, self._interrupted = self._interrupted, False
        step = self._coroutine
        awaited: Promise[Any] = step.throw(Interrupted()) if interrupted else step.send(None)
        return awaited

    def _resume(self) -> None:
        self._awaited = None
        self._scheduler.post(self._scheduler.now, self._step)


class VirtualWorld:
    """Implements `harness.world.World` over a scheduler, a fleet and a CSMS in this process.

    `start` is the Unix time at which the drill begins; histories count seconds from there.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        recorder: Recorder,
        progress: Progress,
        fleet: VirtualFleet,
        csms: InProcessCsms,
    ) -> None:
        self.recorder = recorder
        self.progress = progress
        self.epoch = scheduler.now
        self._scheduler = scheduler
        self._fleet = fleet
        self._csms = csms
        self._waiting: list[tuple[Callable[[], bool], Promise[bool]]] = []
        self._started = False
        self._main: Routine | None = None
        self._spawned: list[Routine] = []

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end, and the world with it; raises what it raises."""
        routine = self._main = Routine(self._scheduler, coroutine)
        step, progress, end, known = self._scheduler.step, self.progress, routine.end, 0
        while not end.resolved:
            if not step():
                routine.cancel()
                raise Stuck("nothing is left to happen, and the drill is not over")
            if progress.version != known:
                known = progress.version
                self._ask_conditions()
        routine.raise_error()

    # ------------------------------------------------------------------ what the drill awaits

    def now(self) -> float:
        """Return the seconds since the start of the drill."""
        return self._scheduler.now - self.epoch

    async def request(self, request: Request) -> Outcome:
        """Send one request; it takes a moment there and back."""
        promise: Promise[Outcome] = Promise()

        def back(outcome: Outcome) -> None:
            self._later(REST_LATENCY, lambda: promise.resolve(outcome))

        self._later(REST_LATENCY, lambda: self._csms.request(request, back))
        return await promise

    async def settle(self) -> None:
        """Everything is recorded as it happens."""

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until the condition holds; it is asked again after every event."""
        if condition():
            return True
        promise: Promise[bool] = Promise()
        entry = (condition, promise)
        self._waiting.append(entry)
        timer = self._scheduler.at(
            self._scheduler.now + max(within, 0.0), lambda _: promise.resolve(condition())
        )
        try:
            return await promise
        finally:
            timer.cancel()
            if entry in self._waiting:
                self._waiting.remove(entry)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        promise: Promise[None] = Promise()
        self._later(max(seconds, 0.0), lambda: promise.resolve(None))
        await promise

    async def ask(self, ids: Iterable[str], action: str, payload: dict[str, Any]) -> dict[str, str]:
        """Have chargers send one CALL each."""
        wanted = list(ids)
        outcomes: dict[str, str] = {}
        promise: Promise[None] = Promise()
        if not wanted:
            return outcomes

        def heard(charger: str, outcome: str) -> None:
            outcomes[charger] = outcome
            if len(outcomes) == len(wanted):
                promise.resolve(None)

        for charger in wanted:
            self._fleet.ask(charger, action, payload, lambda end, c=charger: heard(c, end))  # type: ignore[misc]
        await promise
        return {charger: outcomes[charger] for charger in wanted}

    def online(self) -> list[str]:
        """Return the ids of the connected chargers, in fleet order."""
        return [charger for charger in self._fleet.slots if charger in self.progress.online]

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Routine:
        """Run a coroutine beside the current one."""
        routine = Routine(self._scheduler, coroutine)
        self._spawned = [*(one for one in self._spawned if not one.finished), routine]
        return routine

    async def interruptible(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run a coroutine; False if the user interrupted it."""
        try:
            await coroutine
        except Interrupted:
            for routine in self._spawned:
                routine.cancel()
            return False
        return True

    def interrupt(self) -> None:
        """End the phase that runs, as Ctrl-C does; may be called from a signal handler."""
        main = self._main
        if main is not None and not main.finished:
            self._scheduler.interject(lambda _: main.interrupt())

    async def start_fleet(self) -> None:
        """Power every charger on."""
        self._try_the_door()
        self._started = True
        self._fleet.start()

    async def kill_target(self, *, at_commit: bool = False) -> None:
        """Kill the CSMS without warning, at once or between a commit and what follows from it."""
        if at_commit:
            self._csms.kill_at_commit(self._killed)
            return
        self._killed()
        self._csms.kill()

    def _killed(self) -> None:
        self.recorder.history.record(self.now(), "harness", "kill", "csms")

    async def restart_target(self) -> None:
        """Start it again on what it had committed; one that waits for a commit is killed first."""
        if self._csms.hub is not None:
            await self.kill_target()
        self._csms.restart()
        self.recorder.history.record(self.now(), "harness", "up", "csms")

    def mark(self, name: str) -> None:
        """Record a named moment and tell the chargers."""
        self.recorder.mark(name)
        if self._started:
            self._fleet.mark(name)

    # ------------------------------------------------------------------ inside

    def _try_the_door(self) -> None:
        """Knock in the name of a charger that has a password with a wrong one, and with none."""
        fleet = self._fleet
        guarded = next((one for one in fleet.slots if fleet.password(one) is not None), None)
        if guarded is not None:
            fleet.knock(guarded, "wrong", "somebody else's")
            fleet.knock(guarded, "missing", None)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._scheduler.post(self._scheduler.now + seconds, lambda _: act())

    def _ask_conditions(self) -> None:
        for condition, promise in self._waiting:
            if not promise.resolved and condition():
                promise.resolve(True)
