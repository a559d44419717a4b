"""C01-C03, C09, C11, C14: what a charger says about its update, and when it may say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.clocks import CLOCK_SKEW, instant
from harness.checkers.facts import (
    Called,
    Interrupted,
    Replied,
    Reported,
    TriggerAnswered,
    Triggered,
)
from harness.checkers.model import FAILURES, RANK
from harness.checkers.transitions import START, known, next_statuses
from harness.checkers.wirefold import TRIGGERS, agrees, asks_for_report
from harness.verdict import Grade, Requirement, Subject

if TYPE_CHECKING:
    from harness.checkers.model import Trigger
    from harness.checkers.view import View
    from harness.history import Event

OLD = "ocpp1.6"
CROSSING = 10.0  # seconds within which last words may cross a new command
UNSEEN = "?"  # a status that lies in a gap of the log
PHASE = RANK | {"DownloadFailed": RANK["Downloading"]}  # a retry goes on from there


def charger_rule(number: str, title: str, sentence: str, source: str) -> Requirement:
    """Make a requirement on chargers."""
    return Requirement(number, title, sentence, source, Subject.CHARGER)


def is_signed(trigger: Trigger) -> bool:
    """Whether the command carried a signature."""
    firmware = trigger.payload.get("firmware")
    return isinstance(firmware, dict) and "signature" in firmware


def _will_report(fact: Replied) -> bool:
    """Whether a charger agrees to tell its firmware status."""
    call = fact.call
    if call is None or fact.sender is not Subject.CHARGER:
        return False
    return asks_for_report(call) and agrees(fact.frame)


class C01(Checker):
    """Transitions."""

    requirement = charger_rule(
        "C01",
        "Transitions",
        "Firmware statuses follow one another as the OCPP version allows, belong to an update "
        "that the charger accepted, and Idle is sent only when asked.",
        "OCPP 1.6 4.5; OCPP 2.0.1 L01.FR.01-34, L02.FR.01-23, F06.FR.16",
    )

    def __init__(self) -> None:
        """Start with no statuses."""
        super().__init__()
        self._last: dict[Trigger, tuple[str, Event]] = {}
        self._asked: set[str] = set()
        # What these were told to do lies in a gap of the log; and the first commands after gaps,
        # with whether the charger has booted in between.
        self._blind: dict[str, Event] = {}
        self._after_gap: dict[Trigger, bool] = {}

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """The command, or a TriggerMessage, may have come unseen."""
        self._blind[fact.station.id] = fact.event

    @sees(Triggered)
    def triggered(self, _view: View, fact: Triggered) -> None:
        """From a command on everything is known again."""
        station = fact.trigger.station
        gap = self._blind.pop(station.id, None)
        if gap is not None:
            booted = station.booted
            self._after_gap[fact.trigger] = booted is not None and booted.index > gap.index

    @sees(Called, about=TRIGGERS)
    def called(self, _view: View, fact: Called) -> None:
        """Remember who was asked for its firmware status."""
        if asks_for_report(fact.call):
            self._asked.add(fact.station.id)

    @sees(Replied, about=TRIGGERS)
    def replied(self, _view: View, fact: Replied) -> None:
        """Let a status that crossed the question not pass for what was asked for."""
        if _will_report(fact):
            self._asked.add(fact.station.id)

    @sees(Reported)
    def reported(self, view: View, fact: Reported) -> None:
        """Judge one status against the one before."""
        self.exercised += 1
        asked = fact.station.id in self._asked
        self._asked.discard(fact.station.id)
        trigger, status = fact.trigger, fact.status
        if trigger is None and fact.station.id in self._blind:
            self.doubt = "a status whose command the log does not hold"
            return
        if status == "Idle" or trigger is None:
            if not asked:
                self._uncalled_for(view, fact)
            return
        if fact.request_id is None:
            trigger = self._meant(fact, trigger)
        last, event = self._last.get(trigger, (START, trigger.event))
        full = trigger.full
        if last == START and self._of_a_gap(view, fact, trigger):
            self.doubt = "a status that may belong to a command before the log"
            return
        self._last[trigger] = (status, fact.event)
        if not known(status, full=full):
            self._accuse(view, fact, "a status of its OCPP version", status, event)
        elif status not in next_statuses(last, full=full, signed=is_signed(trigger)):
            # Nothing obliges a charger to replay what it could not send while offline: once the
            # connection of the command is gone it may skip forward, but never go back.
            gap = trigger.connection is not fact.station.connection
            if gap and PHASE.get(status, 0) >= PHASE.get(last, 0) and last != "Installed":
                return
            said = last or "the command"
            allowed = next_statuses(last, full=full, signed=is_signed(trigger))
            expected = f"after {said}: {' or '.join(sorted(allowed)) or 'nothing more'}"
            self._accuse(view, fact, expected, f"{said} was followed by {status}", event)

    def _uncalled_for(self, view: View, fact: Reported) -> None:
        """Accuse a status that nothing explains."""
        if fact.status == "Idle":
            self._accuse(view, fact, "Idle only when asked", "Idle, unasked", None)
        else:
            seen = f"{fact.status} that belongs to no update it accepted"
            self._accuse(view, fact, "statuses of accepted updates", seen, None)

    def _of_a_gap(self, view: View, fact: Reported, trigger: Trigger) -> bool:
        """Whether a status may be the last word of an update whose command the log misses."""
        if trigger not in self._after_gap or not view.timed:
            return False
        first = next_statuses(START, full=trigger.full, signed=is_signed(trigger))
        soon = trigger.answered is None or fact.event.time - trigger.event.time < CROSSING
        # After a boot nothing of an earlier update is left to say but how it ended.
        left = not self._after_gap[trigger] or RANK.get(fact.status) == RANK["Installed"]
        return soon and left and fact.status not in first

    def _meant(self, fact: Reported, trigger: Trigger) -> Trigger:
        """Return the update that a status without an id belongs to: perhaps the one before.

        The command of the next may cross the last words of an update that the CSMS knows ended.
        """
        earlier = fact.station.triggers[-2:-1]
        if trigger in self._last or not earlier:
            return trigger
        first = next_statuses(START, full=trigger.full, signed=is_signed(trigger))
        last, _ = self._last.get(earlier[0], (START, None))
        goes_on = next_statuses(last, full=earlier[0].full, signed=is_signed(earlier[0]))
        belongs = fact.status in goes_on and fact.status not in first
        return earlier[0] if belongs else trigger

    def _accuse(
        self, view: View, fact: Reported, expected: str, seen: str, before: Event | None
    ) -> None:
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected=expected,
            seen=seen,
            events=(before, fact.event),
        )


class C02(Checker):
    """Answers the command."""

    requirement = charger_rule(
        "C02",
        "Answers the command",
        "An update command is answered with a CALLRESULT, or with a CALLERROR that says it is not "
        "supported; after a refusal no status of that update follows.",
        "OCPP 1.6 6.55; OCPP 2.0.1 L01.FR.21-22, L01.FR.27",
    )

    @sees(TriggerAnswered)
    def answered(self, view: View, fact: TriggerAnswered) -> None:
        """Judge the answer."""
        self.exercised += 1
        trigger = fact.trigger
        code = trigger.answer.removeprefix("CALLERROR ")
        if code == trigger.answer or code in {"NotSupported", "NotImplemented"}:
            return
        self.accuse(
            view,
            who=trigger.station.id,
            charger=trigger.station.id,
            expected="an answer to the update command",
            seen=trigger.answer,
            events=(trigger.event, fact.event),
        )

    @sees(Reported)
    def reported(self, view: View, fact: Reported) -> None:
        """Accuse a status of an update that the charger refused."""
        trigger = fact.trigger
        if trigger is None or not trigger.refused or fact.request_id is None:
            return
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected="no status after a refusal",
            seen=f"{fact.status} after {trigger.answer}",
            events=(trigger.event, trigger.answered, fact.event),
        )


class C03(Checker):
    """Respects dates."""

    requirement = charger_rule(
        "C03",
        "Respects dates",
        "The download does not start before the retrieve date.",
        "OCPP 1.6 5.19 (errata 3.63); OCPP 2.0.1 L01.FR.13, errata 2.51",
    )

    @sees(Reported, about=("Downloading",))
    def reported(self, view: View, fact: Reported) -> None:
        """Compare the first Downloading with the date of the command."""
        trigger = fact.trigger
        start = instant(view.header.started_at)
        if trigger is None or start is None or not view.dated:
            return
        inner = trigger.payload.get("firmware")
        box = inner if isinstance(inner, dict) else trigger.payload
        due = instant(box.get("retrieveDateTime", box.get("retrieveDate")))
        if due is None:
            return
        self.exercised += 1
        early = due.timestamp() - start.timestamp() - fact.event.time
        if early > CLOCK_SKEW:
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected=f"no download before {due.isoformat()}",
                seen=f"Downloading {early:.0f} s earlier",
                events=(trigger.event, fact.event),
            )


class C09(Checker):
    """Echoes the request id."""

    requirement = charger_rule(
        "C09",
        "Echoes the request id",
        "Every status of an update other than Idle carries the request id of its command.",
        "OCPP 2.0.1 L01.FR.10, L01.FR.20, L02.FR.06, L02.FR.14",
    )

    @sees(Reported)
    def reported(self, view: View, fact: Reported) -> None:
        """Judge the request id of one status."""
        connection, latest = fact.station.connection, fact.station.triggers[-1:]
        if fact.status == "Idle" or connection is None or not latest or not latest[0].full:
            return
        self.exercised += 1
        if fact.request_id is not None and fact.request_id in fact.station.by_request:
            return
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected=f"requestId {latest[0].request_id}",
            seen="none" if fact.request_id is None else f"requestId {fact.request_id}",
            events=(latest[0].event, fact.event),
        )


class C11(Checker):
    """Answers a trigger message."""

    requirement = charger_rule(
        "C11",
        "Trigger message",
        "An accepted TriggerMessage for the firmware status is followed by one: Idle if nothing "
        "runs or the last was Installed, the last status otherwise.",
        "OCPP 2.0.1 F06.FR.04, F06.FR.10, F06.FR.16, L01.FR.25-26",
    )

    def __init__(self) -> None:
        """Start with nothing asked."""
        super().__init__()
        self._asked: dict[str, tuple[Event, str]] = {}
        self._last: dict[str, str] = {}

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """The status may have come unseen."""
        self._asked.pop(fact.station.id, None)
        self._last[fact.station.id] = UNSEEN

    @sees(Replied, about=TRIGGERS)
    def replied(self, _view: View, fact: Replied) -> None:
        """From the Accepted on the charger owes a status."""
        if _will_report(fact):
            last = self._last.get(fact.station.id, "")
            self._asked[fact.station.id] = (fact.event, last)

    @sees(Reported)
    def reported(self, view: View, fact: Reported) -> None:
        """Compare the status that was owed with the one that came."""
        owed = self._asked.pop(fact.station.id, None)
        if owed is not None:
            event, last = owed
            self.exercised += 1
            idle = fact.status == "Idle"
            busy = last not in {"", UNSEEN, "Installed"} and RANK.get(last, 0) < RANK["Installed"]
            # A failure that nobody saw may be one of before; nothing else is told again.
            again = fact.status in FAILURES
            if (idle and busy) or (not idle and not again and not last and fact.trigger is None):
                self.accuse(
                    view,
                    who=fact.station.id,
                    charger=fact.station.id,
                    expected=f"{last or 'Idle'} again, or what follows it",
                    seen=fact.status,
                    events=(event, fact.event),
                    # A charger that lost power may honestly have forgotten its update.
                    grade=Grade.TOLERATED if busy else Grade.VIOLATES,
                )
        if fact.status != "Idle":
            self._last[fact.station.id] = fact.status

    def end(self, view: View) -> None:
        """Accuse statuses that never came."""
        for charger, (event, _) in self._asked.items():
            station = view.stations[charger]
            patient = view.now - event.time > 30.0  # noqa: PLR2004 - seconds
            if patient and station.connection and station.connection.opened.index < event.index:
                self.exercised += 1
                self.accuse(
                    view,
                    who=charger,
                    charger=charger,
                    expected="a firmware status after accepting the trigger",
                    seen="none",
                    events=(event, view.last),
                )


class C14(Checker):
    """Second update."""

    requirement = charger_rule(
        "C14",
        "Second update",
        "A command during a running update is answered AcceptedCanceled (the old one ends) or "
        "Rejected (it goes on).",
        "OCPP 2.0.1 L01.FR.24, L01.FR.27; L02.FR.15, L02.FR.18",
    )

    @sees(TriggerAnswered)
    def answered(self, view: View, fact: TriggerAnswered) -> None:
        """Judge the answer to a command that met a running update."""
        trigger = fact.trigger
        mine = trigger.station.triggers
        at = mine.index(trigger)
        before = mine[at - 1] if at else None
        running = before is not None and before.member is not None and not before.member.final
        if before is None or not running or not trigger.full or before.refused:
            return
        if before.member is None or before.member.reported is None:
            return  # it has not said that it began
        self.exercised += 1
        if trigger.answer == "Accepted":
            self.accuse(
                view,
                who=trigger.station.id,
                charger=trigger.station.id,
                expected="AcceptedCanceled or Rejected while an update runs",
                seen="Accepted",
                events=(before.event, before.member.reported, fact.event),
                grade=Grade.TOLERATED,  # the requirement is a SHOULD
            )
