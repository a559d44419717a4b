"""Real downloads: HTTP(S) GET, hashed while streaming, resumed with Range, nothing on disk.

A shell. For every `effects.Fetch` there is exactly one `Fetched` or `FetchFailed`, unless it is
cancelled. What a broken download left behind (hash states, first bytes, validator) is kept per
charger in memory until the next `Fetch`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from simulator.effects import Fetch, Fetched, FetchFailed
from simulator.firmware_faults import user_agent
from simulator.image import HEADER_BYTES
from simulator.pacing import Pace, Uplink

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from aiohttp.abc import ResolveResult

    Done = Callable[[Fetched | FetchFailed], None]

MAX_REDIRECTS = 5
CONNECT_TIMEOUT = 15.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_READ_BUFFER = 1 << 18
_FIT_TO_SEND = re.compile(r"[!-~]+", re.ASCII)


class Broken(Exception):
    """The download ends here; carries the failure without the count of bytes that are kept."""

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        status: int | None = None,
        retry_after: float | None = None,
        keep: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.status = status
        self.retry_after = retry_after
        self.keep = keep  # whether what arrived so far can be resumed


@dataclass(slots=True)
class Part:
    """What has arrived of one image."""

    url: str
    whole: hashlib._Hash = field(default_factory=hashlib.sha256)
    body: hashlib._Hash = field(default_factory=hashlib.sha256)
    head: bytearray = field(default_factory=bytearray)
    received: int = 0
    total: int | None = None  # length of the whole image, as the server said
    validator: str | None = None  # a strong ETag or a Last-Modified, for If-Range

    def take(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self.whole.update(chunk)
        missing = HEADER_BYTES - len(self.head)
        if missing > 0:
            self.head += chunk[:missing]
            self.body.update(chunk[missing:])
        else:
            self.body.update(chunk)
        self.received += len(chunk)

    def fetched(self) -> Fetched:
        """Return the download as complete."""
        return Fetched(
            self.received, self.whole.hexdigest(), bytes(self.head), self.body.hexdigest()
        )


class Resolver(aiohttp.ThreadedResolver):
    """The system's names, but for `.invalid`: no name server is ever asked for those.

    RFC 6761 §6.4 wants them answered in place; some systems ask and wait instead.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raises `OSError` where it has none."""
        if host.rstrip(".").endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: no such name")
        return await super().resolve(host, port, family)


class Downloads:
    """All downloads of a fleet in one process; at most `most` at a time, the others wait.

    `tls` says which servers are trusted (None: the system's roots). `start` before the first
    download, `stop` at the end: it cancels what still runs.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, most: int = 256) -> None:
        self._tls = tls
        self._gate = asyncio.Semaphore(most)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._transfers: dict[str, Transfer] = {}
        self._parts: dict[str, Part] = {}
        self._uplinks: dict[str, Uplink] = {}
        self._session: aiohttp.ClientSession | None = None

    def begin(self, client: str, fetch: Fetch, done: Done) -> None:
        """Start a download for this charger, instead of the one it may have running."""
        self.cancel(client)
        part = self._parts.pop(client, None)
        if part is None or not fetch.resume or part.url != fetch.url:
            part = Part(fetch.url)
        task = asyncio.get_running_loop().create_task(self._run(client, fetch, part, done))
        self._running[client] = task

    def cancel(self, client: str, *, keep: bool = False) -> None:
        """Drop this charger's download; its `done` is not called. Harmless if there is none.

        With `keep` a later `begin` that resumes goes on after the bytes that have arrived.
        """
        task = self._running.pop(client, None)
        transfer = self._transfers.pop(client, None)
        if task is not None:
            task.cancel()
            if keep and transfer is not None and transfer.part.received:
                self._parts[client] = transfer.part

    async def stop(self) -> None:
        """Cancel everything and close the connections."""
        tasks = list(self._running.values())
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _run(self, client: str, fetch: Fetch, part: Part, done: Done) -> None:
        async with self._gate:
            outcome, kept = await self._outcome(client, fetch, part)
        if self._running.get(client) is asyncio.current_task():
            del self._running[client]
            self._transfers.pop(client, None)
            if kept is not None:
                self._parts[client] = kept
            done(outcome)

    async def _outcome(
        self, client: str, fetch: Fetch, part: Part
    ) -> tuple[Fetched | FetchFailed, Part | None]:
        transfer = Transfer(self._client_session(), client, fetch, part, self._uplink(fetch))
        self._transfers[client] = transfer
        try:
            return await transfer.run(), None
        except Broken as broken:
            error = broken
        except Exception as unforeseen:  # noqa: BLE001  one charger's surprise is not the fleet's
            error = classify(unforeseen, begun=transfer.begun)
        kept = transfer.part if error.keep and transfer.part.received else None
        failure = FetchFailed(
            error.reason,
            kept.received if kept else 0,
            error.detail,
            http_status=error.status,
            retry_after=error.retry_after,
        )
        return failure, kept

    def _uplink(self, fetch: Fetch) -> Uplink | None:
        """Return the bandwidth that this download shares with others."""
        if fetch.uplink is None:
            return None
        name, rate = fetch.uplink
        return self._uplinks.setdefault(name, Uplink(rate))

    def _client_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection each: chargers share none, and a reused one would hide faults.
            connector = aiohttp.TCPConnector(
                ssl=self._tls if self._tls is not None else True,
                limit=0,
                force_close=True,
                resolver=Resolver(),
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                read_bufsize=_READ_BUFFER,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            # aiohttp silently repeats a GET whose connection was reset before the answer: a charger
            # does not, and the reset is a fault that must be seen. There is no public switch.
            self._session._retry_connection = False  # noqa: SLF001
        return self._session


class Transfer:
    """One request, with its redirects, from the first connect to the last byte."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        client: str,
        fetch: Fetch,
        part: Part,
        uplink: Uplink | None = None,
    ) -> None:
        self._session = session
        self._uplink = uplink
        self._fetch = fetch
        self._agent = user_agent(client)
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT, sock_read=fetch.stall_timeout
        )
        self.part = part
        self.begun = False  # whether a response has begun

    async def run(self) -> Fetched:
        """Return the complete download; raises `Broken` or what aiohttp raises."""
        url = self._fetch.url
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(
                _target(url),
                headers=self._headers(),
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                if response.status not in _REDIRECTS:
                    await self._take(response)
                    return self.part.fetched()
                url = _next_url(url, response)
        raise Broken("http", "redirected without end", status=302)

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": self._agent, "Accept-Encoding": "identity"}
        if self.part.received:
            headers["Range"] = f"bytes={self.part.received}-"
            if self.part.validator is not None:
                headers["If-Range"] = self.part.validator
        return headers

    async def _take(self, response: aiohttp.ClientResponse) -> None:
        self.begun = True
        match response.status:
            case 206:
                self._continue(response)
            case 200:
                self._start_anew(response)
            case 416:
                raise Broken("changed", "the server has nothing behind our part", status=416)
            case status:
                raise Broken(
                    "http", f"HTTP {status}", status=status, keep=bool(self.part.received),
                    retry_after=retry_after(response.headers),
                )  # fmt: skip
        await self._read(response)

    def _start_anew(self, response: aiohttp.ClientResponse) -> None:
        self.part = Part(self._fetch.url, total=response.content_length)
        self.part.validator = _validator(response.headers)

    def _continue(self, response: aiohttp.ClientResponse) -> None:
        """Check that a 206 continues exactly what we have."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match.group(1)) != self.part.received:
            raise Broken("other", "the server sent another range than asked for", status=206)
        total = None if match.group(3) == "*" else int(match.group(3))
        if self.part.total is not None and total not in {None, self.part.total}:
            raise Broken("changed", f"the image is now {total} bytes long", status=206)
        now = _validator(response.headers)
        if self.part.validator is not None and now not in {None, self.part.validator}:
            raise Broken("changed", "the image has another ETag than before", status=206)

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        part, pace, uplink = self.part, Pace(self._fetch.rate), self._uplink
        async for chunk in response.content.iter_any():
            part.take(chunk)
            pause = pace.pause(len(chunk))
            if uplink is not None:
                pause = max(pause, uplink.pause(len(chunk)))
            if pause:
                await asyncio.sleep(pause)
        if part.total is not None and part.received < part.total:
            raise Broken("short", f"{part.received} of {part.total} bytes", keep=True)


def classify(error: Exception, *, begun: bool) -> Broken:
    """Say in the words of `FetchFailed` what a library's exception means."""
    detail = f"{type(error).__name__}: {error}"[:300]
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Broken("dns", detail, keep=True)
        case aiohttp.ClientSSLError():
            return Broken("tls", detail, keep=True)
        case aiohttp.ConnectionTimeoutError():
            return Broken("timeout", detail, keep=True)
        case TimeoutError():
            return Broken("stalled", detail, keep=True)
        case aiohttp.ClientConnectorError():
            return Broken("refused", detail, keep=True)
        case aiohttp.InvalidURL():
            return Broken("other", f"not a usable url: {error}"[:300])
        case aiohttp.ClientPayloadError():
            return Broken("cut" if _was_reset(error) else "short", detail, keep=True)
        case aiohttp.ServerDisconnectedError() | OSError():
            return Broken("cut" if begun else "refused", detail, keep=True)
        case _:
            return Broken("other", detail, keep=True)


def _was_reset(error: BaseException | None) -> bool:
    """Whether a connection error stands behind this: the peer vanished instead of closing."""
    while error is not None:
        if isinstance(error, ConnectionError) and not isinstance(error, aiohttp.ClientError):
            return True
        if "ConnectionResetError" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return Retry-After in seconds, from a number or a date; None if absent or unreadable."""
    value = headers.get("Retry-After", "").strip()
    try:
        if value.isascii() and value.isdigit():
            return float(value)
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what If-Range may carry: a strong ETag, else Last-Modified (RFC 9110 §13.1.5)."""
    etag = headers.get("ETag")
    if etag is not None and etag.startswith('"'):
        return etag
    return headers.get("Last-Modified")


def _target(url: str) -> URL:
    """Return the address as it was written, escapes and all: who signed it signed every byte.

    aiohttp would turn `%2F` in a query into `/`. What cannot stand in a request is escaped.
    Raises `Broken` and `aiohttp.InvalidURL`.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            raise Broken("other", "only http:// and https:// urls can be downloaded")
        _ = parts.port  # raises for one that no port has
        return URL(url, encoded=_FIT_TO_SEND.fullmatch(url) is not None)
    except ValueError as error:
        raise aiohttp.InvalidURL(url, str(error)) from error


def _next_url(url: str, response: aiohttp.ClientResponse) -> str:
    location = response.headers.get("Location")
    if location is None:
        raise Broken("http", "a redirect without Location", status=response.status)
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise Broken("http", "refused a redirect from https to http", status=response.status)
    return target
