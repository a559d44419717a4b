"""Running counters over a history: what `when:` steps ask for and the live view shows.

A core: a fold over events, constant work an event. Nothing here decides a verdict. `version` grows
with every event, so that a view can tell whether anything happened.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.contract import TERMINAL, objects
from harness.history import CHARGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history import Event

FAILED = frozenset({
    "DownloadFailed", "InstallationFailed", "InvalidSignature", "InstallVerificationFailed",
})  # fmt: skip
ENDS = FAILED | {"Installed"}
FEW = 100  # chargers of a fleet whose bodies may be kept as they are
SETTLED_ROW = frozenset({"installed", "failed"})


class Progress:
    """What has happened so far, counted."""

    def __init__(self, fleet: int = 0) -> None:
        self.fleet = fleet  # how many chargers there are
        self.version = 0
        self.calls: Counter[str] = Counter()  # CALLs of either side, by action
        self.reports: Counter[str] = Counter()  # firmware status notifications, by status
        self.downloads: Counter[str] = Counter()  # finished requests to the firmware server
        self.marks: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()  # answered requests: `pause ok`, `create fail`
        self.online: set[str] = set()
        self.booted: dict[str, str] = {}  # charger -> answer to its last BootNotification
        self.trouble: dict[str, str] = {}  # charger -> why it could not connect, the last reason
        self.triggered: dict[str, int] = {}  # charger -> update commands received
        self.state: dict[str, str] = {}  # charger -> its last firmware status
        self.rollouts: dict[str, dict[str, Any]] = {}  # id -> what the last GET showed: `_kept`
        self.in_flight: set[str] = set()  # triggered, and no end reported yet
        self.movement = 0  # grows whenever a GET may show something new
        self.bytes_served = 0
        self.garbled = 0
        self._states: dict[str, Callable[[], int]] = {
            "online": lambda: len(self.online),
            "offline": lambda: self.fleet - len(self.online),
            "booted": lambda: sum(answer == "Accepted" for answer in self.booted.values()),
            "triggered": lambda: len(self.triggered),
            "in_flight": lambda: len(self.in_flight),
            "failed": lambda: sum(self.reports[status] for status in FAILED),
        }

    def count(self, name: str) -> int:
        """Return how often something happened, or how many chargers are in a state now.

        An OCPP action, a firmware status, a mark; or `booted`, `online`, `offline`, `in_flight`,
        `triggered`, `failed`.
        """
        number = self._states.get(name)
        if number is not None:
            return number()
        for counter in (self.calls, self.reports, self.marks, self.operations, self.downloads):
            if name in counter:
                return counter[name]
        return 0

    def rollout(self, rollout_id: str) -> dict[str, Any]:
        """Return the last body that a GET of this rollout showed ({} if none).

        Of chargers that are through only the status is kept, but for small fleets: a soak has many
        rollouts of thousands.
        """
        return self.rollouts.get(rollout_id, {})

    def states(self) -> Counter[str]:
        """Count the chargers by their last firmware status."""
        return Counter(self.state.values())

    def see(self, event: Event) -> None:
        """Take one event in."""
        self.version += 1
        source = event.source
        if source.startswith(CHARGER):
            fold = _CHARGER.get(event.kind)
            if fold is not None:
                fold(self, source[len(CHARGER) :], event)
        elif source == "operator":
            self._operator(event)
        elif source == "firmware":
            self.downloads[str(event.data.get("outcome"))] += 1
            sent = event.data.get("sent")
            self.bytes_served += sent if isinstance(sent, int) else 0
        elif event.kind == "mark":
            self.marks[event.name] += 1

    def _operator(self, event: Event) -> None:
        if event.kind == "invoke":
            return
        self.operations[f"{event.name} {event.kind}"] += 1
        body = event.data.get("body")
        if event.kind != "ok" or not isinstance(body, dict):
            return
        rollout_id = body.get("rollout_id")
        if event.name == "read" and isinstance(rollout_id, str):
            self.rollouts[rollout_id] = body if 0 < self.fleet <= FEW else _kept(body)

    def _opened(self, charger: str, _: Event) -> None:
        self.online.add(charger)
        self.trouble.pop(charger, None)

    def _closed(self, charger: str, _: Event) -> None:
        self.online.discard(charger)
        self.movement += 1

    def _noted(self, charger: str, event: Event) -> None:
        if event.name == "connect_failed":
            detail = event.data.get("detail") or event.data.get("reason") or "unknown"
            self.trouble[charger] = str(detail)

    def _received(self, charger: str, event: Event) -> None:
        frame = event.data.get("frame")
        if not isinstance(frame, list) or not frame:
            self.garbled += 1
            return
        if frame[0] == 2:  # noqa: PLR2004 - OCPP-J's CALL
            self.calls[event.name] += 1
            if event.name in {"UpdateFirmware", "SignedUpdateFirmware"}:
                self.triggered[charger] = self.triggered.get(charger, 0) + 1
                self.in_flight.add(charger)
                self.movement += 1
        elif event.name == "BootNotification":
            self.booted[charger] = _boot_status(frame)
            self.movement += 1

    def _sent(self, charger: str, event: Event) -> None:
        frame = event.data.get("frame")
        if not isinstance(frame, list) or len(frame) < 4 or frame[0] != 2:  # noqa: PLR2004 - CALL
            return
        self.calls[event.name] += 1
        if event.name not in {"FirmwareStatusNotification", "SignedFirmwareStatusNotification"}:
            return
        status = frame[3].get("status") if isinstance(frame[3], dict) else None
        if isinstance(status, str):
            self._reported(charger, status)

    def _reported(self, charger: str, status: str) -> None:
        self.movement += 1
        self.reports[status] += 1
        if status != "Idle":
            self.state[charger] = status
        if status in ENDS:
            self.in_flight.discard(charger)


_CHARGER: dict[str, Callable[[Progress, str, Event], None]] = {
    "open": Progress._opened,  # noqa: SLF001 - the table is part of the class
    "close": Progress._closed,  # noqa: SLF001
    "note": Progress._noted,  # noqa: SLF001
    "recv": Progress._received,  # noqa: SLF001
    "send": Progress._sent,  # noqa: SLF001
}


def _boot_status(frame: list[Any]) -> str:
    """Say what the CSMS answered to a BootNotification."""
    if frame[0] == 3 and len(frame) > 2 and isinstance(frame[2], dict):  # noqa: PLR2004 - CALLRESULT
        return str(frame[2].get("status"))
    return f"CALLERROR {frame[2]}" if len(frame) > 2 else "CALLERROR"  # noqa: PLR2004


# ---------------------------------------------------------------------- reading a rollout's body

_SETTLED = {status: {"status": status} for status in SETTLED_ROW}


def _kept(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body whose settled chargers share one row a status."""
    stages = body.get("stages")
    if not isinstance(stages, list):
        return body
    return {**body, "stages": [_kept_stage(stage) for stage in stages]}


