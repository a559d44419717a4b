"""When a charger of a rollout counts as settled.

A core. Three answers, because a stranger cannot always know: `SETTLED`, `UNSETTLED`, and `PERHAPS`
where the CSMS may rightly think so (a timer may have run out, or its profile counts a download
failure as final earlier than D30).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from harness.checkers.clocks import CLOCK_SKEW

if TYPE_CHECKING:
    from harness.checkers.model import Member, Trigger
    from harness.contract import Profile
    from harness.history import Event

ENDED = ("installed", "failed")
SLACK = 0.5  # seconds by which two clocks' idea of a time-out may differ here


class Settled(Enum):
    """Whether a charger is done with its rollout."""

    YES = "settled"
    PERHAPS = "perhaps"
    NO = "unsettled"


def settled(member: Member, now: float, profile: Profile) -> Settled:
    """Say whether a member is settled at `now`."""
    if _certainly(member, now):
        return Settled.YES
    if member.final or timed_out(member, now, profile):
        return Settled.PERHAPS
    return Settled.NO


def failed_for_good(member: Member, now: float) -> bool:
    """Whether a failure settled the member."""
    return (
        _certainly(member, now)
        and member.final != "Installed"
        and member.upgraded is None
        and not (member.shown is not None and member.shown.status == "installed")
    )


def timed_out(member: Member, now: float, profile: Profile) -> bool:
    """Whether a time-out may have failed the member: D12 if triggered, D11 if it waits in line."""
    asked = member.rollout.request
    if not told(member) and _absent(member, now, asked.get("offline_timeout")):
        return True
    limit = update_timeout(asked, profile)
    if not member.triggers:
        return _waited_in_vain(member, now, limit)
    if limit is None:
        # Unknown: only a GET since its last sign of life could have shown it unsettled.
        return member.shown is None or member.shown.op.invoked.time < last_sign(member)
    if now - clock_start(member) >= limit - SLACK:
        return True
    return any(
        length >= limit - SLACK and not _shown_alive(member, ended)
        for length, ended in member.silences
    )


def _waited_in_vain(member: Member, now: float, limit: float | None) -> bool:
    """Whether a command may have timed out that a kill swallowed: written down, never sent."""
    opened = member.rollout.opened(member.stage)
    if opened is None or member.rollout.struck(member.stage) is None:
        return False
    began = max(opened.invoked.time, member.rollout.due - CLOCK_SKEW)
    due = began + (limit or 0.0) - SLACK
    return now >= due and not _shown_alive(member, due + 2 * SLACK)


def _absent(member: Member, now: float, limit: Any) -> bool:
    executes = member.rollout.executes
    start = executes[0].invoked.time if executes else now
    return isinstance(limit, int | float) and now - start >= limit - SLACK


def update_timeout(request: dict[str, Any], profile: Profile) -> float | None:
    """Return how long a triggered charger may be silent (D12); None where nobody knows."""
    asked = request.get("update_timeout")
    return asked if isinstance(asked, int | float) else profile.number("D12", "update_timeout")


def _shown_alive(member: Member, since: float) -> bool:
    """Whether a GET showed after `since` that no time-out had failed the member."""
    shown = member.shown
    return shown is not None and shown.op.invoked.time > since and shown.status not in ENDED


def told(member: Member) -> bool:
    """Whether it may know of its update: Idle, said since its last command, means that it does not.

    It waits in line again then (D21), and the patience with absence runs instead (D11).
    """
    idle = member.idle.index if member.idle is not None else -1
    return bool(member.triggers) and member.triggers[-1].event.index > idle


def refused(member: Member) -> bool:
    """Whether the charger said no to its last command (D20), whatever it did then."""
    return bool(member.triggers) and member.triggers[-1].refused


def last_sign(member: Member) -> float:
    """Return the time of the last trigger or status of a triggered member."""
    return _since_told(member, member.reported)


def _since_told(member: Member, status: Event | None) -> float:
    trigger = member.triggers[-1].event.time
    return max(trigger, status.time) if status is not None else trigger


def clock_start(member: Member) -> float:
    """Return when its time-out began to run, at the earliest: not before its date (D12).

    A CSMS need not hear what the OCPP version does not have.
    """
    return max(_since_told(member, member.understood), member.rollout.due - CLOCK_SKEW)


def end_silence(member: Member, now: float) -> None:
    """Remember how long nothing was heard: a time-out may have run out meanwhile (D12)."""
    if member.triggers and now - clock_start(member) >= 1.0:
        member.silences.append((now - clock_start(member), now))


def _certainly(member: Member, now: float) -> bool:
    if member.ended and member.final != "DownloadFailed":
        return True
    if member.upgraded is not None or (member.shown is not None and member.shown.status in ENDED):
        return True
    if member.triggers and member.triggers[-1].refused:
        return True
    return no_retry_left(member, now)


def no_retry_left(member: Member, now: float) -> bool:
    """Whether a failed download was its last: D30.

    After retries + 1 failures, or without a new Downloading in time; without retries, at once.
    """
    if member.final != "DownloadFailed":
        return False
    trigger = member.triggers[-1] if member.triggers else None
    if trigger is None or trigger.retries is None or member.final_event is None:
        return True
    if member.download_failures >= trigger.retries + 1:
        return True
    return now - member.final_event.time >= patience(trigger)


def patience(trigger: Trigger) -> float:
    """Return how long D30 waits for the next attempt after a failed download, in seconds."""
    return 1.5 * (trigger.retry_interval or 0.0) + 30.0
