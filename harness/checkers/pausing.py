"""R18-R21: what a pause holds back, and what it leaves alone.

All of it is judged only where every legal order of overlapping requests leaves the rollout paused
(`Rollout.paused_since`), and, for frames, only behind a fence on the charger's own socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import (
    Booted,
    Commanded,
    Opened,
    PauseBegan,
    PauseEnded,
    Read,
    Triggered,
)
from harness.checkers.model import FAILURES
from harness.checkers.settling import Settled, failed_for_good, refused, settled, timed_out
from harness.checkers.triggering import told_astray
from harness.contract import TERMINAL
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Member, Rollout, Trigger
    from harness.checkers.view import View
    from harness.history import Event


INTRUSIONS = frozenset({"Reset", "UpdateFirmware", "SignedUpdateFirmware"})


def certainly_paused(trigger: Trigger) -> Event | None:
    """Return since when, if this command was certainly sent while its rollout was paused."""
    rollout, connection = trigger.rollout, trigger.connection
    if rollout is None or rollout.paused_since is None or connection is None:
        return None
    since = rollout.paused_since
    return since if connection.proves_after(since.index) else None


def held_back(rollout: Rollout) -> list[Member]:
    """Return the chargers of begun stages that were not triggered yet."""
    released = max(rollout.begun, len({e.reply["executed_stage"] for e in rollout.executes
                   if e.outcome == "ok" and isinstance(e.reply, dict)
                   and isinstance(e.reply.get("executed_stage"), int)}))  # fmt: skip
    return [m for s in rollout.stages[:released] for m in s.members if not m.triggers]


class R18(Checker):
    """Silence."""

    requirement = Requirement(
        "R18",
        "Silence",
        "While a rollout is paused no further charger of it is triggered: nothing that was sent "
        "after the pause was answered, and before the next execute-stage, is its update command.",
        "API, Pause a rollout: 'no new chargers will be triggered'",
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Accuse a command that arrived behind a fence of the pause."""
        since = certainly_paused(fact.trigger)
        if since is not None:
            self._accuse(view, fact.trigger, since, None)

    @sees(PauseBegan)
    def began(self, view: View, fact: PauseBegan) -> None:
        """Accuse commands that a read, later on, shows to have been sent during the pause."""
        for trigger in fact.suspects:
            self._accuse(view, trigger, fact.since, fact.event)

    def _accuse(self, view: View, trigger: Trigger, since: Event, shown: Event | None) -> None:
        rollout = trigger.rollout
        if rollout is None:
            return
        pause = rollout.pauses[-1] if rollout.pauses else None
        self.exercised += 1
        self.accuse(
            view,
            who=rollout.name,
            charger=trigger.station.id,
            expected="no UpdateFirmware between the answer to pause and the next execute-stage",
            seen=f"{trigger.station.id} received one "
            f"{trigger.event.time - since.time:.1f} s into the pause, after a round trip on its "
            "own socket that began after the pause was answered",
            events=(
                pause.invoked if pause else None,
                pause.answered if pause else None,
                since,
                trigger.event,
                shown,
            ),
        )

    @sees(PauseEnded)
    def ended(self, view: View, fact: PauseEnded) -> None:
        """Count the chargers that the pause really held back and that could have been reached."""
        for member in held_back(fact.rollout):
            station = view.stations.get(member.charger)
            connection = station.connection if station else None
            if connection is not None and connection.proves_after(fact.since.index):
                self.exercised += 1


