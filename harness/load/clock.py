"""One clock for all processes of a load run.

On one machine the system's monotonic clock is everybody's: the times of several processes compare
exactly. Another machine is asked for its time several times; the quickest answer gives its offset,
and half of that round trip bounds the error.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.socket_world import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable

QUESTIONS = 9  # of which the quickest answer counts
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class SharedClock(Clock):
    """Seconds since the coordinator's start, on this machine's monotonic clock.

    `begun` is the reading of this machine's clock at that start.
    """

    def __init__(self, epoch: float, begun: float) -> None:
        super().__init__()
        self.epoch = epoch
        self._begun = begun

    @property
    def begun(self) -> float:
        """The monotonic clock at second 0."""
        return self._begun

    @classmethod
    def started(cls) -> SharedClock:
        """Return the clock of a run that starts now."""
        return cls(time.time(), time.monotonic())


def machine() -> str:
    """Name this machine since its last boot: equal names share a monotonic clock."""
    try:
        booted = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        booted = ""
    return f"{socket.gethostname()}/{booted}"


def offset(answers: Iterable[tuple[float, float, float]]) -> tuple[float, float]:
    """Return (reading of the other clock at second 0, bound of its error).

    Each answer is (asked, reading, answered): seconds of the run, and what the other clock said
    in between.
    """
    asked, reading, answered = min(answers, key=lambda one: one[2] - one[0])
    return reading - (asked + answered) / 2, (answered - asked) / 2
