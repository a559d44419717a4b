"""Downloads in virtual time: what the firmware server and the network would have done to each.

No bytes move. For every `Fetch` the model looks up which fault strikes this request (the same
`DownloadFault` data that the real firmware server is given), works out when it ends from the rates,
and ends it with the same `Fetched` or `FetchFailed` that the real download would have given.
A shared uplink serves its transfers in equal parts (processor sharing).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.addresses import altered
from simulator.effects import Fetch, Fetched, FetchFailed
from simulator.faults import nth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simulator.faults import DownloadFault
    from simulator.virtual import Scheduler, Timer

    Done = Callable[[Fetched | FetchFailed], None]
    ServerLog = Callable[[dict[str, Any]], None]

DEFAULT_RATE = 10_000_000.0  # bytes a second where neither charger nor fault says otherwise
ROUND_TRIP = 0.02  # seconds from a request to its first byte


@dataclass(frozen=True, slots=True)
class ImageModel:
    """An image as a download sees it: its length, digests and first bytes (`image.Image`)."""

    length: int
    sha256: str
    head: bytes
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How one request will end: after `moved` bytes and `pause` more seconds, with `result`."""

    moved: int
    pause: float
    result: Fetched | FetchFailed
    log: dict[str, Any]
    rate: float | None = None  # a server-side cap


@dataclass(frozen=True, slots=True)
class Begun:
    """A request under way, as far as cancelling it needs to know."""

    since: float  # when its first byte came
    offset: int
    size: int  # bytes that it would move
    rate: float
    log: dict[str, Any]  # what the server will say of it, but for the end


class Transfers:
    """All downloads of a virtual fleet; `begin` and `cancel` mirror the Fetch actions.

    `images` maps the last path segment of a url to its model; `faults` maps a client to the faults
    that meet its requests, in order. `log` hears one firmware-server log line for each request.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        images: Mapping[str, ImageModel],
        faults: Mapping[str, Sequence[DownloadFault]],
        log: ServerLog,
    ) -> None:
        self.scheduler = scheduler
        self.images = images
        self.faults = faults
        self.log = log
        self._uplinks: dict[str, Uplink] = {}
        self._requests: dict[str, int] = {}
        self._kept: dict[str, int] = {}  # bytes of the broken download that a resume can use
        self._running: dict[str, Timer | Share] = {}
        self._begun: dict[str, Begun] = {}

    def expect(self, client: str, faults: Sequence[DownloadFault]) -> None:
        """Have these faults meet the requests of a client from now on, counted anew."""
        self.faults = {**self.faults, client: faults}
        self._requests.pop(client, None)

    def begin(self, client: str, fetch: Fetch, done: Done) -> None:
        """Start the download; `done` hears its end unless `cancel` comes first."""
        self.cancel(client)
        offset = self._kept.pop(client, 0) if fetch.resume else 0
        ending = self._foresee(client, fetch, offset)
        rate = min(fetch.rate or DEFAULT_RATE, ending.rate or DEFAULT_RATE)
        uplink = self._uplink(fetch)
        since = self.scheduler.now + ROUND_TRIP
        asked = {"began": since, "client": client, "path": _path(fetch.url)}
        self._begun[client] = Begun(since, offset, ending.moved, rate, asked | ending.log)

        def finish(_: Any) -> None:
            del self._running[client], self._begun[client]
            if isinstance(ending.result, FetchFailed):
                self._kept[client] = ending.result.received
            self.log({"time": self.scheduler.now} | asked | ending.log)
            done(ending.result)

        if uplink is not None and ending.moved:
            self._running[client] = uplink.add(
                ending.moved, rate, lambda: self.scheduler.at(
                    self.scheduler.now + ROUND_TRIP + ending.pause, finish)
            )  # fmt: skip
            return
        duration = ROUND_TRIP + ending.moved / rate + ending.pause
        self._running[client] = self.scheduler.at(self.scheduler.now + duration, finish)

    def cancel(self, client: str, *, keep: bool = False) -> None:
        """Drop the running download of this client, if there is one.

        With `keep` a later `begin` that resumes goes on after the bytes that have arrived. The
        server logs an aborted request with the bytes that it had sent.
        """
        running = self._running.pop(client, None)
        if running is None:
            return
        begun = self._begun.pop(client)
        if isinstance(running, Share):
            moved = begun.size - int(running.left_now())
        else:
            moved = max(0, min(begun.size, int((self.scheduler.now - begun.since) * begun.rate)))
        if keep and moved > 0:
            self._kept[client] = begun.offset + moved
        running.cancel()
        ended = {"sent": moved, "outcome": "aborted"}
        self.log({"time": self.scheduler.now} | begun.log | ended)

    def _uplink(self, fetch: Fetch) -> Uplink | None:
        """Return the shared bandwidth that this download goes through."""
        if fetch.uplink is None:
            return None
        name, rate = fetch.uplink
        if name not in self._uplinks:
            self._uplinks[name] = Uplink(self.scheduler, rate)
        return self._uplinks[name]

    # -------------------------------------------------------------- what the server would do

    def _foresee(self, client: str, fetch: Fetch, offset: int) -> Ending:
        image = self.images.get(_path(fetch.url).rsplit("/", 1)[-1])
        if image is not None and altered(fetch.url):
            return _refusal(403, None, None)
        fault = self._strike(client)
        if image is None:
            return _refusal(404, None, None)
        if fault is None:
            return _served(image, offset)
        return _struck(image, offset, fault, fetch)

    def _strike(self, client: str) -> DownloadFault | None:
        """Return the fault that meets this client's next request."""
        count = self._requests[client] = self._requests.get(client, 0) + 1
        return nth(self.faults.get(client, ()), count)


