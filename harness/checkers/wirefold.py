"""The chargers' half of the view: connections, calls and answers, triggers, statuses, boots.

A core. Frames on one WebSocket are ordered, so every CALL of the charger that was answered is a
fence: what arrives after the answer was sent after the CALL (`Connection.fenced`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from harness.checkers import facts
from harness.checkers.alone import attempt_of
from harness.checkers.model import (
    FAILURES,
    RANK,
    Call,
    Connection,
    Member,
    Stage,
    Trigger,
)
from harness.checkers.settling import SLACK, end_silence, no_retry_left
from harness.checkers.transitions import known
from harness.verdict import CHARGER, CSMS, Subject

if TYPE_CHECKING:
    from harness.checkers.facts import Fact
    from harness.checkers.model import Station
    from harness.checkers.view import View
    from harness.history import Event

UPDATES = frozenset({"UpdateFirmware", "SignedUpdateFirmware"})
REPORTS = frozenset({"FirmwareStatusNotification", "SignedFirmwareStatusNotification"})
TRIGGERS = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})
ANSWERS = frozenset({3, 4, 5})
MOST_OPEN = 10_000  # unanswered CALLs remembered a side of a connection


class WireFold:
    """Folds the chargers' events into the view."""

    def __init__(self, view: View) -> None:
        """Write into this view."""
        self._view = view

    def fold(self, event: Event, station: Station) -> list[Fact]:
        """Take one event of a charger in."""
        kind = event.kind
        if kind == "send":
            return self._frame(event, station, CHARGER)
        if kind == "recv":
            return self._frame(event, station, CSMS)
        if kind == "open":
            return self._open(event, station)
        if kind == "close":
            return self._close(event, station)
        if kind == "damaged":
            self._damaged(event, station)
            return []
        if kind == "note" and event.name == "online":
            station.line_back = event.index
        return [facts.Turned(event, station.id)] if kind == "refused" else []

    # ------------------------------------------------------------------ connections

    def _open(self, event: Event, station: Station) -> list[Fact]:
        connection = Connection(
            event.ref, station, event, str(event.data.get("subprotocol") or ""), None
        )
        station.connection = connection
        station.connections += 1
        connection.inferred = bool(event.data.get("inferred"))
        connection.partial = bool(event.data.get("partial"))
        begins = self._view.field and station.connections == 1
        # Nobody knows what a station said before: it may have been accepted, or told to update.
        station.accepted |= begins or connection.partial
        opened: list[Fact] = [facts.Opened(event, connection)]
        if not connection.partial:
            # Even a log that begins with a boot may begin in the middle of an update.
            return [*opened, facts.Interrupted(event, station)] if begins else opened
        station.triggers, station.by_request = [], {}
        station.booted, station.version = None, None
        return [*opened, facts.Interrupted(event, station)]

    @staticmethod
    def _close(event: Event, station: Station) -> list[Fact]:
        connection = station.connection
        if connection is None or (event.ref and connection.id != event.ref):
            return []
        connection.closed = event
        # Who leaves without a word is there, for all that the CSMS knows.
        station.connection = None
        station.left = inf if event.data.get("silent") else event.time
        return [facts.Closed(event, connection)]

    # ------------------------------------------------------------------ frames

    @staticmethod
    def _damaged(event: Event, station: Station) -> None:
        """Take in what can still be read of a frame of a field log: nobody is accused of it."""
        connection, way = station.connection, event.data.get("way")
        if connection is None:
            return
        called = event.data.get("type") == 2  # noqa: PLR2004 - OCPP-J message type
        ours = (way == "send") == called
        pending = connection.ours if ours else connection.theirs
        if called:
            _open_call(pending, Call(event.ref, event.name, event, None, answered=True))
        else:
            pending.pop(event.ref, None)

    def _frame(self, event: Event, station: Station, sender: Subject) -> list[Fact]:
        connection = station.connection
        frame = event.data.get("frame")
        problem = _problem(frame)
        if problem:
            return [facts.Garbled(event, sender, station, connection, problem)]
        assert isinstance(frame, list)  # noqa: S101 - _problem() said so
        if connection is not None and self._view.field:
            connection.heard[sender] = event.time
            connection.first = event.index if connection.first < 0 else connection.first
        if frame[0] in ANSWERS:
            return self._reply(event, station, sender, frame)
        call = Call(frame[1], frame[2], event, frame[3])
        kind = facts.Called if sender is CHARGER else facts.Commanded
        out: list[Fact] = [kind(event, sender, station, connection, call)]
        if frame[0] != 2:  # SEND (2.1) is never answered  # noqa: PLR2004 - OCPP-J message type
            call.answered = True
            return out
        if sender is CHARGER:
            if connection is not None:
                _open_call(connection.ours, call)
            self._charger_called(out, event, station, call)
        else:
            if connection is not None:
                _open_call(connection.theirs, call)
            if call.action in TRIGGERS and asks_for_report(call):
                station.asked = event.index
            if call.action in UPDATES:
                out.append(facts.Triggered(event, self._trigger(event, station, call)))
        return out

    def _reply(
        self, event: Event, station: Station, sender: Subject, frame: list[Any]
    ) -> list[Fact]:
        connection = station.connection
        call = None
        if connection is not None:
            pending = connection.theirs if sender is CHARGER else connection.ours
            call = _answered_call(pending, frame[1])
        out: list[Fact] = [facts.Replied(event, sender, station, connection, call, frame)]
        if call is None or connection is None:
            return out
        call.answered = True
        if sender is CSMS:
            connection.fenced = max(connection.fenced, call.event.index)
            connection.fences += 1
            member = call.member
            if member is not None and member.pending is call.event and frame[0] == 3:  # noqa: PLR2004
                member.acknowledged = event
            if call.action == "BootNotification" and _payload(frame).get("status") == "Accepted":
                station.accepted = True
        elif call.trigger is not None:
            call.trigger.answered = event
            call.trigger.answer = _answer(frame)
            out.append(facts.TriggerAnswered(event, call.trigger))
        return out

    def _charger_called(self, out: list[Fact], event: Event, station: Station, call: Call) -> None:
        payload = call.payload if isinstance(call.payload, dict) else {}
        if call.action in REPORTS:
            report = self._report(event, station, payload)
            if report.member is not None and report.member.pending is event:
                call.member = report.member
            out.append(report)
        elif call.action == "BootNotification":
            connection = station.connection
            first = self._view.field and station.booted is None and connection is not None
            if first and connection is not None and connection.first == event.index:
                station.accepted = False  # it has just started: everything begins anew
            out.append(self._boot(event, station, payload))

    # ------------------------------------------------------------------ updates

    def _trigger(self, event: Event, station: Station, call: Call) -> Trigger:
        """Read an update command and attribute it by its unique url."""
        payload = call.payload if isinstance(call.payload, dict) else {}
        firmware = payload.get("firmware")
        where = firmware if isinstance(firmware, dict) else payload
        trigger = Trigger(
            event,
            station,
            station.connection,
            call.id,
            payload,
            str(where.get("location", "")),
            _integer(payload.get("requestId")),
            _integer(payload.get("retries")),
            _integer(payload.get("retryInterval")),
        )
        call.trigger = trigger
        station.triggers.append(trigger)
        if trigger.request_id is not None:
            station.by_request[trigger.request_id] = trigger
        trigger.rollout = self._view.by_url.get(trigger.location)
        self._view.adopt(trigger)
        if self._view.field and trigger.member is None:
            trigger.member = attempt_of(trigger)
        rollout, connection = trigger.rollout, trigger.connection
        since = rollout.tentative if rollout is not None else None
        if rollout and since and connection and connection.proves_after(since.index):
            rollout.suspects.append(trigger)
        return trigger

    def _report(self, event: Event, station: Station, payload: dict[str, Any]) -> facts.Reported:
        """Read a status and advance the update that it belongs to."""
        status = str(payload.get("status", ""))
        request_id = _integer(payload.get("requestId"))
        trigger = self._attribute(station, request_id)
        member = trigger.member if trigger is not None else None
        before = member.status if member is not None else ""
        if status in RANK:  # strangers make statuses up, and must not fill memory with them
            if trigger is None:
                station.strays.add(status)
            if request_id is None:
                station.nameless[status] = event.index
        if status == "Idle":
            station.idle = event.index
            if member is not None:
                member.idle = event
        elif member is not None:
            member.said.add(status)
            advance(member, status, event)
        return facts.Reported(event, station, status, request_id, trigger, member, before)

    @staticmethod
    def _attribute(station: Station, request_id: int | None) -> Trigger | None:
        """Find the update of a status: by its request id, in 1.6 the latest one."""
        if request_id is not None:
            return station.by_request.get(request_id)
        latest = station.triggers[-1] if station.triggers else None
        return latest if latest is not None and not latest.refused else None

    @staticmethod
    def _boot(event: Event, station: Station, payload: dict[str, Any]) -> facts.Booted:
        inner = payload.get("chargingStation")
        box = inner if isinstance(inner, dict) else payload
        version = box.get("firmwareVersion")
        version = version if isinstance(version, str) else None
        before = station.version
        vendor = box.get("vendorName", box.get("chargePointVendor"))
        model = box.get("model", box.get("chargePointModel"))
        station.version = version
        station.vendor = vendor if isinstance(vendor, str) else None
        station.model = model if isinstance(model, str) else None
        member = station.triggers[-1].member if station.triggers else None
        if station.booted is not None and version != before:
            station.renewed = event.index
            if member is not None:
                member.upgraded = member.upgraded or event
        station.booted = event
        reason = payload.get("reason")
        return facts.Booted(event, station, version, before, str(reason) if reason else None)


