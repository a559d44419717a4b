"""The values the rollout core works on: plan, head, stage, row, events. Frozen; no behaviour.

A rollout is kept in four sizes so that no decision ever touches more than it must:

* `Plan`: what was asked for; never changes.
* `Head`: the rollout's status and counters; one per rollout.
* `Stage`: the counters of one stage.
* `Row`: one charger of one rollout.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

# Needed at run time: msgspec reads the annotations of its structs.
from reference_csms.model import (
    Answer,
    AskStatus,
    ChargerStatus,
    Image,
    RolloutStatus,
    SendUpdate,
    Strategy,
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for, defaults filled in.

    The first stage takes `first` chargers in request order, each later one `batch` (the last what
    is left). `retrieve_at` None: each charger's own dispatch time (D18). Times in seconds.
    """

    rollout_id: str
    strategy: Strategy
    firmware_url: str
    total: int
    first: int
    batch: int
    created_at: float
    retrieve_at: float | None = None
    max_in_flight: int | None = None
    failure_threshold: float | None = None
    update_timeout: float = 3600.0
    offline_timeout: float | None = None
    retries: int = 2
    retry_interval: int = 30


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """One rollout's status and counters.

    `current_stage` is 0 until the first execute-stage. `active` counts chargers triggered and not
    settled, over all stages; `total - installed - failed` are unsettled. `resumed_at`: when the
    current stage was last started or resumed (offline_timeout runs from there). `verdict` says why
    a rollout failed: canary_failed, no_success, failure_threshold or cancelled.
    """

    plan: Plan
    status: RolloutStatus = RolloutStatus.PENDING
    current_stage: int = 0
    active: int = 0
    installed: int = 0
    failed: int = 0
    updated_at: float = 0.0
    started_at: float | None = None
    resumed_at: float | None = None
    completed_at: float | None = None
    paused_at: float | None = None
    pause_reason: str | None = None
    cancelled: bool = False
    verdict: str | None = None

    @property
    def terminal(self) -> bool:
        """Tell whether the rollout is completed or failed: frozen for ever."""
        return self.completed_at is not None


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of one stage: `size` chargers, of which the rest waits for its trigger."""

    number: int
    size: int
    active: int = 0
    installed: int = 0
    failed: int = 0

    @property
    def unsettled(self) -> int:
        """Return how many chargers are neither installed nor failed."""
        return self.size - self.installed - self.failed

    @property
    def waiting(self) -> int:
        """Return how many chargers were never triggered."""
        return self.unsettled - self.active


class Intent(StrEnum):
    """How certain it is that the charger was told: the write-ahead record of one dispatch.

    `none` → `sending` is committed before the frame leaves; the charger's answer or any status of
    the update makes it `sent`. A lost answer or a restart makes `sending` `unsure`: ask (D21). The
    answer Idle makes it `idle` (may be resent), anything unknowable `lost` (never resent).
    """

    NONE = "none"
    SENDING = "sending"
    UNSURE = "unsure"
    IDLE = "idle"
    LOST = "lost"
    SENT = "sent"


_NO_INTENT = Intent.NONE  # asked for all the time: a member is slow to find in its class


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One charger of one rollout.

    `position` counts from 0 in request order. `rank` orders the OCPP statuses seen. `deadline` is
    when a silent charger fails (D12), `retry_until` when the wait for another attempt ends (D30).
    `may_fail`: a DownloadFailed would count, because a Downloading (or the trigger) came after the
    last one. `request_id` and `earlier_request_ids` (with blanks between) count as this update's
    own (D21), those in between do not: they are other chargers'. `sends` counts the UpdateFirmware
    frames. `version_before`: what ran when it was triggered.
    """

    rollout_id: str
    charger_id: str
    position: int
    stage: int
    status: ChargerStatus = ChargerStatus.PENDING
    intent: Intent = Intent.NONE
    detail: str | None = None
    reason: str | None = None
    progress: int = 0
    rank: int = 0
    started_at: float | None = None
    completed_at: float | None = None
    retrieve_at: float | None = None
    deadline: float | None = None
    retry_until: float | None = None
    failures: int = 0
    may_fail: bool = True
    sends: int = 0
    message_id: str | None = None
    earlier_request_ids: str = ""
    request_id: int | None = None
    version_before: str = ""
    version_mismatch: bool = False

    @property
    def triggered(self) -> bool:
        """Tell whether an UpdateFirmware was dispatched (its frame may have left)."""
        return self.intent is not _NO_INTENT

    @property
    def told(self) -> bool:
        """Tell whether it may know of its update: triggered, and not known to know nothing."""
        return self.triggered and self.intent is not Intent.IDLE

    @property
    def settled(self) -> bool:
        """Tell whether the charger is installed or failed: frozen for ever."""
        return self.completed_at is not None


# ------------------------------------------------------------------ events


class Dispatched(msgspec.Struct, frozen=True):
    """The CSMS decides to trigger (or re-trigger) the charger on this connection now."""

    connection: str
    message_id: str
    request_id: int
    version: str
    image: Image | None = None


class Undelivered(msgspec.Struct, frozen=True):
    """The frame of this message id certainly did not leave."""

    message_id: str


class UpdateAnswered(msgspec.Struct, frozen=True):
    """The charger answered the UpdateFirmware of this message id."""

    message_id: str
    answer: Answer


class UpdateUnanswered(msgspec.Struct, frozen=True):
    """No answer came and none is expected: call time-out, connection gone, or a restart."""

    message_id: str


class AskRefused(msgspec.Struct, frozen=True):
    """The charger cannot or will not say what it is doing (D21)."""


class StatusReported(msgspec.Struct, frozen=True):
    """A firmware status arrived; `asked`: in answer to our question."""

    status: str
    request_id: int | None = None
    detail: str = ""
    asked: bool = False


class BootReported(msgspec.Struct, frozen=True):
    """The charger booted with `version`; `target`: the version catalogued for the image."""

    version: str
    target: str | None = None


class ProgressReported(msgspec.Struct, frozen=True):
    """A progress source saw this much of the image downloaded (per cent of the published scale)."""

    percent: int


class Elapsed(msgspec.Struct, frozen=True):
    """A deadline of the row may have passed."""


class OfflineTooLong(msgspec.Struct, frozen=True):
    """The untriggered charger was unreachable for the whole offline_timeout (D11)."""


class Removed(msgspec.Struct, frozen=True):
    """The charger was removed from the CSMS (D24)."""


class Cancelled(msgspec.Struct, frozen=True):
    """The rollout was cancelled (D29)."""


RowEvent = (
    Dispatched
    | Undelivered
    | UpdateAnswered
    | UpdateUnanswered
    | AskRefused
    | StatusReported
    | BootReported
    | ProgressReported
    | Elapsed
    | OfflineTooLong
    | Removed
    | Cancelled
)


class Decision(msgspec.Struct, frozen=True):
    """What follows from one event: the new values (the same objects where nothing changed).

    `ignored` says why the event changed nothing, for the audit trail; None if it was used.
    """

    head: Head
    stage: Stage
    row: Row
    commands: tuple[SendUpdate | AskStatus, ...] = ()
    ignored: str | None = None


def changed(value: Any, **fields: Any) -> Any:
    """Return a copy of a frozen struct with these fields replaced."""
    return msgspec.structs.replace(value, **fields)
