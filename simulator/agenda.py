"""All waiting of a fleet in one heap behind one timer of the event loop.

A shell. Ten thousand chargers that each wait for something would be ten thousand timers of asyncio,
each an object with a callback and a context; here a wait is a tuple. Also the fleet's clock: Unix
seconds that never step back, whatever happens to the machine's clock during a drill.
"""

from __future__ import annotations

import heapq
import time as clock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_TURN = 512  # callbacks in one turn of the loop: sockets are served in between
_EARLY = 0.001  # the loop may wake us this much before the time


class Agenda:
    """Callbacks in order of (time, order of asking); times are Unix seconds of `now`."""

    __slots__ = ("_floor", "_handle", "_heap", "_loop", "_offset", "_planned", "_sequence")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._offset = clock.time() - loop.time()
        self._floor = 0.0
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._sequence = 0
        self._handle: asyncio.Handle | None = None
        self._planned = 0.0  # when the handle fires

    @property
    def now(self) -> float:
        """Unix seconds, by the wall at the start and the monotonic clock since."""
        moment = self._loop.time() + self._offset
        self._floor = max(self._floor, moment)
        return self._floor

    def at(self, time: float, callback: Callable[[Any], None], argument: Any = None) -> None:
        """Call `callback(argument)` at this time, in its own turn; it must not raise."""
        self._sequence += 1
        heapq.heappush(self._heap, (time, self._sequence, callback, argument))
        if self._handle is None or time < self._planned:
            self._plan(time)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._heap.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _plan(self, time: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._planned = time
        self._handle = self._loop.call_at(time - self._offset, self._run)

    def _run(self) -> None:
        self._handle = None
        horizon = self.now + _EARLY
        for _ in range(_TURN):
            if not self._heap or self._heap[0][0] > horizon:
                break
            time, _, callback, argument = heapq.heappop(self._heap)
            # Whoever asked for this time must not be told an earlier one.
            self._floor = max(self._floor, time)
            callback(argument)
        if self._heap:
            self._plan(self._heap[0][0])
