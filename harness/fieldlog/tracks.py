"""What is known of one charger while its log is read: connection, open CALLs. A core."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.fieldlog.frames import CALL, NOTE
from harness.fieldlog.values import RECV, SEND

if TYPE_CHECKING:
    from harness.fieldlog.values import Piece

MOST_OPEN = 2000  # CALLs remembered a side: a log without answers must not fill memory
BOOT = "BootNotification"


@dataclass(slots=True)
class Track:
    """One charger; `ours` are its own CALLs without an answer, `theirs` those of the CSMS."""

    id: str
    version: str = ""
    open: bool = False
    told: bool = False  # the log itself says when connections begin
    session: str = ""
    connections: int = 0
    gaps: int = 0  # the gaps of the log that it has taken notice of
    accepted: bool = False  # a boot was accepted on this connection
    asked_to_boot: bool = False
    ours: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)

    def answerer(self, message_id: str) -> str:
        """Return the way of an answer to this id, '' if it is open on no side, or on both."""
        asked_by_charger, asked_by_csms = message_id in self.ours, message_id in self.theirs
        if asked_by_charger == asked_by_csms:
            return ""
        return RECV if asked_by_charger else SEND

    def begins_anew(self, piece: Piece, way: str) -> bool:
        """Whether this frame must be on a new connection although no line says so."""
        if not self.open or (piece.session and piece.session != self.session):
            return True
        boots = way == SEND and piece.frame[0] == CALL and piece.frame[2] == BOOT
        return boots and self.accepted and not self.asked_to_boot and not self.told

    def connect(self, session: str, gaps: int) -> str:
        """Begin a connection; return its id."""
        self.open, self.session, self.gaps = True, session, gaps
        self.connections += 1
        self.accepted = self.asked_to_boot = False
        self.ours.clear()
        self.theirs.clear()
        return self.ref

    @property
    def ref(self) -> str:
        """The id of its latest connection."""
        return f"{self.id}#{self.connections}"

    def named(self, way: str, kind: int, message_id: str, action: str, payload: Any) -> str:
        """Return the action of a frame, and remember what its answer will need."""
        mine, other = (self.ours, self.theirs) if way == SEND else (self.theirs, self.ours)
        if kind in {CALL, NOTE}:
            if kind == CALL:
                mine[message_id] = action
                if len(mine) > MOST_OPEN:
                    del mine[next(iter(mine))]
            if action in {"TriggerMessage", "ExtendedTriggerMessage"} and isinstance(payload, dict):
                self.asked_to_boot |= payload.get("requestedMessage") == BOOT
            return action
        answered = other.pop(message_id, "")
        if answered == BOOT and isinstance(payload, dict):
            self.accepted |= payload.get("status") == "Accepted"
            self.asked_to_boot = False
        return answered
