"""What the socket driver keeps of one charger, and what it needs of it. A shell's values.

Ten thousand of these exist at once: slots, no dictionaries, no closures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from simulator import effects
    from simulator.faults import ChargerSpec
    from simulator.socket_line import Line
    from simulator.sockets import Fleet


class Driven(Protocol):
    """What a driver needs of a charger (seam 1)."""

    spec: ChargerSpec

    def handle(self, now: float, incoming: effects.Input) -> list[effects.Action]:
        """Take one input and return what follows."""

    def inbound_delay(self, now: float) -> float:
        """Return how long a frame that just arrived travels inside."""


class Slot:
    """What the driver keeps of one charger: also the ear of its line."""

    __slots__ = (
        "charger", "crashed", "fleet", "id", "inbound_free", "inbound_queued", "line",
        "outbound_free", "outbound_queued", "wake_pending", "wake_time",
    )  # fmt: skip

    def __init__(self, fleet: Fleet, charger: Driven) -> None:
        self.fleet = fleet
        self.charger = charger
        self.id = charger.spec.id
        self.line: Line | None = None
        self.crashed = False
        self.wake_time: float | None = None  # the only wake-up that still counts
        self.wake_pending: float | None = None  # the earliest one on the agenda
        self.inbound_free = 0.0  # no frame overtakes an earlier one
        self.outbound_free = 0.0
        self.inbound_queued = 0
        self.outbound_queued = 0

    def opened(self, line: Line, subprotocol: str) -> None:
        """Tell the charger that it is connected."""
        self.fleet.line_opened(self, line, subprotocol)

    def heard(self, line: Line, text: str) -> None:
        """Record a frame at the socket and deliver it after its latency."""
        if line is self.line:
            self.fleet.line_heard(self, line, text)

    def odd(self, line: Line, what: str) -> None:
        """Record what no charger would understand."""
        if line is self.line:
            self.fleet.observe(self.id, "note", None, {"note": "odd_frame", "what": what})

    def gone(self, line: Line, code: int, reason: str) -> None:
        """Tell the charger that its connection was lost."""
        if line is self.line:
            self.fleet.line_gone(self, code, reason)
