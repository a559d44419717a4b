"""W01-W05: OCPP-J framing, judged for both sides; every finding says which side it accuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Called, Closed, Garbled, Replied
from harness.checkers.schemas import invalid, unheard_of
from harness.verdict import CHARGER, CSMS, Grade, Requirement, Subject

if TYPE_CHECKING:
    from harness.checkers.model import Call, Connection
    from harness.checkers.view import View
    from harness.history import Event

OLD = "ocpp1.6"
CALL_TIMEOUT = 30.0  # seconds after which an unanswered CALL counts as never answered
GIVEN_UP = 5.0  # seconds after which a side may have given a CALL up and sends the next
LONGEST_ID = 36
SEVERAL = 3  # CALLs without an answer that no unseen reconnect explains any more
LOG_BLUR = 1.0  # seconds within which the lines of a log may have changed places

CODES = frozenset(
    {
        "NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError",
        "PropertyConstraintViolation", "TypeConstraintViolation", "GenericError",
    }
)  # fmt: skip
OLD_CODES = CODES | {"FormationViolation", "OccurenceConstraintViolation"}
NEW_CODES = CODES | {
    "FormatViolation", "OccurrenceConstraintViolation", "MessageTypeNotSupported",
    "RpcFrameworkError",
}  # fmt: skip


def other(side: Subject) -> Subject:
    """Return the other end of the connection."""
    return CSMS if side is CHARGER else CHARGER


class W01(Checker):
    """Schema-valid."""

    requirement = Requirement(
        "W01",
        "Schema-valid",
        "Every CALL and every CALLRESULT is an OCPP-J frame whose payload fits the schema of its "
        "action in the version that was agreed on.",
        "OCPP-J 4.1-4.2; the JSON schemas of OCPP 1.6, 2.0.1 and 2.1",
    )

    @sees(Called)
    def called(self, view: View, fact: Called) -> None:
        """Judge a CALL's payload."""
        self.exercised += 1
        connection = fact.connection
        version = connection.subprotocol if connection is not None else ""
        action = fact.call.action
        problem = invalid(version, action, fact.call.payload, answer=False)
        if not problem and unheard_of(version, action):
            problem = f"{action!r} is no action of {version}"
        if problem:
            self._accuse(view, fact, f"{action}: {problem}", None)

    @sees(Replied)
    def replied(self, view: View, fact: Replied) -> None:
        """Judge a CALLRESULT's payload."""
        self.exercised += 1
        if fact.call is None or fact.connection is None or fact.frame[0] != 3:  # noqa: PLR2004
            return
        version, action = fact.connection.subprotocol, fact.call.action
        problem = invalid(version, action, fact.frame[2], answer=True)
        if problem:
            self._accuse(view, fact, f"answer to {action}: {problem}", fact.call.event)

    @sees(Garbled)
    def garbled(self, view: View, fact: Garbled) -> None:
        """Accuse what is no frame at all."""
        self.exercised += 1
        self._accuse(view, fact, fact.problem, None)

    def _accuse(
        self, view: View, fact: Called | Replied | Garbled, seen: str, before: Event | None
    ) -> None:
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected="a frame that fits its schema",
            seen=seen,
            events=(before, fact.event),
            subject=fact.sender,
        )


class W02(Checker):
    """Unique message ids."""

    requirement = Requirement(
        "W02",
        "Unique message ids",
        "A message id has at most 36 characters and is used once by a sender towards a station, "
        "across connections; only a repeated CALL that got no answer may reuse its id.",
        "OCPP 2.0.1 Part 4 4.1.4; OCPP-J 1.6 errata 3.1, 3.7",
    )

    MEMORY = 1000  # ids remembered for each sender and station: a huge run must not fill memory

    def __init__(self) -> None:
        """Start with no ids."""
        super().__init__()
        # An id leads to its CALL while that is open, to the event's index once it was answered.
        self._used: dict[tuple[Subject, str], dict[str, Call | int]] = {}

    @sees(Called)
    def called(self, view: View, fact: Called) -> None:
        """Look the id up among those used before."""
        self.exercised += 1
        call = fact.call
        who = (fact.sender, fact.station.id)
        used = self._used.get(who)
        if used is None:
            used = self._used[who] = {}
        first = used.setdefault(call.id, call)
        if first is call:
            if len(used) > self.MEMORY:
                del used[next(iter(used))]
            if len(call.id) <= LONGEST_ID:
                return
            seen = f"a message id of {len(call.id)} characters"
        elif isinstance(first, int):
            seen = f"message id {call.id!r} was used before, in event #{first}"
        elif first.action == call.action and first.payload == call.payload:
            return  # a CALL that got no answer may be repeated with its id
        else:
            seen = f"message id {call.id!r} was used before, for {first.action}"
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected="a fresh message id of at most 36 characters for every CALL",
            seen=seen,
            events=(None if isinstance(first, int) else first.event, call.event),
            subject=fact.sender,
        )

    @sees(Replied)
    def replied(self, _view: View, fact: Replied) -> None:
        """Forget the CALL behind an answered id."""
        call = fact.call
        if call is not None:
            used = self._used.get((other(fact.sender), fact.station.id))
            if used is not None and used.get(call.id) is call:
                used[call.id] = call.event.index


