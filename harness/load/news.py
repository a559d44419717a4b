"""What a worker tells the coordinator while the drill runs: enough for its running counters.

A core. Steps wait for counters (`when: {UpdateFirmware: 40}`), so the coordinator has to know of
connects, boots, updates and statuses soon; all other calls are only counted. The history itself
stays where it was made until the end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.history import Event

if TYPE_CHECKING:
    from harness.progress import Progress

_TELLING = frozenset({"open", "close"})
_UPDATES = frozenset({"UpdateFirmware", "SignedUpdateFirmware"})
_STATUSES = frozenset({"FirmwareStatusNotification", "SignedFirmwareStatusNotification"})

Line = tuple[str, str, str, list[Any] | str]  # charger, kind, name, frame (or why, of a note)


@dataclass(slots=True)
class News:
    """What happened since the last telling."""

    lines: list[Line] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def see(self, event: Event) -> None:
        """Take an event of a worker's history in."""
        charger = event.charger
        if charger is None:
            return
        if event.kind in _TELLING:
            self.lines.append((charger, event.kind, "", ""))
        elif event.kind == "note" and event.name == "connect_failed":
            why = event.data.get("detail") or event.data.get("reason") or "unknown"
            self.lines.append((charger, "note", event.name, str(why)))
        elif event.kind in {"send", "recv"}:
            self._frame(charger, event)

    def _frame(self, charger: str, event: Event) -> None:
        frame = event.data.get("frame")
        if not isinstance(frame, list) or not frame:
            return
        answer = event.kind == "recv" and frame[0] != 2 and event.name == "BootNotification"  # noqa: PLR2004 - CALL
        command = event.kind == "recv" and frame[0] == 2 and event.name in _UPDATES  # noqa: PLR2004
        status = event.kind == "send" and frame[0] == 2 and event.name in _STATUSES  # noqa: PLR2004
        if answer or status:
            self.lines.append((charger, event.kind, event.name, frame))
        elif command:  # what it says is of no use here, and long
            self.lines.append((charger, event.kind, event.name, [2, "", event.name, {}]))
        elif frame[0] == 2:  # noqa: PLR2004 - CALL
            self.calls[event.name] += 1

    def take(self) -> dict[str, Any] | None:
        """Return what to tell, and begin anew; None if nothing happened."""
        if not self.lines and not self.calls:
            return None
        told = {"lines": self.lines, "calls": dict(self.calls)}
        self.lines, self.calls = [], Counter()
        return told


def apply(told: dict[str, Any], progress: Progress) -> None:
    """Let the coordinator's counters see what a worker told."""
    progress.calls.update(told["calls"])
    for charger, kind, name, rest in told["lines"]:
        data = {"detail": rest} if kind == "note" else {"frame": rest}
        progress.see(Event(0, 0.0, f"charger:{charger}", kind, name, "", data))