class R19(Checker):
    """In-flight untouched."""

    requirement = Requirement(
        "R19",
        "In-flight untouched",
        "A pause leaves chargers that are already updating alone: no Reset, no second command, no "
        "failure made up for them, and what they report is shown.",
        "API, Pause a rollout: chargers already downloading or installing complete",
    )

    @sees(PauseBegan)
    def began(self, view: View, fact: PauseBegan) -> None:
        """Count the chargers that were in flight when the pause began."""
        now, since = fact.event.time, fact.since.index
        for member in fact.rollout.members.values():
            if not member.triggers or member.triggers[0].event.index > since:
                continue
            ended = member.final_event is not None and member.final_event.index > since
            self.exercised += ended or settled(member, now, view.profile) is Settled.NO

    @sees(Commanded, about=INTRUSIONS)
    def called(self, view: View, fact: Commanded) -> None:
        """Accuse a Reset or another command to a charger in flight."""
        triggers = fact.station.triggers
        index = fact.event.index
        member = next((t.member for t in reversed(triggers) if t.event.index < index), None)
        if member is None or member.rollout.paused_since is None or fact.connection is None:
            return
        since = member.rollout.paused_since
        if not fact.connection.proves_after(since.index) or member.triggers[0].event.index > index:
            return
        if settled(member, fact.event.time, view.profile) is not Settled.NO:
            return
        self.accuse(
            view,
            who=member.rollout.name,
            charger=member.charger,
            expected="chargers that are already updating finish undisturbed",
            seen=f"{member.charger}, {member.status or 'just triggered'}, received "
            f"{fact.call.action} during the pause",
            events=(member.triggers[-1].event, since, member.reported, fact.event),
        )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Accuse a failure that the pause invented."""
        since = fact.rollout.paused_since
        if since is None or fact.op.invoked.index < since.index or view.interfered:
            return
        for member, row, before in fact.changed:
            failed = row.get("status") == "failed" and (before or {}).get("status") != "failed"
            if not failed or not member.triggers or _explained(view, member):
                continue
            self.accuse(
                view,
                who=member.rollout.name,
                charger=member.charger,
                expected="a charger in flight fails only by its own report or time-out",
                seen=f"{member.charger}, {member.status or 'just triggered'}, is shown as failed "
                f"({row.get('reason') or 'no reason'})",
                events=(since, member.reported, fact.event),
            )


def _explained(view: View, member: Member) -> bool:
    """Whether a shown failure has a cause outside the pause."""
    own = member.final not in {"", "Installed"} or any(t.refused for t in member.triggers)
    waited = timed_out(member, view.now, view.profile)
    return own or waited or told_astray(view, member, "failed")


class R20(Checker):
    """Visible."""

    requirement = Requirement(
        "R20",
        "Visible",
        "While a rollout is paused every GET says paused, or that it has ended.",
        "API, Pause a rollout: status paused; contract D6, D7",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge a read that lies wholly inside a pause."""
        rollout, since = fact.rollout, fact.rollout.paused_since
        if since is None or fact.op.invoked.index < since.index:
            return
        self.exercised += 1
        status = str(fact.body.get("status"))
        if status == "paused" or (status in TERMINAL and may_have_ended(view, rollout)):
            return
        self.accuse(
            view,
            who=rollout.name,
            expected="GET says paused until the next execute-stage",
            seen=f"GET says {status}",
            events=(*(p.answered for p in rollout.pauses[-1:]), since, fact.event),
        )


def may_have_ended(view: View, rollout: Rollout) -> bool:
    """Whether a rollout can be terminal by itself (D6, D7) or by an extension."""
    if rollout.asked_for_end[0] != view.events:  # several checkers ask at the same event
        rollout.asked_for_end = (view.events, _may_have_ended(view, rollout))
    return rollout.asked_for_end[1]


def _may_have_ended(view: View, rollout: Rollout) -> bool:
    if view.interfered:
        return True
    now, profile = view.now, view.profile
    over = [
        all(settled(m, now, profile) is not Settled.NO for m in stage.members)
        for stage in rollout.stages
    ]
    # A failure threshold is looked at when a stage settles.
    if all(over) or ("failure_threshold" in rollout.request and any(over)):
        return True
    canary = rollout.stages[0].members if rollout.strategy == "canary" and rollout.stages else []
    return bool(canary) and all(
        failed_for_good(m, now)
        or settled(m, now, profile) is Settled.PERHAPS
        # Failed for the CSMS before the charger said that it had succeeded after all (D22).
        or refused(m)
        or not FAILURES.isdisjoint(m.said)
        or timed_out(m, now, profile)
        for m in canary
    )


class R21(Checker):
    """Reconnect under pause."""

    requirement = Requirement(
        "R21",
        "Reconnect under pause",
        "A charger that waits for its command and reconnects or boots during a pause stays "
        "untriggered.",
        "API, Pause a rollout: 'no new chargers will be triggered'; contract D11",
        level="PROFILE",
        switches=("D11",),
    )

    def __init__(self) -> None:
        """Start with no reconnects."""
        super().__init__()
        self._returned: dict[str, Event] = {}

    @sees(Opened)
    def opened(self, _view: View, fact: Opened) -> None:
        """Remember the latest connect of every charger."""
        self._returned[fact.connection.station.id] = fact.event

    @sees(Booted)
    def booted(self, _view: View, fact: Booted) -> None:
        """Remember the latest boot of every charger."""
        self._returned[fact.station.id] = fact.event

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Accuse a command during a pause to a charger that came back during it."""
        since = certainly_paused(fact.trigger)
        if since is not None:
            self._judge(view, fact.trigger, since)

    @sees(PauseBegan)
    def began(self, view: View, fact: PauseBegan) -> None:
        """Judge commands that turn out to have been sent during the pause."""
        for trigger in fact.suspects:
            self._judge(view, trigger, fact.since)

    def _judge(self, view: View, trigger: Trigger, since: Event) -> None:
        back = self._returned.get(trigger.station.id)
        if trigger.rollout is None or back is None or back.index < since.index:
            return
        self.accuse(
            view,
            who=trigger.rollout.name,
            charger=trigger.station.id,
            expected="a charger that comes back during a pause waits for the next execute-stage",
            seen=f"{trigger.station.id} came back {back.time - since.time:.1f} s into the "
            "pause and was triggered",
            events=(since, back, trigger.event),
        )

    @sees(PauseEnded)
    def ended(self, _view: View, fact: PauseEnded) -> None:
        """Count the waiting chargers that came back during the pause."""
        for member in held_back(fact.rollout):
            back = self._returned.get(member.charger)
            self.exercised += back is not None and back.index > fact.since.index
