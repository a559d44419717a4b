"""W06-W10: request ids, dates, subprotocols, the first boot and passwords."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.clocks import in_history
from harness.checkers.facts import Called, Opened, Replied, Triggered, Turned
from harness.checkers.schemas import VERSIONS
from harness.checkers.wire import GIVEN_UP
from harness.verdict import CSMS, Grade, Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Connection
    from harness.checkers.view import View


class W06(Checker):
    """Fresh request ids."""

    requirement = Requirement(
        "W06",
        "Fresh request ids",
        "Every update command to a station carries a request id that no earlier one carried.",
        "OCPP 2.0.1 L01.FR.10, reason code DuplicateRequestId",
    )

    def __init__(self) -> None:
        """Start with no commands."""
        super().__init__()
        self._used: dict[tuple[str, int], Triggered] = {}

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Look the request id up."""
        trigger = fact.trigger
        if trigger.request_id is None:
            return
        self.exercised += 1
        first = self._used.setdefault((trigger.station.id, trigger.request_id), fact)
        if first is not fact:
            self.accuse(
                view,
                who=trigger.station.id,
                charger=trigger.station.id,
                expected="a fresh requestId for every command",
                seen=f"requestId {trigger.request_id} was used before",
                events=(first.event, fact.event),
            )


class W07(Checker):
    """UTC dates."""

    requirement = Requirement(
        "W07",
        "UTC dates",
        "Dates carry a time zone; they should be in UTC. The time that a CSMS tells its stations, "
        "by which they set their clocks, is true to a minute.",
        "OCPP-J 1.6 3.10; OCPP 2.0.1 Part 4, date and time; currentTime in answers to boots",
    )

    @sees(Called)
    def called(self, view: View, fact: Called) -> None:
        """Judge the dates of a CALL."""
        self._judge(view, fact, fact.call.payload)

    @sees(Replied)
    def replied(self, view: View, fact: Replied) -> None:
        """Judge the dates of a CALLRESULT."""
        if fact.frame[0] == 3:  # noqa: PLR2004 - CALLRESULT
            self._judge(view, fact, fact.frame[2])
            if fact.sender is CSMS and view.dated and not view.field:
                self._clock(view, fact, fact.frame[2])

    def _clock(self, view: View, fact: Replied, payload: Any) -> None:
        said = payload.get("currentTime") if isinstance(payload, dict) else None
        at = in_history(said, view.header.started_at) if said is not None else -inf
        asked = fact.call.event.time if fact.call is not None else fact.event.time
        if at != -inf and not asked - CLOCK_LIMIT <= at <= fact.event.time + CLOCK_LIMIT:
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected="currentTime is the time",
                seen=f"currentTime {said!r} is {at - fact.event.time:+.0f} s from the harness's",
                events=(fact.event,),
                subject=fact.sender,
            )

    def _judge(self, view: View, fact: Called | Replied, payload: Any) -> None:
        if not isinstance(payload, dict) or DATED.isdisjoint(payload):
            return
        for name, value in _dates(payload):
            self.exercised += 1
            if value.endswith(("Z", "+00:00")):
                continue
            zoned = value[-6:-5] in {"+", "-"}
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected="a date in UTC",
                seen=f"{name}: {value!r}",
                events=(fact.event,),
                grade=Grade.TOLERATED if zoned else Grade.VIOLATES,
                subject=fact.sender,
            )


CLOCK_LIMIT = 60.0  # seconds by which the two hosts' clocks may differ before stations suffer
DATES = ("timestamp", "currentTime", "retrieveDate")
DATED = frozenset({*DATES, "firmware"})  # where dates are: most payloads have none of it
FIRMWARE_DATES = ("retrieveDateTime", "installDateTime")