def _open_call(pending: dict[str, Call], call: Call) -> None:
    """Remember an open CALL; a copy of one that is open makes that one answerable once more."""
    first = pending.setdefault(call.id, call)
    if first is not call:
        first.copies += 1
    elif len(pending) > MOST_OPEN:  # a log of one side only: the rest of them says the same
        del pending[next(iter(pending))]


def _answered_call(pending: dict[str, Call], message_id: str) -> Call | None:
    """Find the CALL that an answer is for, closing it with its last copy."""
    call = pending.get(message_id)
    if call is not None:
        call.copies -= 1
        if call.copies < 1:
            del pending[message_id]
    return call


def adopt(trigger: Trigger) -> None:
    """Give a trigger to the member of its rollout, once the plan is known."""
    rollout = trigger.rollout
    if rollout is None:
        return
    member = rollout.members.get(trigger.station.id)
    if member is None:
        return
    trigger.member = member
    stage: Stage = rollout.stages[member.stage - 1]
    if not member.triggers:
        stage.triggered += 1
    if stage.first_trigger is None:
        stage.first_trigger = trigger
    member.triggers.append(trigger)


def advance(member: Member, status: str, event: Event) -> None:
    """Move one update on by a status of its own, as D22 and D30 read it."""
    rank = RANK.get(status)
    if rank is None or (member.final and member.final != "DownloadFailed"):
        return
    end_silence(member, event.time)
    member.lapsed = member.lapsed or no_retry_left(member, event.time + SLACK)
    member.reported = event
    if known(status, full=member.triggers[-1].full):
        member.understood = event
    before = (member.status, member.final, member.download_failures)
    _move(member, status, rank, event)
    if before != (member.status, member.final, member.download_failures):
        member.pending, member.acknowledged = event, None


