"""The CSMS's vocabulary: values that cross its rooms. No behaviour beyond small conversions.

Times are Unix seconds (float). Texts written by chargers or operators are made safe once, at the
border of `Service`, by `clean`: unpaired surrogates and control characters become U+FFFD (the
database and JSON refuse the first, terminals and logs obey the second) and over-long texts are cut.
What comes out of the service may therefore be stored, logged and encoded without further care; it
is still untrusted text and must be escaped wherever it is shown as HTML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

# ------------------------------------------------------------------ texts and times

TEXT_LIMIT = 500
_UNSAFE = re.compile("[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return `text` safe to store and encode: no surrogates, no controls, at most `limit` long."""
    if len(text) <= limit and text.isprintable():
        return text  # nearly all of them, and ten times as fast
    safe = _UNSAFE.sub("\ufffd", text[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


@lru_cache(maxsize=64)  # what happens in one turn happens at one time
def rfc3339(time: float) -> str:
    """Write Unix seconds as RFC 3339 UTC with milliseconds and `Z` (D27)."""
    whole, part = divmod(time, 1.0)
    # What is less than half a microsecond short of the next millisecond, is that one.
    second, milli = divmod(int(whole) * 1000 + int(part * 1000 + 0.0005), 1000)
    return f"{_date(second)}.{milli:03}Z"


@lru_cache(maxsize=1024)  # the milliseconds are new each time, the rest is not
def _date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]


def parse_date(text: str) -> float:
    """Read an ISO 8601 date-time as Unix seconds; ValueError if bad or without offset (D18)."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the date has no offset; write for example 2030-01-31T22:00:00Z")
    return moment.timestamp()


# ------------------------------------------------------------------ statuses


class Strategy(StrEnum):
    """How a rollout is cut into stages."""

    CANARY = "canary"
    ROLLING = "rolling"
    ALL_AT_ONCE = "all_at_once"


class RolloutStatus(StrEnum):
    """The published statuses of a rollout."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"


class StageStatus(StrEnum):
    """The statuses of a stage (D33)."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class ChargerStatus(StrEnum):
    """The statuses of one charger within a rollout (D25)."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    INSTALLING = "installing"
    REBOOTING = "rebooting"
    INSTALLED = "installed"
    FAILED = "failed"


# ------------------------------------------------------------------ requests of operators


@dataclass(frozen=True, slots=True)
class CreateRollout:
    """The body of a create, well-typed but not yet judged (D14, D15, D18, D32)."""

    charger_ids: tuple[str, ...]
    firmware_url: str
    strategy: str
    batch_size: int | None = None
    canary_count: int | None = None
    retrieve_date: str | None = None
    max_in_flight: int | None = None
    failure_threshold: float | None = None
    update_timeout: float | None = None
    offline_timeout: float | None = None
    retries: int | None = None
    retry_interval: int | None = None


@dataclass(frozen=True, slots=True)
class NewCharger:
    """A charger to register; `password_hash` is what auth.py made of its password, or ''."""

    charger_id: str
    site_id: str = ""
    vendor: str = ""
    model: str = ""
    password_hash: str = ""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One catalogued firmware image; `url` is its key."""

    url: str
    version: str
    release_date: str | None = None
    size: int | None = None
    sha256: str | None = None
    signature: str | None = None
    signing_certificate: str | None = None


# ------------------------------------------------------------------ facts from chargers


class Charger(msgspec.Struct, frozen=True, kw_only=True):
    """What is durably known of one registered charger.

    `accepted`: a BootNotification of it was accepted once, so it may be used after a plain
    reconnect (D11). `last_seen` is when its last connection ended; None while it is connected or
    was when the process died. `firmware_version` is '' until a boot names one; `version_stale`: an
    update was installed since, so the next boot will name another whatever happens meanwhile.
    `security_extension`: a 1.6 station was seen to speak it, and is commanded so since.
    """

    charger_id: str
    site_id: str = ""
    vendor: str = ""
    model: str = ""
    firmware_version: str = ""
    version_stale: bool = False
    password_hash: str = ""
    accepted: bool = False
    last_seen: float | None = None
    ocpp_version: str = ""
    registered_at: float = 0.0
    security_extension: bool = False


class Boot(msgspec.Struct, frozen=True):
    """What a BootNotification says; absent fields are ''."""

    vendor: str = ""
    model: str = ""
    firmware_version: str = ""
    reason: str = ""


class Acceptance(msgspec.Struct, frozen=True):
    """How to answer a BootNotification: status Accepted, Pending or Rejected; interval in s."""

    status: str
    interval: int


class CallResult(msgspec.Struct, frozen=True):
    """The charger answered a CALL with a CALLRESULT; `status` is '' where the payload has none."""

    status: str = ""


class CallError(msgspec.Struct, frozen=True):
    """The charger answered a CALL with a CALLERROR."""

    code: str
    description: str = ""


Answer = CallResult | CallError


# ------------------------------------------------------------------ what the service hands out


class SendUpdate(msgspec.Struct, frozen=True):
    """Send UpdateFirmware now, on exactly this connection, with exactly this message id.

    The session writes the frame to the transport in the same turn, without awaiting, and calls
    `Service.undelivered` if the connection is gone or its CALL slot is taken (nothing left the
    process), later `answered` or `unanswered`. `signature` and `signing_certificate` are None
    unless the image is catalogued with them.
    """

    charger_id: str
    connection: str
    message_id: str
    request_id: int
    rollout_id: str
    url: str
    retrieve_at: float
    retries: int
    retry_interval: int
    signature: str | None = None
    signing_certificate: str | None = None


class AskStatus(msgspec.Struct, frozen=True):
    """Send TriggerMessage(FirmwareStatusNotification), same rules as `SendUpdate` (D21)."""

    charger_id: str
    connection: str
    message_id: str


class Hangup(msgspec.Struct, frozen=True):
    """Close this connection: its charger was removed (D24)."""

    charger_id: str
    connection: str


class Frame(msgspec.Struct, frozen=True):
    """A frame the session may send once this turn's facts are durable (an answer to a status)."""

    charger_id: str
    connection: str
    text: str


class Published(msgspec.Struct, frozen=True):
    """One committed change for the event stream; `number` never falls and has no gaps."""

    number: int
    data: dict[str, Any]


class Reply(msgspec.Struct, frozen=True):
    """A successful answer. `body` is encodable by msgspec (it may hold `msgspec.Raw` pieces)."""

    status: int
    body: Any
    headers: dict[str, str] = {}

    def encoded(self) -> bytes:
        """Return the body as JSON."""
        return msgspec.json.encode(self.body)


class Ticket:
    """A promise of an answer: resolved once, when what it says is durable and on its way."""

    __slots__ = ("_listeners", "outcome")

    def __init__(self) -> None:
        # The answer: a Reply, or the error that replaces it; None while it is open.
        self.outcome: Reply | Exception | None = None
        self._listeners: list[Callable[[Reply | Exception], None]] = []

    def then(self, listener: Callable[[Reply | Exception], None]) -> None:
        """Call `listener` with the outcome: now if there is one, else when it comes."""
        if self.outcome is None:
            self._listeners.append(listener)
        else:
            listener(self.outcome)

    def resolve(self, outcome: Reply | Exception) -> None:
        """Settle the ticket; further calls change nothing."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener(outcome)


class Answered(msgspec.Struct, frozen=True):
    """Give this answer to this ticket (`ticket.resolve(outcome)`)."""

    ticket: Ticket
    outcome: Reply | Exception


Released = SendUpdate | AskStatus | Hangup | Frame | Published | Answered


# ------------------------------------------------------------------ settings


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation may choose; the defaults are the contract's."""

    batch: int = 50  # chargers dispatched between two commits (D31)
    update_timeout: float = 3600.0  # D12
    retries: int = 2  # D30
    retry_interval: int = 30  # D30, seconds
    reconnect_grace: float = 5.0  # D11: a plain reconnect counts as booted after this
    heartbeat_interval: int = 300  # seconds, in the answer to a boot
    max_chargers: int = 100_000  # D14
    insecure_firmware_url: bool = False  # D14: loopback http:// allowed
    instance: str = ""  # prefix of message ids; '' = a random one made with the database
