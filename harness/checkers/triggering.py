"""R13-R16: each charger of a rollout is triggered once, rightly, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.absence import Absences
from harness.checkers.base import Checker, sees
from harness.checkers.clocks import CLOCK_SKEW, instant
from harness.checkers.facts import Read, Triggered
from harness.checkers.model import FAILURES
from harness.checkers.settling import (
    ENDED,
    SLACK,
    Settled,
    failed_for_good,
    no_retry_left,
    patience,
    settled,
    timed_out,
    told,
)
from harness.contract import REACHED, SHOWN_RANK
from harness.verdict import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.checkers.model import Member, Rollout, Trigger
    from harness.checkers.view import View

CALL_TIMEOUT = 10.0  # seconds without an answer before a CALL may count as lost on a live socket


class R13(Checker):
    """At most once."""

    requirement = Requirement(
        "R13",
        "At most once",
        "A charger receives the update of a rollout once. A repeat cancels the charger's own "
        "update; it is justified only if the first command may have been lost and the charger has "
        "shown no sign of it.",
        "API, Execute rollout stage; OCPP 2.0.1 L01.FR.24; contract D21",
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Ask what justifies a second command."""
        member = fact.trigger.member
        if member is None:
            return
        self.exercised += 1
        if len(member.triggers) < 2:  # noqa: PLR2004 - the second command
            return
        first = member.triggers[-2]
        told_since = member.reported is not None and member.reported.index > first.event.index
        booted, last = member.upgraded, fact.trigger.station.renewed
        # Whoever has gone back to the old version since may never have been heard of in between.
        renewed = booted is not None and first.event.index < booted.index == last
        evidence = told_since or renewed
        early = member.rollout.due - CLOCK_SKEW > view.now
        asked = member.idle is not None and member.idle.index > first.event.index
        lost = may_be_lost(first, fact.trigger, view)
        if lost and not evidence and asked and not early:
            return
        why = (
            f"{member.charger} had reported {member.status or 'a status'} in between"
            if told_since
            else f"{member.charger} had booted with another version in between"
            if renewed
            else "the first had reached it and been answered"
            if first.answered is not None and not lost
            else "its answer was still outstanding"
            if not lost
            else "it was not asked (TriggerMessage) whether it is Idle"
            if not asked
            else "Idle says nothing before the retrieve date"
        )
        self.accuse(
            view,
            who=member.rollout.name,
            charger=member.charger,
            expected="one UpdateFirmware for each charger of a rollout",
            seen=f"{member.charger} received command number {len(member.triggers)}; {why}",
            events=(
                first.event,
                first.answered,
                member.reported if told_since else member.upgraded if renewed else None,
                member.idle if asked and early else None,
                fact.event,
            ),
            switch="D21" if lost and not told_since else None,
        )


def may_be_lost(first: Trigger, second: Trigger, view: View) -> bool:
    """Whether the CSMS may not know that the first command arrived."""
    killed = view.killed_between(first.event.index, second.event.index)
    same = first.connection is second.connection
    if first.answered is None:
        waited = second.event.time - first.event.time
        return killed or not same or waited >= CALL_TIMEOUT
    known = first.connection is not None and first.connection.proves_after(first.answered.index)
    return killed or not (same or known)