def _kept_stage(stage: Any) -> Any:
    rows = stage.get("chargers") if isinstance(stage, dict) else None
    return (
        {**stage, "chargers": [_kept_row(row) for row in rows]} if isinstance(rows, list) else stage
    )


def _kept_row(row: Any) -> Any:
    status = row.get("status") if isinstance(row, dict) else None
    return _SETTLED.get(status, row) if isinstance(status, str) else row


def finished(body: dict[str, Any]) -> bool:
    """Whether a GET body shows a terminal rollout."""
    return str(body.get("status")) in TERMINAL


def settled_stages(body: dict[str, Any]) -> list[bool]:
    """Say for each stage of a GET body whether all of its chargers are installed or failed."""
    return [
        all(str(row.get("status")) in SETTLED_ROW for row in objects(stage.get("chargers")))
        for stage in objects(body.get("stages"))
    ]


def begun_stage(body: dict[str, Any]) -> int:
    """Return the number of the current stage (0: none was executed)."""
    current = body.get("current_stage")
    return current if isinstance(current, int) else 0


def by_status(body: dict[str, Any]) -> list[Counter[str]]:
    """Count the chargers of each stage by the status that GET shows."""
    return [
        Counter(str(row.get("status")) for row in objects(stage.get("chargers")))
        for stage in objects(body.get("stages"))
    ]


def in_flight(body: dict[str, Any]) -> int:
    """Count the chargers that a GET body shows as triggered and not settled."""
    idle = SETTLED_ROW | {"pending"}
    return sum(n for stage in by_status(body) for s, n in stage.items() if s not in idle)
