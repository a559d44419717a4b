"""The asyncio side of the hub: one clock, one timer, one turn a loop iteration. A shell."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from reference_csms.model import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_csms.model import Ticket
    from reference_csms.ocpp_hub import Hub


_AFTER_A_DEFECT = 1.0  # seconds
_LONGEST_TIMER = 86_400.0  # seconds; event loops dislike timers of years

_log = logging.getLogger(__package__)


class Clock:
    """Unix seconds that never step back (D35): wall time at the start, then the steady clock.

    `floor` is the latest time that is already written down: a wall clock that was set back between
    two starts does not turn back time.
    """

    def __init__(self, floor: float = 0.0) -> None:
        self._offset = max(time.time(), floor) - time.monotonic()

    def now(self) -> float:
        """Return the time."""
        return self._offset + time.monotonic()


class Turns:
    """Sees to it that the hub gets its turns; to be used on one running loop."""

    def __init__(self, hub: Hub, clock: Clock | None = None) -> None:
        self.hub = hub
        self.clock = clock or Clock()
        self._loop = asyncio.get_running_loop()
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        # How long the longest turn took, in seconds, and how many there were.
        self.longest, self.count = 0.0, 0

    def now(self) -> float:
        """Return the time."""
        return self.clock.now()

    def soon(self) -> None:
        """Have a turn at the end of this loop iteration; call it after telling the hub anything."""
        if self._soon is None and not self._stopped:
            self._soon = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._soon = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._stopped:
            return
        start = self.now()
        try:
            self.hub.turn(start)
        except Exception:  # noqa: BLE001 - logged, and the loop must go on
            # A defect of ours must not stop the clock: time-outs and other chargers go on.
            _log.exception("a turn failed; the next one is in %s s", _AFTER_A_DEFECT)
            self._timer = self._loop.call_later(_AFTER_A_DEFECT, self._turn)
            return
        self.longest, self.count = max(self.longest, self.now() - start), self.count + 1
        self._schedule()

    def _schedule(self) -> None:
        due = self.hub.next_turn()
        if due is None or self._soon is not None:
            return
        delay = due - self.now()
        if delay <= 0:
            # Between two batches the loop reads its sockets: a pause may come (D31).
            self.soon()
        else:
            self._timer = self._loop.call_later(min(delay, _LONGEST_TIMER), self._turn)

    async def outcome(self, start: Callable[[float], Ticket]) -> Reply:
        """Start an operation and wait for its answer; raises the `Problem` that refuses it."""
        future: asyncio.Future[Reply] = self._loop.create_future()

        def settle(outcome: Reply | Exception) -> None:
            if future.done():
                return
            if isinstance(outcome, Reply):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        start(self.now()).then(settle)
        self.soon()
        return await future

    def stop(self) -> None:
        """Do a last turn, then none any more."""
        self._turn()
        self._stopped = True
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
