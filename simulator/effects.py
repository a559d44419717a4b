"""What goes into a virtual charger and what comes out of it: the seam between cores and drivers.

Values only; imports nothing of ours. A driver (virtual time or sockets) owns the socket, the clock
and the download; the charger owns every decision. Each call is
`charger.handle(now, input) -> list[Action]` with `now` in Unix seconds that never step back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# ------------------------------------------------------------------ inputs (driver -> charger)


@dataclass(frozen=True, slots=True)
class PoweredOn:
    """The charger starts to exist; sent exactly once, first."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The WebSocket handshake succeeded with this subprotocol ('' if the server chose none)."""

    subprotocol: str


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """The attempt failed; `reason` is refused, timeout, dns, tls, http, subprotocol or other."""

    reason: str
    detail: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The socket is gone, and not because the charger asked; `code` is the close code or 1006."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """One text frame arrived (after simulated network latency)."""

    text: str


@dataclass(frozen=True, slots=True)
class Woke:
    """The time asked for by the latest `WakeAt` has come."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The download that `Fetch` began is complete.

    `length` counts the bytes of the whole image (all ranges together), `head` are their first
    `image.HEADER_BYTES` bytes, `sha256` is the lowercase hex digest over all of them in order and
    `body_sha256` the one over those after the head.
    """

    length: int
    sha256: str
    head: bytes
    body_sha256: str


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """The download broke off.

    `reason` is one of refused, dns, tls, http, cut, stalled, timeout, short, changed, other;
    `received` counts the bytes that are kept for a resume (0: nothing usable);
    `retry_after` is the server's Retry-After in seconds, if it sent one.
    """

    reason: str
    received: int
    detail: str = ""
    http_status: int | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The harness wants this charger to send one CALL (a fence's Heartbeat, a scripted message).

    A StatusNotification with an empty payload says how the charger's connector is. The charger
    queues the CALL behind its outstanding one and answers with
    `Note("asked", {"ref": ref, "message_id": ...})` when it is sent, and
    `Note("answered", {"ref": ref, "message_id": ...})` when its CALLRESULT arrived, or
    `Note("unanswered", {"ref": ref, "why": ...})` when the socket is closed or the CALL timed out.
    """

    action: str
    payload: dict[str, Any]
    ref: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A named moment of the drill passed (`create`, `pause`, `resume`, `heal`, ...).

    Offline windows and scripted faults that are relative to events wait for these.
    `count` says how often this mark has passed, from 1.
    """

    name: str
    count: int = 1


Input = (
    PoweredOn
    | Connected
    | ConnectFailed
    | Disconnected
    | Received
    | Woke
    | Fetched
    | FetchFailed
    | Asked
    | Marked
)

# ------------------------------------------------------------------ actions (charger -> driver)


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a WebSocket now, offering these subprotocols in order of preference."""

    subprotocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the socket, no `Disconnected` follows; `abort` drops it without a closing handshake.

    `silent` leaves it half-open: the charger has lost it and the CSMS does not hear of it.
    """

    code: int = 1000
    abort: bool = False
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Put one text frame on the socket after `delay` seconds of latency, in FIFO order."""

    text: str
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call `Woke` at this time (Unix seconds). Replaces every earlier `WakeAt` of this charger."""

    time: float


@dataclass(frozen=True, slots=True)
class Fetch:
    """Download `url`, hash while streaming, keep nothing but digest, length and head.

    `resume` continues the previous, broken download of the same url with a Range request (and
    If-Range where the server gave a validator); otherwise start afresh. `rate` caps the speed in
    bytes a second (None: as fast as it goes); `stall_timeout` seconds without a byte are a stall.
    `uplink` names a bandwidth (bytes a second) that all downloads through it share.
    """

    url: str
    resume: bool = False
    rate: float | None = None
    stall_timeout: float = 30.0
    uplink: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class CancelFetch:
    """Drop the running download; no Fetched/FetchFailed follows.

    With `keep` what has arrived can be resumed by a later `Fetch(resume=True)`.
    """

    keep: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something happened inside that the wire does not show: for reports and fences."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)


Action = Connect | Disconnect | Send | WakeAt | Fetch | CancelFetch | Note
