"""C06, C10, C12, C13, C15: an update beside transactions, reconnects, availability, signatures."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.charger_rules import charger_rule, is_signed
from harness.checkers.facts import (
    Called,
    Closed,
    Interrupted,
    Opened,
    Replied,
    Reported,
    TriggerAnswered,
    Triggered,
)
from harness.checkers.settling import last_sign
from harness.verdict import Grade

if TYPE_CHECKING:
    from harness.checkers.model import Member, Station, Trigger
    from harness.checkers.view import View
    from harness.history import Event

TRANSACTIONS = frozenset({"StopTransaction", "TransactionEvent"})
PATIENCE = 60.0  # seconds after an update's end in which a charger puts things right again


class C06(Checker):
    """Installs when idle."""

    requirement = charger_rule(
        "C06",
        "Installs when idle",
        "A charger does not install while a transaction runs on it.",
        "OCPP 2.0.1 L01.FR.06, L02.FR.03; OCPP 1.6 security extension L01.FR.06",
    )

    def __init__(self) -> None:
        """Start with no transactions."""
        super().__init__()
        self._running: dict[str, dict[str, Event]] = {}  # charger -> transaction -> its start

    @sees(Called, about=TRANSACTIONS)
    def called(self, _view: View, fact: Called) -> None:
        """Follow transactions; 1.6 knows a transaction's id only from the answer to its start."""
        call, payload = fact.call, fact.call.payload
        if not isinstance(payload, dict):
            return
        running = self._running.setdefault(fact.station.id, {})
        if call.action == "StopTransaction":
            running.pop(str(payload.get("transactionId")), None)
        elif call.action == "TransactionEvent":
            info = payload.get("transactionInfo")
            name = str(info.get("transactionId")) if isinstance(info, dict) else ""
            if payload.get("eventType") == "Ended":
                running.pop(name, None)
            else:
                running.setdefault(name, fact.event)

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """A transaction may have ended unseen."""
        self._running.pop(fact.station.id, None)

    @sees(Replied, about=("StartTransaction",))
    def replied(self, _view: View, fact: Replied) -> None:
        """Learn the id of a 1.6 transaction."""
        call = fact.call
        if call is None or fact.frame[0] != 3:  # noqa: PLR2004
            return
        answer: Any = fact.frame[2] if isinstance(fact.frame[2], dict) else {}
        info: Any = answer.get("idTagInfo")
        if isinstance(info, dict) and info.get("status") == "Accepted":
            running = self._running.setdefault(fact.station.id, {})
            # One of the same words is told again, whose first answer was lost: it has two ids.
            for name in [one for one, start in running.items() if _told(start) == call.payload]:
                del running[name]
            running[str(answer.get("transactionId"))] = call.event

    @sees(Reported, about=("Installing", "InstallRebooting"))
    def reported(self, view: View, fact: Reported) -> None:
        """Judge the start of an installation."""
        if fact.trigger is None:
            return
        known = self._running.get(fact.station.id)
        if known is None:
            return  # it never said anything about transactions
        self.exercised += 1
        if known:
            name, start = next(iter(known.items()))
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected="the installation waits for the transaction's end",
                seen=f"{fact.status} during transaction {name}",
                events=(start, fact.trigger.event, fact.event),
                # 1.6 core only recommends it.
                grade=Grade.VIOLATES if fact.trigger.full else Grade.TOLERATED,
            )


def _told(start: Event) -> Any:
    """Return what a StartTransaction said."""
    return start.data["frame"][3]