class R14(Absences):
    """No invention."""

    requirement = Requirement(
        "R14",
        "No invention",
        "A charger is shown as installed only after it was triggered and reported Installed (or "
        "booted with a new version), as failed only after a failure, a refusal, a time-out or its "
        "removal, and in between never further than it reported.",
        "API, Get rollout status: per-charger progress; contract D12, D20, D23, D24",
        level="PROFILE",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge every charger that a read newly shows as ended."""
        for member, row, before in fact.changed:
            status = row.get("status")
            rank = SHOWN_RANK.get(str(status), 0)
            if rank < SHOWN_RANK["downloading"] or (before and before.get("status") == status):
                continue
            self.exercised += 1
            self.called_absent(view, fact, member, row, before)
            ended = status in ENDED
            switch = None if ended else "D25"
            problem = self._problem(view, member, row) if ended else _ahead(member, str(status))
            if not problem and status == "failed" and _retry_left(view, member):
                problem = f"{member.charger} is shown as failed; it has a retry left (D30)"
                switch = "D30"
            if problem and not told_astray(view, member, str(status)):
                last = member.triggers[-1].event if member.triggers else None
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected=f"{status} is shown only with evidence",
                    seen=problem,
                    events=(last, member.reported, fact.event),
                    switch=switch,
                )

    def _problem(self, view: View, member: Member, row: dict[str, Any]) -> str:
        name, reason = member.charger, row.get("reason")
        if row.get("status") == "installed":
            if not member.triggers:
                return f"{name} is shown as installed without ever being triggered"
            if "Installed" not in member.said and member.upgraded is None:
                last = member.status or "nothing"
                return f"{name} is shown as installed; it had reported {last} and never rebooted"
            return ""
        silent = member.download_failures or timed_out(member, view.now, view.profile)
        if reason == "timeout" and not silent:
            return f"{name} is shown as failed for its silence; its time had not run out"
        if failed_for_good(member, view.now) and member.final:
            return ""
        evidence = (
            # The first end counts, whatever a charger makes of it afterwards; when a failed
            # download is one, D30 decides (R09, R29).
            member.final not in {"", "Installed"}
            or member.lapsed
            or any(t.refused for t in member.triggers)
            or timed_out(member, view.now, view.profile)
            or reason in ("removed", "cancelled")
            or (reason == "offline" and not told(member))
            or view.interfered
        )
        if evidence:
            return ""
        return f"{name} is shown as failed ({reason or 'no reason'}); it had reported " + (
            member.status or "nothing"
        )


def _retry_left(view: View, member: Member) -> bool:
    """Whether nothing but a failed download explains a failure, and another attempt may follow."""
    return (
        member.final == "DownloadFailed"
        and not member.lapsed
        and not no_retry_left(member, view.now + SLACK)
        # Told again without another attempt, it is the failure that was counted before.
        and view.now + SLACK - member.counted < patience(member.triggers[-1])
        and not any(t.refused for t in member.triggers)
        and not timed_out(member, view.now, view.profile)
        and not view.interfered
    )


def told_astray(view: View, member: Member, status: str) -> bool:
    """Whether a status of another update, or of one that nobody saw, may explain what is shown.

    A kill can swallow a command whose request id was written down already: it counts as the
    charger's own for the CSMS (D21), and nobody else can know. Neither can the CSMS tell whose a
    status without an id is, or a boot with another version, where an update that it had given up
    is still under way.
    """
    if not view.kills:
        return False
    station = view.stations[member.charger]
    kill = view.swallowed_at(member)
    said = set(station.strays)
    if kill is not None and station.triggers and station.triggers[-1].member is not None:
        said |= {status for status, index in station.nameless.items() if index > kill}
        said |= {"Installed"} if station.renewed > kill else set()
    if status in ENDED:
        return bool(said & ({"Installed"} if status == "installed" else FAILURES))
    return any(REACHED.get(one, 0) >= SHOWN_RANK[status] for one in said)


def _ahead(member: Member, status: str) -> str:
    """Say that a charger is shown further than it ever reported, '' if it is not."""
    reached = {REACHED.get(said, SHOWN_RANK["downloading"]) for said in member.said}
    if any(rank >= SHOWN_RANK[status] for rank in reached):
        return ""
    return f"{member.charger} is shown as {status}; it had reported {member.status or 'nothing'}"


class R15(Checker):
    """None forgotten."""

    requirement = Requirement(
        "R15",
        "None forgotten",
        "A rollout is completed only when every charger was triggered or carries a terminal "
        "reason, and all of them are settled.",
        "API, status: completed; contract D7",
        level="PROFILE",
        switches=("D7",),
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge the first read that shows a rollout as completed."""
        rollout = fact.rollout
        if fact.body.get("status") != "completed" or rollout.finished is not fact.op:
            return
        self.exercised += 1
        left = [
            m
            for m in rollout.members.values()
            if settled(m, fact.event.time, view.profile) is Settled.NO
        ]
        if left:
            self.accuse(
                view,
                who=rollout.name,
                charger=left[0].charger,
                expected="completed only when every charger is settled",
                seen=f"completed while {left[0].charger} was "
                f"{left[0].status or ('triggered' if left[0].triggers else 'never triggered')}"
                f" ({len(left)} such chargers)",
                events=(left[0].reported, fact.event),
            )


class R16(Checker):
    """Right frame."""

    requirement = Requirement(
        "R16",
        "Right frame",
        "The command carries the rollout's url and date, and the signature of a signed image, goes "
        "only to chargers of the rollout, and its retries are those asked for, and not negative.",
        "API, firmware_url and retrieve_date; OCPP UpdateFirmware; contract D18, D30",
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Judge one command."""
        self.exercised += 1
        problem, switch = self._problem(view, fact.trigger)
        if problem:
            rollout = fact.trigger.rollout
            self.accuse(
                view,
                who=rollout.name if rollout else fact.trigger.station.id,
                charger=fact.trigger.station.id,
                expected="the url and date of the rollout, sent to its chargers only",
                seen=problem,
                events=(
                    rollout.create.invoked if rollout and rollout.create else None,
                    fact.event,
                ),
                switch=switch,
            )

    @staticmethod
    def _problem(view: View, trigger: Trigger) -> tuple[str, str | None]:
        rollout, name = trigger.rollout, trigger.station.id
        if rollout is None:
            if not view.by_url:
                return "", None
            return f"{name} was told to fetch {_stranger(trigger.location, view.by_url)}", None
        if rollout.stages and trigger.member is None:
            return f"{name} belongs to no stage of {rollout.name}", None
        if trigger.retries is not None and trigger.retries < 0:
            return f"retries is {trigger.retries}", None
        if trigger.retry_interval is not None and trigger.retry_interval < 0:
            return f"retryInterval is {trigger.retry_interval}", None
        other = _not_as_asked(trigger, rollout.request)
        if other:
            return other, "D30"
        if view.header.scenario.get("signed") and _unsigned(trigger):
            return "the image is signed, and the command carries no signature", None
        return R16._date(view, trigger)

    @staticmethod
    def _date(view: View, trigger: Trigger) -> tuple[str, str | None]:
        inner = trigger.payload.get("firmware")
        box = inner if isinstance(inner, dict) else trigger.payload
        sent = instant(box.get("retrieveDateTime", box.get("retrieveDate")))
        asked = trigger.rollout.request.get("retrieve_date") if trigger.rollout else None
        if sent is None:
            return "the retrieve date is missing or unreadable", None
        if asked is not None:
            wanted = instant(asked)
            if wanted is not None and abs((sent - wanted).total_seconds()) >= 1:
                return f"the retrieve date is {sent.isoformat()}, asked was {asked}", None
            return "", None
        start = instant(view.header.started_at)
        if start is not None and trigger.rollout is not None:
            when = sent.timestamp() - start.timestamp()
            if when - trigger.event.time > CLOCK_SKEW:
                late = when - trigger.event.time
                return f"without retrieve_date it waits {late:.0f} s more", "D18"
            begun = _released(trigger, trigger.rollout)
            if begun is not None and begun - when > CLOCK_SKEW:
                return f"without retrieve_date it is dated {sent.isoformat()}, long past", "D18"
        return "", None


def _stranger(address: str, known: Iterable[str]) -> str:
    """Say where an address that no rollout has leaves the one that is most like it."""
    same, near = max((_common(address, url), url) for url in known)
    shown = f"{address!r}, no rollout's url"
    if same <= near.find("/", len("https://")):
        return shown  # another server
    after, due = address[same : same + 12] or "nothing", near[same : same + 12] or "nothing"
    return f"{shown}: behind character {same} stands {after}, not {due}"


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common, from the first."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _released(trigger: Trigger, rollout: Rollout) -> float | None:
    """Return when the stage of a command may have been released at the earliest."""
    acting = [one for one in rollout.executes if one.may_act]
    stage = trigger.member.stage if trigger.member is not None else 1
    # Each execute-stage begins one stage at most (R10).
    return acting[min(stage, len(acting)) - 1].invoked.time if acting else None


def _unsigned(trigger: Trigger) -> bool:
    """Whether a command that has a place for a signature has none; the plain one of 1.6 has not."""
    firmware = trigger.payload.get("firmware")
    return isinstance(firmware, dict) and not (
        firmware.get("signature") and firmware.get("signingCertificate")
    )


def _not_as_asked(trigger: Trigger, request: dict[str, Any]) -> str:
    """Say which wish of the create about retries the command does not carry, '' if none."""
    for field, name, sent in (
        ("retries", "retries", trigger.retries),
        ("retry_interval", "retryInterval", trigger.retry_interval),
    ):
        asked = request.get(field)
        # Whole numbers on the wire: a fraction of a second may be cut or rounded.
        if isinstance(asked, int | float) and (sent is None or abs(sent - asked) >= 1):
            return f"{name} is {'missing' if sent is None else sent}, asked was {asked:g}"
    return ""