def _dates(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the dates of a payload that matter here, by name."""
    found = [(n, payload[n]) for n in DATES if n in payload]
    firmware = payload.get("firmware")
    if isinstance(firmware, dict):
        found += [(n, firmware[n]) for n in FIRMWARE_DATES if n in firmware]
    return [(name, value) for name, value in found if isinstance(value, str)]


class W08(Checker):
    """Subprotocol."""

    requirement = Requirement(
        "W08",
        "Subprotocol",
        "A connection that is opened has agreed on exactly one OCPP version.",
        "OCPP-J 1.6 3.2; OCPP 2.0.1 Part 4 3.2",
    )

    @sees(Opened)
    def opened(self, view: View, fact: Opened) -> None:
        """Judge what the handshake agreed on."""
        connection = fact.connection
        if view.field:  # logs show no handshake: what is known of the version was inferred
            return
        self.exercised += 1
        if connection.subprotocol not in VERSIONS:
            self.accuse(
                view,
                who=connection.station.id,
                charger=connection.station.id,
                expected=f"one of {', '.join(VERSIONS)}",
                seen=connection.subprotocol or "no subprotocol",
                events=(fact.event,),
            )


class W09(Checker):
    """Boot first."""

    requirement = Requirement(
        "W09",
        "Boot first",
        "Before a station's first boot is accepted it sends nothing but BootNotification, and the "
        "CSMS sends it no update command; a boot is answered before anything else is asked.",
        "OCPP 2.0.1 B01.FR.08, B02.FR.02; OCPP 1.6 4.2",
    )

    def __init__(self) -> None:
        """Start with nothing held back."""
        super().__init__()
        # In a log whose other side was not heard yet: the first such CALL of each charger, and
        # who answered CALLs that the log does not hold. It shows one side only, then.
        self._held: dict[str, Called] = {}
        self._one_sided: set[str] = set()

    @sees(Replied)
    def replied(self, _view: View, fact: Replied) -> None:
        """Note an answer to a CALL that the log does not hold."""
        connection = fact.connection
        if fact.call is None and connection is not None and connection.one_sided:
            self._one_sided.add(fact.station.id)

    @sees(Called)
    def called(self, view: View, fact: Called) -> None:
        """Judge a CALL of a station that was never accepted, or whose boot is unanswered."""
        station, connection = fact.station, fact.connection
        if fact.call.action == "BootNotification":
            self.exercised += 1
            return
        if connection is None:
            return
        if station.accepted:
            if fact.sender is CSMS:
                self._eager(view, fact, connection)
            return
        late = fact.sender is CSMS and not fact.call.trigger
        asked = any(c.action == "TriggerMessage" for c in connection.theirs.values())
        if late or asked:
            return
        if connection.one_sided:
            self._held.setdefault(station.id, fact)
        else:
            self._too_soon(view, fact)

    def end(self, view: View) -> None:
        """Accuse whom nobody answered; not whom a log of one side shows without the answers."""
        for charger, fact in self._held.items():
            if charger not in self._one_sided:
                self._too_soon(view, fact)

    def _too_soon(self, view: View, fact: Called) -> None:
        opened = fact.connection.opened if fact.connection is not None else None
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected="nothing but BootNotification before it is accepted",
            seen=f"{fact.call.action} before the first accepted boot",
            events=(opened, fact.event),
            subject=fact.sender,
        )

    def _eager(self, view: View, fact: Called, connection: Connection) -> None:
        """Note a CALL of the CSMS that overtakes its answer to a boot: stations may refuse it."""
        boot = next((c for c in connection.ours.values() if c.action == "BootNotification"), None)
        if boot is not None and fact.event.time - boot.event.time < GIVEN_UP:
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected="the boot's answer first",
                seen=f"{fact.call.action} while the BootNotification is unanswered",
                events=(boot.event, fact.event),
                grade=Grade.TOLERATED,
                subject=CSMS,
            )


class W10(Checker):
    """Authentication."""

    requirement = Requirement(
        "W10",
        "Authentication",
        "A station that gives a wrong password, or none where one is demanded, is not let in.",
        "OCPP 2.0.1 A00.FR.204, A00.FR.207; OCPP 1.6 security profiles 1 and 2",
    )

    @sees(Opened)
    def opened(self, view: View, fact: Opened) -> None:
        """Accuse a handshake that succeeded without the right password."""
        given = fact.event.data.get("credentials")
        if given not in {"wrong", "missing"}:
            return
        self.exercised += 1
        self.accuse(
            view,
            who=fact.connection.station.id,
            charger=fact.connection.station.id,
            expected="401",
            seen=f"a connection with {given} credentials",
            events=(fact.event,),
        )

    @sees(Turned)
    def turned(self, view: View, fact: Turned) -> None:
        """A probe that was turned away exercises the rule; it should be with 401."""
        if fact.event.data.get("credentials") not in ("wrong", "missing"):
            return
        self.exercised += 1
        status = fact.event.data.get("status")
        if status not in (401, 403, 404):
            self.accuse(
                view,
                who=fact.charger,
                charger=fact.charger,
                expected="401",
                seen=f"turned away with {status or 'no HTTP status'}",
                events=(fact.event,),
                grade=Grade.TOLERATED,
            )