def _move(member: Member, status: str, rank: int, event: Event) -> None:
    """Move one update to a status of this rank, unless it falls behind."""
    if status == "DownloadFailed":
        # One failure a Downloading; a charger may also fail before it ever says Downloading.
        if member.downloading is not None or member.download_failures == 0:
            member.download_failures += 1
            member.counted = event.time
        member.downloading = None
        member.status, member.final, member.final_event = status, status, event
        return
    if status in {"Downloading", "DownloadScheduled", "DownloadPaused"} and (
        member.final == "DownloadFailed" or rank >= member.highest
    ):
        member.final, member.final_event = "", None
        member.highest = rank
        member.downloading = event if status == "Downloading" else member.downloading
        member.status = status
        return
    if rank < member.highest:
        return
    member.highest, member.status = rank, status
    if status == "Installed" or status in FAILURES:
        member.final, member.final_event = status, event
    elif member.final:  # an attempt that nobody heard of succeeded
        member.final, member.final_event = "", None


LENGTHS: dict[float, int] = {
    2: 4,
    3: 3,
    4: 5,
    5: 5,
    6: 4,
}  # elements of a frame, by its message type
CALLS = frozenset({2, 6})
NUMBERS = (int, float)  # JSON's: a boolean is none


def _problem(frame: Any) -> str:
    """Say what keeps a frame from being OCPP-J, '' if nothing does."""
    if type(frame) is not list or not frame:  # exact types: that is all a JSON decoder makes
        return "no JSON array"
    kind = frame[0]
    if type(kind) not in NUMBERS or kind not in LENGTHS:
        return f"unknown message type {kind!r}"
    if len(frame) != LENGTHS[kind]:
        return f"message type {kind} with {len(frame)} elements instead of {LENGTHS[kind]}"
    if type(frame[1]) is not str:
        return "the message id is no string"
    if kind in CALLS and type(frame[2]) is not str:
        return "the action is no string"
    return ""


def _payload(frame: list[Any]) -> dict[str, Any]:
    """Return the payload of a CALLRESULT, {} for an error."""
    return frame[2] if frame[0] == 3 and isinstance(frame[2], dict) else {}  # noqa: PLR2004


def _answer(frame: list[Any]) -> str:
    """Return what a charger answered to an update command; 1.6 core can only accept."""
    if frame[0] != 3:  # noqa: PLR2004 - OCPP-J message type
        return f"CALLERROR {frame[2]}"
    return str(_payload(frame).get("status", "Accepted"))


def asks_for_report(call: Call) -> bool:
    """Whether a TriggerMessage asks for the firmware status."""
    return isinstance(call.payload, dict) and str(call.payload.get("requestedMessage")) in REPORTS


def agrees(frame: list[Any]) -> bool:
    """Whether a charger promises the message that it was asked for."""
    return _payload(frame).get("status") == "Accepted"


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
