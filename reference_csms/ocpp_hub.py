"""All connections and the service's turn: who gets what, in which order. A core.

The hub is everything of the OCPP server but sockets and clock, so that the virtual world and the
real server run the same code: open, receive, close, and `turn` whenever something happened or
`next_turn()` has come. Frames are handed to `Link.write` synchronously while the outbox is emptied:
an answer to a pause, behind them in the same list, promises that no more follow (D10, D31).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from reference_csms.model import Answered, AskStatus, Frame, Hangup, Published, SendUpdate
from reference_csms.ocpp_facts import Counters
from reference_csms.ocpp_session import CALL_TIMEOUT, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_csms.model import Released
    from reference_csms.ocpp_facts import Outcome
    from reference_csms.service import Service

POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1
_TRANSACTIONS_AN_EPOCH = 2**20


class Link(Protocol):
    """What carries one connection's frames."""

    def write(self, text: str) -> bool:
        """Give a frame to the transport now; False: it is closing, nothing was written."""

    def hang_up(self, code: int, reason: str) -> None:
        """Close the connection soon; the hub has already forgotten it."""


@dataclass(slots=True)
class Line:
    """One open connection: its session and what carries it."""

    session: Session
    link: Link


class Hub:
    """The open connections of one service."""

    def __init__(
        self, service: Service, *, epoch: int = 0, call_timeout: float = CALL_TIMEOUT
    ) -> None:
        """`epoch` counts the starts of this database: transaction ids are never used twice."""
        self.service = service
        self.counters = Counters()
        # Told every committed change once `Service.subscribe` was called.
        self.published: Callable[[Published], None] | None = None
        self._lines: dict[str, Line] = {}
        self._call_timeout = call_timeout
        self._numbers = count(1)
        self._transactions = count(epoch * _TRANSACTIONS_AN_EPOCH + 1)
        self._deadlines: list[tuple[float, int, Session]] = []

    def __len__(self) -> int:
        """Return how many chargers are connected."""
        return len(self._lines)

    # -------------------------------------------------- connections

    def open(self, now: float, charger_id: str, version: str, link: Link) -> Line:
        """Take a new connection of a registered charger; it replaces an earlier one."""
        before = self._lines.get(charger_id)
        if before is not None:
            self.close(now, before)
            before.link.hang_up(POLICY_VIOLATION, "replaced by a newer connection")
        session = Session(
            self.service,
            charger_id,
            f"{charger_id}#{next(self._numbers)}",
            version,
            transactions=self._transactions,
            counters=self.counters,
            call_timeout=self._call_timeout,
        )
        line = self._lines[charger_id] = Line(session, link)
        session.opened(now)
        return line

    def receive(self, now: float, line: Line, data: str | bytes) -> None:
        """Take a frame; its answer is written at once, or with the next turn."""
        if line.session.open:
            text = line.session.receive(now, data)
            if text is not None:
                line.link.write(text)

    def close(self, now: float, line: Line) -> None:
        """Note that a connection is gone; again is harmless."""
        if self._lines.get(line.session.charger_id) is line:
            del self._lines[line.session.charger_id]
        line.session.closed(now)

    # -------------------------------------------------- the turn

    def turn(self, now: float) -> None:
        """Do what is due: time-outs, timers, one batch a rollout, one commit, what it releases."""
        while self._deadlines and self._deadlines[0][0] <= now:
            heapq.heappop(self._deadlines)[2].expire(now)
        self.service.wake(now)
        released = self.service.commit(now)
        # Answers first: a station must hear that its boot is accepted before it is told to update
        # or asked for its status (B01.FR.08); an answer is never what another one waits for.
        for item in released:
            if isinstance(item, Frame):
                self._answer(item)
        for item in released:
            self._deliver(now, item)

    def next_turn(self) -> float | None:
        """Return when `turn` is next needed (0.0: at once), or None."""
        due = self.service.next_wake()
        if not self._deadlines:
            return due
        first = self._deadlines[0][0]
        return first if due is None else min(due, first)

    def _deliver(self, now: float, item: Released) -> None:
        match item:
            case Answered():
                item.ticket.resolve(item.outcome)
            case SendUpdate() | AskStatus():
                self._command(now, item)
            case Hangup():
                line = self._current(item)
                if line is not None:
                    self.close(now, line)
                    line.link.hang_up(POLICY_VIOLATION, "this charger was removed")
            case Published() if self.published is not None:
                self.published(item)
            case _:
                pass

    def _answer(self, item: Frame) -> None:
        line = self._current(item)
        if line is not None:
            line.link.write(item.text)

    def _current(self, item: Frame | Hangup | SendUpdate | AskStatus) -> Line | None:
        line = self._lines.get(item.charger_id)
        return line if line is not None and line.session.connection == item.connection else None

    def _command(self, now: float, item: SendUpdate | AskStatus) -> None:
        line = self._current(item)
        if line is None:
            self.service.undelivered(now, item.charger_id, item.message_id)
            return
        text = line.session.command(now, item)
        if text is not None:
            self._send(now, line, text)

    def _send(self, now: float, line: Line, text: str) -> None:
        if not line.link.write(text):
            line.session.withdraw(now)
        elif line.session.deadline is not None:
            heapq.heappush(
                self._deadlines, (line.session.deadline, next(self._numbers), line.session)
            )

    # -------------------------------------------------- an operator's call

    def session(self, charger_id: str) -> Session | None:
        """Return the session of a connected charger, or None."""
        line = self._lines.get(charger_id)
        return None if line is None else line.session

    def call(
        self,
        now: float,
        charger_id: str,
        action: str,
        payload: dict[str, Any],
        listener: Callable[[Outcome], None],
    ) -> bool:
        """Send one CALL now; False: the charger is not connected or its slot is taken (D31)."""
        line = self._lines.get(charger_id)
        text = None if line is None else line.session.call(now, action, payload, listener)
        if line is None or text is None:
            return False
        self._send(now, line, text)
        return True
