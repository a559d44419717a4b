"""What goes into a virtual charger and what comes out of it: the seam between cores and drivers.

Values only; imports nothing of ours. A driver (virtual time or sockets) owns the socket, the clock
and the download; the charger owns every decision. Each call is
`charger.handle(now, input) -> list[Action]` with `now` in Unix seconds that never step back.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Value(msgspec.Struct, frozen=True, gc=False):
    """What passes the seam: immutable, and cheap, because there are millions of them."""


# ------------------------------------------------------------------ inputs (driver -> charger)


class PoweredOn(Value, frozen=True):
    """The charger starts to exist; sent exactly once, first."""


class Connected(Value, frozen=True):
    """The WebSocket handshake succeeded with this subprotocol ('' if the server chose none)."""

    subprotocol: str


class ConnectFailed(Value, frozen=True):
    """The attempt failed; `reason` is refused, timeout, dns, tls, http, subprotocol or other."""

    reason: str
    detail: str = ""
    http_status: int | None = None


class Disconnected(Value, frozen=True):
    """The socket is gone, and not because the charger asked; `code` is the close code or 1006."""

    code: int
    reason: str = ""


class Received(Value, frozen=True):
    """One text frame arrived (after simulated network latency)."""

    text: str


class Woke(Value, frozen=True):
    """The time asked for by the latest `WakeAt` has come."""


class Fetched(Value, frozen=True):
    """The download that `Fetch` began is complete.

    `length` counts the bytes of the whole image (all ranges together), `head` are their first
    `image.HEADER_BYTES` bytes, `sha256` is the lowercase hex digest over all of them in order and
    `body_sha256` the one over those after the head.
    """

    length: int
    sha256: str
    head: bytes
    body_sha256: str


class FetchFailed(Value, frozen=True):
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


class Asked(Value, frozen=True):
    """The harness wants this charger to send one CALL (a fence's Heartbeat, a scripted message).

    A StatusNotification with an empty payload says how the charger's connector is. The charger
    queues the CALL behind its outstanding one and answers with
    `Note("answered", {"ref": ref, "message_id": ...})` when its CALLRESULT arrived, or
    `Note("unanswered", {"ref": ref, "why": ...})` when the socket is closed or the CALL timed out.
    """

    action: str
    payload: dict[str, Any]
    ref: str


class Marked(Value, frozen=True):
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


class Connect(Value, frozen=True):
    """Open a WebSocket now, offering these subprotocols in order of preference."""

    subprotocols: tuple[str, ...]


class Disconnect(Value, frozen=True):
    """Close the socket, no `Disconnected` follows; `abort` drops it without a closing handshake.

    `silent` leaves it half-open: the charger has lost it and the CSMS does not hear of it.
    """

    code: int = 1000
    abort: bool = False
    silent: bool = False


def closing(code: int, reason: str, *, silent: bool) -> dict[str, object]:
    """Return what is observed of a close; `silent`: the other side has not heard of it."""
    return {"code": code, "reason": reason, **({"silent": True} if silent else {})}


class Send(Value, frozen=True):
    """Put one text frame on the socket after `delay` seconds of latency, in FIFO order."""

    text: str
    delay: float = 0.0


class WakeAt(Value, frozen=True):
    """Call `Woke` at this time (Unix seconds). Replaces every earlier `WakeAt` of this charger."""

    time: float


class Fetch(Value, frozen=True):
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


class CancelFetch(Value, frozen=True):
    """Drop the running download; no Fetched/FetchFailed follows.

    With `keep` what has arrived can be resumed by a later `Fetch(resume=True)`.
    """

    keep: bool = False


class Note(Value, frozen=True):
    """Something happened inside that the wire does not show: for reports and fences."""

    kind: str
    data: dict[str, Any] = {}


Action = Connect | Disconnect | Send | WakeAt | Fetch | CancelFetch | Note