class Share:
    """One transfer on a shared uplink."""

    __slots__ = ("_uplink", "end", "left", "rate")

    def __init__(self, uplink: Uplink, size: float, rate: float, end: Callable[[], Any]) -> None:
        self._uplink = uplink
        self.left = size
        self.rate = rate
        self.end = end

    def left_now(self) -> float:
        """Return how many bytes are still to come."""
        self._uplink.advance()
        return self.left

    def cancel(self) -> None:
        """Leave the uplink to the others."""
        self._uplink.remove(self)


class Uplink:
    """A bandwidth that its transfers share in equal parts, none faster than its own rate."""

    def __init__(self, scheduler: Scheduler, rate: float) -> None:
        self.scheduler = scheduler
        self.rate = rate
        self._shares: list[Share] = []
        self._since = scheduler.now
        self._timer: Timer | None = None

    def add(self, size: float, rate: float, end: Callable[[], Any]) -> Share:
        """Begin a transfer of `size` bytes; `end` is called when the last one has arrived."""
        self.advance()
        share = Share(self, size, rate, end)
        self._shares.append(share)
        self._plan()
        return share

    def remove(self, share: Share) -> None:
        """End a transfer early; harmless when it has ended."""
        if share in self._shares:
            self.advance()
            self._shares.remove(share)
            self._plan()

    def _speed(self, share: Share) -> float:
        return min(share.rate, self.rate / len(self._shares))

    def advance(self) -> None:
        """Account for the bytes that have moved since the last change."""
        elapsed, self._since = self.scheduler.now - self._since, self.scheduler.now
        for share in self._shares:
            share.left -= elapsed * self._speed(share)

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._shares:
            first = min(share.left / self._speed(share) for share in self._shares)
            self._timer = self.scheduler.at(self.scheduler.now + max(first, 0.0), self._arrived)

    def _arrived(self, _: Any) -> None:
        self.advance()
        ended = [share for share in self._shares if share.left <= 0.5]  # noqa: PLR2004  half a byte
        self._shares = [share for share in self._shares if share.left > 0.5]  # noqa: PLR2004
        self._plan()
        for share in ended:
            share.end()


def _path(url: str) -> str:
    """Return the path of an http(s) url."""
    return "/" + url.split("://", 1)[-1].partition("/")[2].partition("?")[0]


def _served(image: ImageModel, offset: int, **extra: Any) -> Ending:
    total = image.length - offset
    log = _log(206 if offset else 200, image, offset, total, "complete", **extra)
    return Ending(
        total, 0.0, Fetched(image.length, image.sha256, image.head, image.body_sha256), log
    )


def _refusal(status: int, retry_after: float | None, fault: str | None) -> Ending:
    failure = FetchFailed("http", 0, f"HTTP {status}", http_status=status, retry_after=retry_after)
    return Ending(0, 0.0, failure, {"range": None, "status": status, "sent": 0, "total": 0,
                                    "outcome": "status", "fault": fault})  # fmt: skip


def _log(status: int, image: ImageModel, offset: int, sent: int, outcome: str,
         *, fault: str | None = None) -> dict[str, Any]:  # fmt: skip
    asked = [offset, image.length - 1] if offset else None
    return {"range": asked, "status": status, "sent": sent, "total": image.length,
            "outcome": outcome, "fault": fault}  # fmt: skip


def _struck(image: ImageModel, offset: int, fault: DownloadFault, fetch: Fetch) -> Ending:
    """Return how a request ends that this fault strikes."""
    kind = fault.kind
    stop = max(fault.spot(image.length), offset)
    status = 206 if offset else 200
    match kind:
        case "cut" | "stall":
            reason, outcome, pause = (
                ("cut", "cut", 0.0)
                if kind == "cut"
                else ("stalled", "stalled", fetch.stall_timeout)
            )
            log = _log(status, image, offset, stop - offset, outcome, fault=kind)
            return Ending(stop - offset, pause, FetchFailed(reason, stop), log)
        case "status":
            return _refusal(fault.status or 503, fault.retry_after, kind)
        case "redirect":
            failure = FetchFailed("http", 0, "redirected without end", http_status=302)
            log = _log(302, image, 0, 0, "redirected", fault=kind)
            return Ending(0, 0.0, failure, log)
        case "dns" | "tls":
            log = _log(302, image, 0, 0, "redirected", fault=kind)
            return Ending(0, 0.0, FetchFailed(kind, offset), log)
        case "refuse":
            log = _log(0, image, 0, 0, "cut", fault=kind)
            return Ending(0, 0.0, FetchFailed("refused", offset), log)
        case "throttle":
            ending = _served(image, offset, fault=kind)
            return Ending(ending.moved, 0.0, ending.result, ending.log, fault.rate)
        case "no_range":
            return _served(image, 0, fault=kind)
        case "wrong_length":
            log = _log(status, image, offset, stop - offset, "cut", fault=kind)
            return Ending(stop - offset, 0.0, FetchFailed("short", stop), log)
        case "corrupt" | "html" | "changed":
            return _wrong_bytes(image, offset, kind)


def _wrong_bytes(image: ImageModel, offset: int, kind: str) -> Ending:
    """Return a download that completes with other bytes than the image's."""
    if kind == "changed" and not offset:
        return _served(image, 0, fault=kind)  # it changes between two ranges: needs a resume
    head = b"<!doctype html>" if kind == "html" else image.head
    length = len(head) if kind == "html" else image.length
    digest = hashlib.sha256(f"{kind}/{image.sha256}".encode()).hexdigest()
    log = _log(206 if offset else 200, image, offset, length - offset, "complete", fault=kind)
    return Ending(max(length - offset, 0), 0.0, Fetched(length, digest, head, digest), log)