def _oldest(pending: dict[str, Call], call: Call, now: float) -> Call | None:
    """Return the oldest CALL of a side that is open beside this one and not given up yet.

    A side that is never answered leaves thousands open: they are not all looked at each time.
    """
    oldest = None
    for one in pending.values():
        if now - one.event.time >= GIVEN_UP:
            break  # and so may be many after it: they are looked at from the other end
        if one.id != call.id and not one.answered:
            return one
    for one in reversed(pending.values()):
        if now - one.event.time >= GIVEN_UP:
            break
        if one.id != call.id and not one.answered:
            oldest = one
    return oldest


class W03(Checker):
    """One outstanding CALL."""

    requirement = Requirement(
        "W03",
        "One outstanding CALL",
        "A side sends no further CALL while one of its CALLs on that connection is neither "
        "answered nor timed out (2.x: must; 1.6: should).",
        "OCPP 2.0.1 Part 4 4.1.1; OCPP-J 1.6 4.1.1",
    )

    @sees(Called)
    def called(self, view: View, fact: Called) -> None:
        """Look for another CALL of the same side that is still open."""
        connection, call = fact.connection, fact.call
        if connection is None or call.answered or not view.timed:
            return
        self.exercised += 1
        pending = connection.ours if fact.sender is CHARGER else connection.theirs
        if len(pending) < 2:  # noqa: PLR2004 - itself and another one
            return
        now = fact.event.time
        first = _oldest(pending, call, now)
        if first is not None:
            old = connection.subprotocol == OLD
            # The order in which a log was written is not quite that of the wire.
            close = view.field and now - first.event.time < LOG_BLUR
            close = close or connection.inferred  # a reconnect may lie between, unseen
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected="the next CALL only after the answer to the last",
                seen=f"{call.action} was sent while {first.action} was unanswered",
                events=(first.event, fact.event),
                grade=Grade.TOLERATED if old or close else Grade.VIOLATES,
                subject=fact.sender,
            )


