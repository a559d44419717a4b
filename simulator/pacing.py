"""Rates of real downloads, as pauses between reads: one's own, and one shared with others. A shell.

Whoever reads slowly is sent slowly: TCP's window does the rest.
"""

from __future__ import annotations

import time

SHORTEST_PAUSE = 0.005  # seconds; shorter pauses are saved up


class Pace:
    """Turns a rate in bytes a second (None: no cap) into pauses between reads."""

    __slots__ = ("_begun", "_moved", "_rate")

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._begun = time.monotonic()
        self._moved = 0

    def pause(self, moved: int) -> float:
        """Count bytes and return how long to wait before the next read (0.0: not at all)."""
        if self._rate is None:
            return 0.0
        self._moved += moved
        ahead = self._begun + self._moved / self._rate - time.monotonic()
        return ahead if ahead > SHORTEST_PAUSE else 0.0


class Uplink:
    """A bandwidth that all downloads through it share: each read waits for those before it."""

    __slots__ = ("_free", "_rate")

    def __init__(self, rate: float) -> None:
        self._rate = rate  # bytes a second
        self._free = time.monotonic()  # when everything that was read has had its time

    def pause(self, moved: int) -> float:
        """Count bytes and return how long to wait before the next read (0.0: not at all)."""
        now = time.monotonic()
        self._free = max(now, self._free) + moved / self._rate
        ahead = self._free - now
        return ahead if ahead > SHORTEST_PAUSE else 0.0
