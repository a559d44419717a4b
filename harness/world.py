"""What a drill may touch: the World that the operator and the phases live in.

Values and one protocol, no asyncio: `socket_world` implements it with processes and sockets, the
virtual world on a heap. The operator and the runner's phases are plain coroutines that await
nothing but the methods named here, so both worlds run the very same drill (seam 8).

Times are seconds since the start of the drill and never step back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from harness.progress import Progress
    from harness.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the published REST API (or of an extension), ready to be sent.

    `path` begins after the base url (`/firmware/rollout`) and carries its query string. `key` says
    which bearer key goes with it: the right one, none at all, or a wrong one (R45).
    """

    operation: str  # create | execute_stage | pause | read | fleet | other
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    rollout: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str = "right"  # right | missing | wrong


@dataclass(frozen=True, slots=True)
class Ok:
    """Answered with 2xx."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """Answered with 4xx: the request had no effect."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """No usable answer (time-out, connection lost, 5xx): it may have had its effect or not."""

    error: str
    status: int | None = None
    body: Any = None


Outcome = Ok | Refused | Unknown


class Running(Protocol):
    """A coroutine that was spawned beside the current one."""

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""

    async def join(self) -> None:
        """Wait for its end; raises what it raised."""

    def cancel(self) -> None:
        """End it; harmless if it ended already."""


class World(Protocol):
    """Where a drill happens."""

    recorder: Recorder
    progress: Progress
    epoch: float  # Unix seconds at second 0 of the drill

    def now(self) -> float:
        """Return the seconds since the start of the drill."""

    async def request(self, request: Request) -> Outcome:
        """Send one request to the system under test and return what became of it.

        Never raises for anything the system does; records nothing (the operator does).
        """

    async def settle(self) -> None:
        """Return once everything that chargers saw until now is recorded.

        A fleet that is divided over processes needs it before a request is recorded as sent and
        again before its answer is: an event must not be recorded behind one that it preceded.
        """

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until the condition holds; False after `within` seconds.

        The condition is a question to what was recorded so far, and is asked after every event.
        """

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def ask(self, ids: Iterable[str], action: str, payload: dict[str, Any]) -> dict[str, str]:
        """Have chargers send one CALL each: id -> answered | offline | closed | timeout."""

    def online(self) -> list[str]:
        """Return the ids of the chargers that are connected, in fleet order."""

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Running:
        """Run a coroutine beside the current one."""

    async def interruptible(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Run a coroutine that the user may interrupt; False if that happened."""

    async def start_fleet(self) -> None:
        """Power every charger on; returns when the last one was."""

    async def kill_target(self, *, at_commit: bool = False) -> None:
        """Kill the system under test without warning; raises TargetError if it is not ours.

        `at_commit`: where this world can see it, not before the next thing is written down.
        """

    async def restart_target(self) -> None:
        """Start the killed system again on the same data and the same addresses."""

    def mark(self, name: str) -> None:
        """Tell the chargers that a named moment has passed, and record it."""
