"""The world and the drill of a load run: those of any drill on sockets, timed and repeated."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from harness.drill import Drill
from harness.load.latency import REST, TIME, TIMED, Sample, carry
from harness.socket_world import SocketWorld
from harness.world import Ok, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.world import Outcome, Request
    from simulator.scenario_load import Load
    from simulator.sockets import Fleet


class LoadWorld(SocketWorld):
    """A socket world that says how long each request took, and which rollouts there are."""

    created: Callable[[str], None] = staticmethod(lambda _: None)
    marked: Callable[[str], None] = staticmethod(lambda _: None)

    def mark(self, name: str) -> None:
        """Record a named moment, tell the chargers, and whoever else begins with it."""
        super().mark(name)
        self.marked(name)

    async def request(self, request: Request) -> Outcome:
        """Send one request over HTTP and record how long its answer took."""
        begun = time.perf_counter()
        outcome = await super().request(request)
        error = outcome.error if isinstance(outcome, Unknown) else ""
        sample = Sample(
            REST, request.operation, self.now(), time.perf_counter() - begun, error[:200]
        )
        if request.key == "right":
            self.recorder.history.record(
                sample.time, "harness", TIMED, sample.name, data=carry(sample)
            )
        if request.operation == "create" and isinstance(outcome, Ok):
            self.created(str((outcome.body or {}).get("rollout_id", "")))
        return outcome

    def news(self) -> None:
        """Ask every waiting condition again: something was heard of other processes."""
        self._waiters.wake()


class LoadDrill(Drill):
    """A drill whose plan begins anew until the scenario's time is over."""

    async def baseline(self) -> None:
        """Look at the fleet once what the boots brought has been worked off."""
        await super().baseline()
        await self.operator.fence("")  # on each socket its answer comes behind everything before

    async def act(self) -> None:
        """Follow the operator's plan, again and again if the scenario wants it."""
        self._begin("act")
        begun, repeat = self.world.now(), self.scenario.load.repeat
        while True:
            await self.operator.follow(self.scenario.operator, self._at_step)
            if self.operator.troubles or self.world.now() - begun >= repeat:
                return


STEADY = {"Heartbeat": "heartbeat", "StatusNotification": "status"}  # action -> name of its time
STEADY_FROM = "act"  # the mark behind the boots: they are measured by themselves


def rates(load: Load) -> dict[str, float]:
    """Return how many CALLs of which action the whole fleet sends a second, whatever happens."""
    return {"Heartbeat": load.heartbeats, "StatusNotification": load.statuses}


class SteadyCalls:
    """Sends CALLs of one action at a steady rate, whatever the CSMS does with them.

    A CALL's time runs from the moment it was due: a charger that still waits for an earlier
    answer sends it late, and that is the CSMS's doing (no coordinated omission).
    """

    TICK = 0.02

    def __init__(
        self,
        fleet: Fleet,
        action: str,
        rate: float,
        now: Callable[[], float],
        taken: Callable[[Sample], None],
    ) -> None:
        self._ids = list(fleet.slots)
        self._action = action
        self._rate = rate
        self._ask = fleet.ask
        self._now = now
        self._taken = taken
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Go round the fleet for as long as nobody cancels."""
        begun, sent = self._now(), 0
        while self._ids and self._rate > 0:
            due = int((self._now() - begun) * self._rate)
            for number in range(sent, due):
                task = asyncio.create_task(self._one(self._ids[number % len(self._ids)]))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            sent = max(sent, due)
            await asyncio.sleep(self.TICK)

    async def _one(self, charger: str) -> None:
        begun = self._now()
        outcome = (await self._ask([charger], self._action, {}))[charger]
        if outcome == "not booted":
            return  # it may not speak yet
        error = "" if outcome == "answered" else outcome
        ended = self._now()
        self._taken(Sample(TIME, STEADY[self._action], ended, ended - begun, error))
