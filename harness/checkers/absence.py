"""Whether a charger can have been absent: what tells R14 that nobody was away.

A core. A CSMS that answers on one connection before and after a moment held it all the time; who
was there at the last read that showed a charger as waiting, and is there still, was not away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Closed, Commanded, Replied
from harness.checkers.settling import ENDED, told
from harness.verdict import CSMS

if TYPE_CHECKING:
    from harness.checkers.facts import Read
    from harness.checkers.model import Connection, Member
    from harness.checkers.view import View


class Absences(Checker):
    """Remembers who was called absent; its heirs say what that breaks."""

    def __init__(self) -> None:
        """Start with nobody called absent."""
        super().__init__()
        self._since: dict[Connection, float] = {}  # usable: an answer to an accepted station
        self._busy: set[Connection] = set()  # its CALL slot was taken: like being away (D31)
        self._called: dict[Connection, list[tuple[Member, Read]]] = {}

    @sees(Commanded)
    def commanded(self, _view: View, fact: Commanded) -> None:
        """A taken slot may count as an absence."""
        if fact.connection is not None:
            self._busy.add(fact.connection)

    @sees(Closed)
    def left(self, _view: View, fact: Closed) -> None:
        """Whether the CSMS had lost it before is anybody's guess."""
        self._since.pop(fact.connection, None)
        self._called.pop(fact.connection, None)
        self._busy.discard(fact.connection)

    @sees(Replied)
    def replied(self, view: View, fact: Replied) -> None:
        """The CSMS answers: it has held this connection since its first answer on it."""
        connection = fact.connection
        if connection is None or fact.sender is not CSMS:
            return
        result = fact.frame[2] if len(fact.frame) > 2 else None  # noqa: PLR2004 - [3, id, {}]
        fine = isinstance(result, dict) and result.get("status", "Accepted") == "Accepted"
        if fact.frame[0] == 3 and fine and fact.station.accepted:  # noqa: PLR2004 - CALLRESULT
            self._since.setdefault(connection, fact.event.time)
        for member, read in self._called.pop(connection, ()) if self._called else ():
            self.accuse(
                view,
                who=member.rollout.name,
                charger=member.charger,
                expected="offline is said only of who was away",
                seen=f"{member.charger} is shown as failed (offline); it was connected",
                events=(connection.opened, read.event, fact.event),
                switch="D11",
            )

    def called_absent(
        self, view: View, fact: Read, member: Member, row: dict[str, Any], before: Any
    ) -> None:
        """Remember a charger that a read newly calls offline while it is connected."""
        station = view.stations.get(member.charger)
        connection = station.connection if station is not None else None
        if row.get("reason") != "offline" or not isinstance(before, dict) or connection is None:
            return
        if before.get("status") in ENDED or member.shown is None or told(member):
            return
        since = self._since.get(connection)
        if since is None or connection in self._busy or view.interfered:
            return
        if since <= member.shown.asked:
            self._called.setdefault(connection, []).append((member, fact))