class C10(Checker):
    """Survives a reconnect."""

    requirement = charger_rule(
        "C10",
        "Survives a reconnect",
        "An update that a lost connection interrupts still comes to a reported end.",
        "OCPP 2.0.1 L01.FR.01; OCPP 1.6 4.5",
    )

    def __init__(self) -> None:
        """Start with nothing interrupted."""
        super().__init__()
        self._broken: dict[str, tuple[Member, Event]] = {}

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """An end may have been reported unseen."""
        self._broken.pop(fact.station.id, None)

    @sees(Closed)
    def closed(self, _view: View, fact: Closed) -> None:
        """Remember an update that loses its connection.

        A command that was neither answered nor reported on may have been lost with it.
        """
        triggers = fact.connection.station.triggers
        member = triggers[-1].member if triggers else None
        if member is None or (triggers[-1].answered is None and member.reported is None):
            return
        if not member.final and not triggers[-1].refused:
            self._broken[member.charger] = (member, fact.event)

    @sees(Reported)
    def reported(self, _view: View, fact: Reported) -> None:
        """A reported end exercises the rule."""
        broken = self._broken.get(fact.station.id)
        if broken is not None and fact.member is broken[0] and fact.member.final:
            del self._broken[fact.station.id]
            self.exercised += 1

    def end(self, view: View) -> None:
        """Accuse those that are back and silent for longer than the CSMS waits."""
        limit = view.profile.number("D12", "update_timeout")
        for charger, (member, event) in self._broken.items():
            station = view.stations[charger]
            if limit is None or station.connection is None or member.upgraded is not None:
                continue
            back = max(station.connection.opened.time, last_sign(member))
            if view.now - back > limit:
                self.exercised += 1
                self.accuse(
                    view,
                    who=charger,
                    charger=charger,
                    expected="an end of the update after the reconnect",
                    seen=f"silence for {view.now - back:.0f} s after {member.status or 'nothing'}",
                    events=(member.triggers[-1].event, event, station.connection.opened),
                )


class C12(Checker):
    """Available again."""

    requirement = charger_rule(
        "C12",
        "Available again",
        "A connector that an update made Unavailable is Available again after the update's end, "
        "also after a failure.",
        "OCPP 2.0.1 L01.FR.07, TC_L_08; OCPP 1.6 security extension L01.FR.07",
    )

    def __init__(self) -> None:
        """Start with no connectors."""
        super().__init__()
        self._states: dict[tuple[str, str, str], tuple[str, Event, Trigger | None]] = {}

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """A connector may have changed unseen."""
        for key in [key for key in self._states if key[0] == fact.station.id]:
            del self._states[key]

    @sees(Called, about=("StatusNotification",))
    def called(self, _view: View, fact: Called) -> None:
        """Follow the connectors' statuses."""
        payload = fact.call.payload
        if not isinstance(payload, dict):
            return
        status = str(payload.get("connectorStatus", payload.get("status")))
        key = (fact.station.id, str(payload.get("evseId")), str(payload.get("connectorId")))
        before = self._states.get(key)
        latest = fact.station.triggers[-1] if fact.station.triggers else None
        running = latest is not None and latest.member is not None and not latest.member.final
        if before is not None and before[0] == "Unavailable" and before[2] and status != before[0]:
            self.exercised += 1
        made = latest if running and status == "Unavailable" else None
        self._states[key] = (status, fact.event, made)

    def end(self, view: View) -> None:
        """Accuse connectors that stayed Unavailable."""
        for (charger, _, connector), (status, event, made) in self._states.items():
            station = view.stations[charger]
            member = _ended(station, made) if made is not None else None
            if status != "Unavailable" or member is None or member.final_event is None:
                continue
            ended = member.final_event
            # Its reboot may come after the end that it told, and take long.
            since = max(ended.time, station.connection.opened.time if station.connection else inf)
            if view.now - since < PATIENCE:
                continue
            self.exercised += 1
            self.accuse(
                view,
                who=charger,
                charger=charger,
                expected=f"connector {connector} is Available again after {member.final}",
                seen=f"still Unavailable {view.now - since:.0f} s later",
                events=(event, ended),
            )


def _ended(station: Station, made: Trigger) -> Member | None:
    """Return the update that ended, of this one and those that took its place."""
    later = station.triggers[station.triggers.index(made) :]
    members = [one.member for one in later if one.member is not None]
    return next((one for one in members if one.final_event is not None), None)