class W04(Checker):
    """Every CALL answered."""

    requirement = Requirement(
        "W04",
        "Every CALL answered",
        "Every CALL is answered exactly once, by a CALLRESULT or a CALLERROR with its message id, "
        "unless the connection closes first.",
        "OCPP-J 1.6 4.1; OCPP 2.0.1 Part 4 4.1",
    )

    def __init__(self) -> None:
        """Start with everything answered."""
        super().__init__()
        self._unanswered: dict[tuple[str, Subject], int] = {}  # station and answerer, in a log
        self._one_sided: set[str] = set()  # whose log holds answers, and nothing that was asked

    @sees(Replied)
    def replied(self, view: View, fact: Replied) -> None:
        """Accuse an answer that nobody waits for."""
        self.exercised += 1
        if fact.call is not None or fact.connection is None:
            return
        if fact.frame[0] == 4 and fact.frame[1] == "-1":  # noqa: PLR2004 - an unreadable message
            return
        one_sided = fact.connection.one_sided
        if one_sided:
            self._one_sided.add(fact.station.id)
        if fact.connection.inferred or fact.connection.partial or one_sided:
            self.doubt = "the log holds answers to CALLs that it does not hold"
            return
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected="one answer to every CALL",
            seen=f"an answer to {fact.frame[1]!r}, which is not open on this connection",
            events=(fact.event,),
            subject=fact.sender,
        )

    @sees(Closed)
    def closed(self, view: View, fact: Closed) -> None:
        """Accuse CALLs that were open for long when the connection closed."""
        self._overdue(view, fact.connection, fact.event)

    def end(self, view: View) -> None:
        """Accuse CALLs that are still open at the end."""
        for station in view.stations.values():
            if station.connection is not None:
                self._overdue(view, station.connection, view.last)

    def _overdue(self, view: View, connection: Connection, event: Event | None) -> None:
        if connection.station.id in self._one_sided:
            return
        for pending, caller in (
            (connection.ours, CHARGER),
            (connection.theirs, CSMS),
        ):
            for call in pending.values():
                if call.answered:
                    continue  # one answer is enough for copies of one frame
                if view.field:
                    if self._unanswered_in_log(view, connection, call, caller):
                        break  # one silence explains all that went into it
                    continue
                if view.now - call.event.time < CALL_TIMEOUT:
                    continue
                charger = connection.station.id
                self.accuse(
                    view,
                    who=charger,
                    charger=charger,
                    expected=f"an answer to {call.action} within {CALL_TIMEOUT:.0f} s",
                    seen=f"none in {view.now - call.event.time:.0f} s on an open connection",
                    events=(call.event, event),
                    subject=other(caller),
                )

    def _unanswered_in_log(
        self, view: View, connection: Connection, call: Call, caller: Subject
    ) -> bool:
        """Judge a CALL that a field log shows no answer to; True: the line itself was dead.

        The answerer is to blame if it went on talking; if nothing came from it any more while the
        caller went on, the network is (or whoever was down behind it). Else nobody can tell.
        """
        answerer, asked = other(caller), call.event.time
        talked = connection.heard.get(answerer, asked) - asked
        tried = connection.heard.get(caller, asked) - asked
        dead = talked <= 0 and tried >= CALL_TIMEOUT
        if not dead and talked < CALL_TIMEOUT:
            self.doubt = f"the log ends before {call.action} had to be answered"
            return False
        charger = connection.station.id
        seen = f"none, while the {answerer} went on talking for {talked:.0f} s"
        self._unanswered[charger, answerer] = self._unanswered.get((charger, answerer), 0) + 1
        # One may have gone with a connection whose end the log does not show; not time and again.
        hidden = connection.inferred and self._unanswered[charger, answerer] < SEVERAL
        if dead:
            seen = (f"nothing came from the {answerer} any more, while the {caller} went on for "
                    f"{tried:.0f} s: the line was half-open, or nobody was there")  # fmt: skip
        self.accuse(
            view,
            who=charger,
            charger=charger,
            expected=f"an answer to {call.action} within {CALL_TIMEOUT:.0f} s",
            seen=seen,
            events=(call.event, connection.closed),
            grade=Grade.TOLERATED if hidden and not dead else Grade.VIOLATES,
            subject=Subject.NETWORK if dead else answerer,
        )
        return dead


class W05(Checker):
    """Legal error codes."""

    requirement = Requirement(
        "W05",
        "Legal errors",
        "A CALLERROR carries a code of its OCPP version, a description of at most 255 characters "
        "and an object of details.",
        "OCPP-J 1.6 4.2.3; OCPP 2.0.1 Part 4 4.2.3, 4.3",
    )

    @sees(Replied)
    def replied(self, view: View, fact: Replied) -> None:
        """Judge one error."""
        if fact.frame[0] != 4 or fact.connection is None:  # noqa: PLR2004 - CALLERROR
            return
        self.exercised += 1
        code, description, details = fact.frame[2:5]
        version = fact.connection.subprotocol
        codes = OLD_CODES if version == OLD else NEW_CODES
        if not version:  # a field log that never showed it
            codes = OLD_CODES | NEW_CODES
        problem = ""
        if not isinstance(code, str) or code not in codes:
            problem = f"error code {code!r}"
        elif not isinstance(description, str) or len(description) > 255:  # noqa: PLR2004
            problem = "the description is no text of at most 255 characters"
        elif not isinstance(details, dict):
            problem = "the details are no object"
        if problem:
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected="a CALLERROR as the version defines it",
                seen=problem,
                events=(fact.call.event if fact.call else None, fact.event),
                subject=fact.sender,
            )
