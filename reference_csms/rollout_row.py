"""One charger's way through an update: what each event does to its row. Pure; tables first.

The statuses are ordered by rank. A higher rank moves the row, lower ones are history (late,
repeated, replayed) and move nothing (D22). Two pairs share a rank and may alternate: Downloading
with DownloadPaused, Installing with InstallRebooting. An end freezes the row. Each handler takes
(head, row, event, now) and returns the new row, or raises `Ignored` with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_csms.model import CallError, ChargerStatus, RolloutStatus, SendUpdate, clean
from reference_csms.rollout_values import (
    AskRefused,
    BootReported,
    Cancelled,
    Dispatched,
    Elapsed,
    Head,
    Intent,
    OfflineTooLong,
    ProgressReported,
    Removed,
    Row,
    StatusReported,
    Undelivered,
    UpdateAnswered,
    UpdateUnanswered,
    changed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

S = ChargerStatus

# ------------------------------------------------------------------ the charger's table

# OCPP status -> (rank, status shown, progress shown, shows its OCPP name as detail)   D25, D26
STATUSES: Mapping[str, tuple[int, ChargerStatus, int, bool]] = {
    "DownloadScheduled": (10, S.SCHEDULED, 0, True),
    "Downloading": (20, S.DOWNLOADING, 10, False),
    "DownloadPaused": (20, S.DOWNLOADING, 10, True),
    "Downloaded": (30, S.DOWNLOADED, 80, False),
    "SignatureVerified": (31, S.DOWNLOADED, 80, True),
    "InstallScheduled": (40, S.INSTALLING, 85, True),
    "Installing": (50, S.INSTALLING, 85, False),
    "InstallRebooting": (50, S.REBOOTING, 95, False),
    "Installed": (90, S.INSTALLED, 100, False),
}
FAILURES: Mapping[str, str] = {
    "InvalidSignature": "invalid_signature",
    "InstallVerificationFailed": "install_verification_failed",
    "InstallationFailed": "installation_failed",
}
REFUSALS: Mapping[str, str] = {
    "Rejected": "rejected",
    "InvalidCertificate": "invalid_certificate",
    "RevokedCertificate": "revoked_certificate",
}
_DOWNLOADED = 31  # the highest rank at which a download can still fail
_MAX_POSTED = 80  # the share of the progress scale that downloading covers


class Ignored(Exception):
    """The event changes nothing, for this reason."""


def _end(row: Row, status: ChargerStatus, now: float, **fields: Any) -> Row:
    return changed(  # type: ignore[no-any-return]
        row, status=status, completed_at=now, deadline=None, retry_until=None, **fields
    )


def _fail(row: Row, now: float, reason: str, detail: str | None = None) -> Row:
    return _end(row, S.FAILED, now, reason=reason, detail=detail)


def _deadline(head: Head, row: Row, now: float) -> float:
    """D12: every status restarts the clock, which never starts before the retrieve date."""
    return max(now, row.retrieve_at or now) + head.plan.update_timeout


# ------------------------------------------------------------------ one function per event


def _dispatched(head: Head, row: Row, event: Dispatched, now: float) -> Row:
    if head.status is not RolloutStatus.IN_PROGRESS:
        raise Ignored("the rollout is not in progress")
    if row.stage != head.current_stage:
        raise Ignored("not the current stage")
    if row.intent is Intent.IDLE:
        if event.version != row.version_before:
            # It may have updated itself after all: never again a command, its clock decides (D21).
            return changed(row, intent=Intent.LOST, deadline=_deadline(head, row, now))  # type: ignore[no-any-return]
    elif row.triggered:
        raise Ignored("already triggered")
    retrieve_at = row.retrieve_at if head.plan.retrieve_at is None else head.plan.retrieve_at
    row = changed(
        row,
        status=max(row.status, S.SCHEDULED, key=_ORDER.__getitem__),
        intent=Intent.SENDING,
        started_at=now if row.started_at is None else row.started_at,
        retrieve_at=now if retrieve_at is None else retrieve_at,
        sends=row.sends + 1,
        message_id=event.message_id,
        request_id=event.request_id,
        earlier_request_ids=_ids(row),
        version_before=event.version,
    )
    return changed(row, deadline=_deadline(head, row, now))  # type: ignore[no-any-return]


def update_command(head: Head, row: Row, event: Dispatched) -> SendUpdate:
    """Return the command of a row that was just dispatched."""
    image = event.image
    return SendUpdate(
        charger_id=row.charger_id,
        connection=event.connection,
        message_id=event.message_id,
        request_id=event.request_id,
        rollout_id=row.rollout_id,
        url=head.plan.firmware_url,
        retrieve_at=row.retrieve_at or 0.0,
        retries=head.plan.retries,
        retry_interval=head.plan.retry_interval,
        signature=image.signature if image else None,
        signing_certificate=image.signing_certificate if image else None,
    )


def _undelivered(_: Head, row: Row, event: Undelivered, __: float) -> Row:
    if row.intent not in {Intent.SENDING, Intent.UNSURE} or row.message_id != event.message_id:
        raise Ignored("not the command on its way")
    if row.sends > 1:
        return _in_line_again(row)
    return Row(
        rollout_id=row.rollout_id,
        charger_id=row.charger_id,
        position=row.position,
        stage=row.stage,
    )


def _answered(_: Head, row: Row, event: UpdateAnswered, now: float) -> Row:
    if row.message_id != event.message_id:
        raise Ignored("an answer to an earlier command")
    answer = event.answer
    if isinstance(answer, CallError):
        return _fail(row, now, "call_error", clean(f"{answer.code}: {answer.description}"))
    if answer.status not in {"", "Accepted", "AcceptedCanceled"}:
        return _fail(row, now, REFUSALS.get(answer.status, "rejected"), clean(answer.status))
    return changed(row, intent=Intent.SENT)  # type: ignore[no-any-return]


def _unanswered(_: Head, row: Row, event: UpdateUnanswered, __: float) -> Row:
    if row.intent is not Intent.SENDING or row.message_id != event.message_id:
        raise Ignored("the charger has shown that it knows")
    return changed(row, intent=Intent.UNSURE)  # type: ignore[no-any-return]


def _ask_refused(_: Head, row: Row, __: AskRefused, ___: float) -> Row:
    if row.intent is not Intent.UNSURE:
        raise Ignored("nothing is unsure any more")
    return changed(row, intent=Intent.LOST)  # type: ignore[no-any-return]


def _ids(row: Row) -> str:
    """Return the request ids under which this update was sent so far, with blanks between."""
    return f"{row.earlier_request_ids} {row.request_id or ''}".strip()


def _status(head: Head, row: Row, event: StatusReported, now: float) -> Row:
    if not row.triggered:
        raise Ignored("unsolicited: the charger was not triggered")
    if event.status == "Idle":
        return _idle(row, event, now)
    # A 2.x station that omits the id breaks L01.FR.20 but means its one update, as 1.6 does.
    if event.request_id is not None and str(event.request_id) not in _ids(row).split():
        raise Ignored("foreign request id")
    # Any status of this update proves that it was received and that the charger is alive.
    alive = changed(row, intent=Intent.SENT, deadline=_deadline(head, row, now))
    if event.status == "DownloadFailed":
        return _download_failed(head, alive, event, now)
    if event.status in FAILURES:
        return _fail(alive, now, FAILURES[event.status], clean(event.detail) or None)
    if event.status not in STATUSES:
        raise Ignored("not a firmware status")
    return _forward(alive, event.status, now)


def _idle(row: Row, event: StatusReported, now: float) -> Row:
    """Idle is information, never a step (OCPP 1.6 §4.5); it counts only as an answer (D21)."""
    if not event.asked or row.intent is not Intent.UNSURE:
        raise Ignored("Idle says nothing here")
    if (row.retrieve_at or now) > now:
        raise Ignored("Idle before the retrieve date: it may well know its update")
    return _in_line_again(row)


def _in_line_again(row: Row) -> Row:
    """Let it wait as if it had never been told: no clock of its own runs (D12), no pause harms."""
    return changed(row, intent=Intent.IDLE, deadline=None)  # type: ignore[no-any-return]


def _forward(row: Row, name: str, now: float) -> Row:
    rank, shown, progress, detailed = STATUSES[name]
    progress = max(progress, row.progress)
    if shown is S.INSTALLED:
        return _end(row, shown, now, progress=100, detail=None, rank=rank)
    if name == "Downloading" and row.rank <= _DOWNLOADED:
        row = changed(row, may_fail=True, retry_until=None)
        row = changed(row, detail=None if row.detail == "retrying" else row.detail)
    if rank < row.rank:
        return row
    detail = name if detailed else None
    return changed(  # type: ignore[no-any-return]
        row, rank=rank, status=shown, progress=progress, detail=detail, retry_until=None
    )


def _download_failed(head: Head, row: Row, event: StatusReported, now: float) -> Row:
    """D30: counted once per attempt; the last one, or a silence, ends the update."""
    if row.rank > _DOWNLOADED or not row.may_fail:
        return row
    failures = row.failures + 1
    row = changed(row, failures=failures, may_fail=False)
    if failures > head.plan.retries:
        return _fail(row, now, "download_failed", clean(event.detail) or None)
    return changed(  # type: ignore[no-any-return]
        row,
        status=max(row.status, S.DOWNLOADING, key=_ORDER.__getitem__),
        rank=max(row.rank, 20),
        progress=max(row.progress, 10),
        detail="retrying",
        retry_until=now + 1.5 * head.plan.retry_interval + 30.0,
    )


def _booted(_: Head, row: Row, event: BootReported, now: float) -> Row:
    """D23: the boot tells which image runs, where a lost Installed did not."""
    if not row.triggered or not event.version:
        raise Ignored("the boot says nothing about the update")
    wanted = event.target
    runs = event.version == wanted if wanted else event.version != row.version_before
    if row.status is S.INSTALLED:
        return changed(row, version_mismatch=not runs)  # type: ignore[no-any-return]
    if row.settled or not runs:
        raise Ignored("the boot changes nothing")
    if row.version_before in {"", event.version}:
        raise Ignored("the same version may have run before the update")
    row = changed(row, intent=Intent.SENT)
    return _end(row, S.INSTALLED, now, progress=100, detail="inferred", rank=90)


def _progress(_: Head, row: Row, event: ProgressReported, __: float) -> Row:
    if row.status is not S.DOWNLOADING:
        raise Ignored("not downloading")
    percent = max(row.progress, min(event.percent, _MAX_POSTED))
    return changed(row, progress=percent)  # type: ignore[no-any-return]


def _elapsed(_: Head, row: Row, __: Elapsed, now: float) -> Row:
    if row.retry_until is not None and row.retry_until <= now:
        return _fail(row, now, "download_failed", "no further attempt")
    if row.deadline is not None and row.deadline <= now:
        return _fail(row, now, "timeout")
    raise Ignored("no deadline has passed")


def _offline(head: Head, row: Row, _: OfflineTooLong, now: float) -> Row:
    if row.told or head.status is not RolloutStatus.IN_PROGRESS:
        raise Ignored("the offline clock does not run")
    return _fail(row, now, "offline")


def _removed(_: Head, row: Row, __: Removed, now: float) -> Row:
    return _fail(row, now, "removed")


def _cancelled(_: Head, row: Row, __: Cancelled, now: float) -> Row:
    if row.triggered:
        raise Ignored("already triggered: it finishes")
    return _fail(row, now, "cancelled")


_ORDER = {status: order for order, status in enumerate(ChargerStatus)}
HANDLERS: Mapping[type, Callable[[Head, Row, Any, float], Row]] = {
    Dispatched: _dispatched,
    Undelivered: _undelivered,
    UpdateAnswered: _answered,
    UpdateUnanswered: _unanswered,
    AskRefused: _ask_refused,
    StatusReported: _status,
    BootReported: _booted,
    ProgressReported: _progress,
    Elapsed: _elapsed,
    OfflineTooLong: _offline,
    Removed: _removed,
    Cancelled: _cancelled,
}