class C13(Checker):
    """Signature."""

    requirement = charger_rule(
        "C13",
        "Signature",
        "A charger that refuses a certificate or a signature, or that installed a signed image, "
        "says so in a security event.",
        "OCPP 2.0.1 L01.FR.02, L01.FR.03, L01.FR.31; security extension L01.FR.02-03",
    )

    def __init__(self) -> None:
        """Start with nothing owed."""
        super().__init__()
        self._owed: dict[tuple[str, str], Event] = {}
        self._said: dict[str, set[str]] = {}  # charger -> events since its last trigger
        self._counted: dict[tuple[str, str], Trigger] = {}  # the last update that owed an event

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """An event may have been sent unseen."""
        for key in [key for key in self._owed if key[0] == fact.station.id]:
            del self._owed[key]

    @sees(Triggered)
    def triggered(self, _view: View, fact: Triggered) -> None:
        """A new update starts with no events said."""
        self._said.pop(fact.trigger.station.id, None)

    @sees(TriggerAnswered)
    def answered(self, _view: View, fact: TriggerAnswered) -> None:
        """A refused certificate is owed an event."""
        if fact.trigger.answer in {"InvalidCertificate", "RevokedCertificate"}:
            self._owe(fact.trigger, "InvalidFirmwareSigningCertificate", fact.event)

    @sees(Reported, about=("InvalidSignature", "Installed"))
    def reported(self, _view: View, fact: Reported) -> None:
        """A refused signature, or a signed image installed, is owed an event."""
        if fact.trigger is None or not fact.trigger.full:
            return
        if fact.status == "InvalidSignature":
            self._owe(fact.trigger, "InvalidFirmwareSignature", fact.event)
        elif is_signed(fact.trigger):
            self._owe(fact.trigger, "FirmwareUpdated", fact.event)

    @sees(Called, about=("SecurityEventNotification",))
    def called(self, _view: View, fact: Called) -> None:
        """An event pays; it may come before the status (errata 6.2.83)."""
        if not isinstance(fact.call.payload, dict):
            return
        key = (fact.station.id, str(fact.call.payload.get("type")))
        if self._owed.pop(key, None) is not None:
            self.exercised += 1
        else:
            self._said.setdefault(key[0], set()).add(key[1])

    def _owe(self, trigger: Trigger, event: str, since: Event) -> None:
        """Note that an update owes an event; a status that is told again owes no other one."""
        charger = trigger.station.id
        if self._counted.get((charger, event)) is trigger:
            return
        self._counted[charger, event] = trigger
        if event in self._said.get(charger, ()):
            self.exercised += 1
        else:
            self._owed.setdefault((charger, event), since)

    def end(self, view: View) -> None:
        """Accuse events that never came."""
        for (charger, name), since in self._owed.items():
            if view.stations[charger].connection is None or view.now - since.time < PATIENCE:
                continue
            self.exercised += 1
            self.accuse(
                view,
                who=charger,
                charger=charger,
                expected=f"a SecurityEventNotification {name}",
                seen=f"none in {view.now - since.time:.0f} s",
                events=(since,),
            )


class C15(Checker):
    """Back-off."""

    requirement = charger_rule(
        "C15",
        "Back-off",
        "A charger whose connection breaks does not hammer the CSMS: it does not connect five "
        "times within five seconds without being accepted once.",
        "OCPP 2.0.1 Part 4 5.3; OCPP-J 1.6 errata 3.4",
    )
    MOST, WITHIN = 5, 5.0

    def __init__(self) -> None:
        """Start with no connects."""
        super().__init__()
        self._opened: dict[str, deque[Event]] = {}

    @sees(Replied, about=("BootNotification",))
    def replied(self, _view: View, fact: Replied) -> None:
        """An accepted boot starts anew: reboots are no reconnects."""
        if fact.station.accepted:
            self._opened.pop(fact.station.id, None)

    @sees(Opened)
    def opened(self, view: View, fact: Opened) -> None:
        """Measure the last few connects."""
        charger = fact.connection.station.id
        if fact.connection.inferred or fact.connection.partial or not view.timed:
            return  # when it connected, or that it did, is a guess
        recent = self._opened.setdefault(charger, deque(maxlen=self.MOST))
        if recent and recent[-1].index < fact.connection.station.line_back:
            recent.clear()  # its network came back meanwhile: no failed connect makes it wait
        recent.append(fact.event)
        self.exercised += len(recent) > 1
        if len(recent) == self.MOST and fact.event.time - recent[0].time < self.WITHIN:
            self.accuse(
                view,
                who=charger,
                charger=charger,
                expected=f"fewer than {self.MOST} connects within {self.WITHIN:.0f} s",
                seen=f"{self.MOST} in {fact.event.time - recent[0].time:.1f} s",
                events=tuple(recent),
            )
            recent.clear()
