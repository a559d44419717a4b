"""Downloads against the real firmware server and against servers that say odd things."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from simulator.addresses import path_of, with_query
from simulator.certificates import Authority, client_context, server_context
from simulator.downloads import Downloads, Part, Resolver, retry_after
from simulator.effects import Fetch, Fetched, FetchFailed
from simulator.faults import DownloadFault
from simulator.firmware_faults import ImageSpec, ServerSpec
from simulator.firmware_server import FirmwareServer
from simulator.image import HEADER_BYTES, ImageError, verify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

SIZE = 600_000
SPEC = ImageSpec(version="2.0", size=SIZE, vendor="ABB")
IMAGE = SPEC.image()


class World:
    """A firmware server, its log, and the downloads of some chargers."""

    def __init__(self, url: str, log: list[dict[str, Any]], downloads: Downloads) -> None:
        self.url = url
        self.log = log
        self.downloads = downloads

    async def fetch(self, client: str = "CP-1", **options: Any) -> Fetched | FetchFailed:
        """Download the image and return how it ended."""
        url = options.pop("url", f"{self.url}/r1/fw.bin")
        done: asyncio.Future[Fetched | FetchFailed] = asyncio.get_running_loop().create_future()
        self.downloads.begin(client, Fetch(url, **options), done.set_result)
        async with asyncio.timeout(10):
            return await done

    async def logged(self, count: int) -> list[dict[str, Any]]:
        """Wait for this many log lines (the server writes them in its own turn)."""
        async with asyncio.timeout(10):
            while len(self.log) < count:  # noqa: ASYNC110  the server's turn, not ours
                await asyncio.sleep(0.001)
        return self.log


@contextlib.asynccontextmanager
async def world(
    *faults: DownloadFault, tls: Path | None = None, spec: ImageSpec = SPEC
) -> AsyncIterator[World]:
    """Run the firmware server in this loop, with these faults for CP-1."""
    log: list[dict[str, Any]] = []
    server = FirmwareServer(
        ServerSpec(images={"fw.bin": spec}, faults={"CP-1": faults}), log=log.append
    )
    trusted = theirs = None
    if tls is not None:
        authority = Authority(tls)
        theirs = server_context(authority.server())
        trusted = client_context(authority.certificate)
    downloads = Downloads(tls=trusted)
    url = await server.start("127.0.0.1", 0, theirs)
    try:
        yield World(url, log, downloads)
    finally:
        await downloads.stop()
        await server.stop()


def is_the_image(end: Fetched | FetchFailed) -> bool:
    """Whether a download gave exactly the image."""
    return end == Fetched(SIZE, IMAGE.sha256, IMAGE.head, IMAGE.body_sha256)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_download_is_hashed_whole() -> None:
    """Length, digests and head of a plain download are the image's own; the server agrees."""
    async with world() as here:
        assert is_the_image(await here.fetch("Ärger/../1"))
        (line,) = await here.logged(1)
    expected = {"client": "Ärger/../1", "path": "/r1/fw.bin", "range": None, "status": 200,
                "sent": SIZE, "total": SIZE, "outcome": "complete", "fault": None}  # fmt: skip
    assert {name: line[name] for name in expected} == expected
    assert set(line) == {*expected, "time", "began"}
    assert line["began"] <= line["time"]


@pytest.mark.sockets
@pytest.mark.asyncio
@pytest.mark.parametrize("secure", [False, True])
async def test_a_cut_is_resumed_with_the_right_digest(tmp_path: Path, secure: bool) -> None:
    """After a cut at 60 % the rest is fetched by range and the digest over both is right."""
    cut = DownloadFault(kind="cut", at=0.6)
    async with world(cut, tls=tmp_path if secure else None) as here:
        first = await here.fetch()
        assert isinstance(first, FetchFailed)
        assert (first.reason, first.received) == ("cut", SIZE * 6 // 10)
        assert is_the_image(await here.fetch(resume=True))
        lines = await here.logged(2)
    assert [(line["outcome"], line["sent"], line["range"]) for line in lines] == [
        ("cut", SIZE * 6 // 10, None),
        ("complete", SIZE * 4 // 10, [SIZE * 6 // 10, SIZE - 1]),
    ]


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_without_resume_a_download_starts_afresh() -> None:
    """A new Fetch that does not resume sends no Range and is complete in itself."""
    async with world(DownloadFault(kind="cut", at=0.5)) as here:
        await here.fetch()
        assert is_the_image(await here.fetch())
        assert (await here.logged(2))[1]["range"] is None


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_server_without_ranges_makes_it_start_anew() -> None:
    """A 200 where a 206 was asked for restarts the hash; nothing is counted twice."""
    async with world(DownloadFault(kind="cut", at=0.5), DownloadFault(kind="no_range")) as here:
        await here.fetch()
        assert is_the_image(await here.fetch(resume=True))


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_an_image_that_changed_between_two_ranges_fails_its_digest() -> None:
    """Two halves of different builds complete, but no digest calls them an image."""
    async with world(DownloadFault(kind="cut", at=0.5), DownloadFault(kind="changed")) as here:
        await here.fetch()
        end = await here.fetch(resume=True)
    assert isinstance(end, Fetched)
    with pytest.raises(ImageError, match="wrong digest"):
        verify(end.head, end.length, end.body_sha256)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_corruption_is_seen_in_the_digest_only() -> None:
    """A corrupted body arrives completely, with the right head and length."""
    async with world(DownloadFault(kind="corrupt")) as here:
        end = await here.fetch()
    assert isinstance(end, Fetched)
    assert (end.length, end.head) == (SIZE, IMAGE.head)
    assert end.sha256 != IMAGE.sha256
    with pytest.raises(ImageError, match="wrong digest"):
        verify(end.head, end.length, end.body_sha256)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_html_instead_of_an_image() -> None:
    """A captive portal's page completes, and is no image."""
    async with world(DownloadFault(kind="html")) as here:
        end = await here.fetch()
    assert isinstance(end, Fetched)
    with pytest.raises(ImageError, match="not an image"):
        verify(end.head, end.length, end.body_sha256)


@pytest.mark.sockets
@pytest.mark.asyncio
@pytest.mark.parametrize("secure", [False, True])
async def test_a_stalled_transfer_times_out_and_resumes(tmp_path: Path, secure: bool) -> None:
    """No byte for the stall time-out: stalled, with what arrived kept for a resume."""
    stall = DownloadFault(kind="stall", at=0.25)
    async with world(stall, tls=tmp_path if secure else None) as here:
        end = await here.fetch(stall_timeout=0.2)
        assert isinstance(end, FetchFailed)
        assert (end.reason, end.received) == ("stalled", SIZE // 4)
        assert (await here.logged(1))[0]["outcome"] == "stalled"
        assert is_the_image(await here.fetch(resume=True))


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_wrong_length_is_short() -> None:
    """Fewer bytes than Content-Length promised, closed in good order: short, not cut."""
    async with world(DownloadFault(kind="wrong_length", at=0.5)) as here:
        end = await here.fetch()
    assert isinstance(end, FetchFailed)
    assert (end.reason, end.received) == ("short", SIZE // 2)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_refused_before_any_byte_keeps_the_part() -> None:
    """A reset before the response is `refused`, and an earlier part survives it."""
    faults = DownloadFault(kind="cut", at=0.5), DownloadFault(kind="refuse")
    async with world(*faults) as here:
        await here.fetch()
        end = await here.fetch(resume=True)
        assert isinstance(end, FetchFailed)
        assert (end.reason, end.received) == ("refused", SIZE // 2)
        assert is_the_image(await here.fetch(resume=True))


@pytest.mark.sockets
@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["dns", "tls"])
async def test_what_fails_before_the_server_is_reached_keeps_the_part(kind: str) -> None:
    """A name without address and a certificate nobody trusts end under their own names."""
    async with world(
        DownloadFault(kind="cut", at=0.5), DownloadFault.model_validate({"kind": kind})
    ) as here:
        await here.fetch()
        end = await here.fetch(resume=True)
        assert isinstance(end, FetchFailed)
        assert (end.reason, end.received) == (kind, SIZE // 2)
        assert is_the_image(await here.fetch(resume=True))
        (_, struck, _) = await here.logged(3)
    assert (struck["outcome"], struck["fault"]) == ("redirected", kind)


@pytest.mark.asyncio
async def test_nobody_is_asked_for_names_that_exist_nowhere() -> None:
    """`.invalid` fails at once, with or without a name server (RFC 6761)."""
    with pytest.raises(OSError, match="no such name"):
        await Resolver().resolve("firmware.invalid", 443)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_status_carries_its_retry_after() -> None:
    """503 with Retry-After arrives as both; faults strike as often as they say."""
    busy = DownloadFault(kind="status", status=503, retry_after=7, times=2)
    async with world(busy) as here:
        for _ in range(2):
            end = await here.fetch()
            assert isinstance(end, FetchFailed)
            assert (end.reason, end.http_status, end.retry_after) == ("http", 503, 7.0)
        assert is_the_image(await here.fetch())
        assert [line["outcome"] for line in await here.logged(3)] == [
            "status",
            "status",
            "complete",
        ]


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_redirect_loop_ends() -> None:
    """A loop of redirects is given up, and counts as one request of the client."""
    async with world(DownloadFault(kind="redirect")) as here:
        end = await here.fetch()
        assert isinstance(end, FetchFailed)
        assert (end.reason, end.http_status) == ("http", 302)
        assert is_the_image(await here.fetch())


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_both_ends_can_set_the_pace() -> None:
    """A throttling server and a charger's own rate each stretch the transfer accordingly."""
    small = ImageSpec(version="1", size=50_000)
    async with world(DownloadFault(kind="throttle", rate=250_000), spec=small) as here:
        paces: tuple[dict[str, Any], ...] = ({}, {"rate": 250_000.0})
        for options in paces:
            begun = time.monotonic()
            assert isinstance(await here.fetch(**options), Fetched)
            assert 0.15 < time.monotonic() - begun < 2


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_an_unknown_image_is_404() -> None:
    """A path that only looks like a file is an unknown image."""
    async with world() as here:
        end = await here.fetch(url=f"{here.url}/../../../etc/passwd")
        assert isinstance(end, FetchFailed)
        assert end.http_status == 404


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_an_untrusted_server_is_a_tls_failure(tmp_path: Path) -> None:
    """A certificate of an unknown authority is reason `tls`, and nothing was received."""
    async with world(tls=tmp_path) as here:
        stranger = Downloads(tls=client_context(Authority(tmp_path / "other").certificate))
        there = World(here.url, here.log, stranger)
        end = await there.fetch()
        await stranger.stop()
    assert isinstance(end, FetchFailed)
    assert (end.reason, end.received) == ("tls", 0)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_reasons_of_what_never_began() -> None:
    """A closed port is `refused`; an odd scheme and a broken url are `other`."""
    async with world() as here:
        reasons = []
        for url in ("http://127.0.0.1:1/x", "ftp://127.0.0.1/x", "http://[::1/x"):
            end = await here.fetch(url=url)
            assert isinstance(end, FetchFailed)
            reasons.append(end.reason)
    assert reasons == ["refused", "other", "other"]


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_cancel_is_silent_and_a_new_fetch_replaces() -> None:
    """After cancel nothing is heard; a second Fetch ends the first in silence."""
    async with world() as here:
        heard: list[Fetched | FetchFailed] = []
        here.downloads.begin("CP-1", Fetch(f"{here.url}/a/fw.bin", rate=1000), heard.append)
        assert is_the_image(await here.fetch())
        here.downloads.begin("CP-2", Fetch(f"{here.url}/b/fw.bin", rate=1000), heard.append)
        here.downloads.cancel("CP-2")
        here.downloads.cancel("CP-2")
        assert is_the_image(await here.fetch("CP-3"))
    assert heard == []


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_no_more_downloads_at_a_time_than_allowed() -> None:
    """With a cap of two, ten downloads run in pairs and all complete."""
    peak = now = 0

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal peak, now
        del request
        now += 1
        peak = max(peak, now)
        await asyncio.sleep(0.005)
        now -= 1
        return web.Response(body=IMAGE.head)

    async with odd(slow, most=2) as here:
        ends = await asyncio.gather(*(here.fetch(f"CP-{n}") for n in range(10)))
    assert all(isinstance(end, Fetched) for end in ends)
    assert peak == 2


@contextlib.asynccontextmanager
async def odd(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], *, most: int = 8
) -> AsyncIterator[World]:
    """Run a server that answers everything with this handler."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    downloads = Downloads(most=most)
    try:
        yield World(f"http://127.0.0.1:{runner.addresses[0][1]}", [], downloads)
    finally:
        await downloads.stop()
        await runner.cleanup()


def partial(request: web.Request, **headers: str) -> web.Response:
    """Answer a first request with half of the head, cut; the next as 206 with these headers."""
    if "Range" not in request.headers:
        assert request.transport is not None
        raw = b'HTTP/1.1 200 OK\r\nContent-Length: 512\r\nETag: "one"\r\n\r\n' + IMAGE.head[:256]
        request.transport.write(raw)
        request.transport.close()
        return web.Response()
    return web.Response(status=206, body=IMAGE.head[256:], headers=headers)


@pytest.mark.sockets
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Content-Range": "bytes 256-511/512", "ETag": '"two"'}, "changed"),
        ({"Content-Range": "bytes 256-511/9999"}, "changed"),
        ({"Content-Range": "bytes 0-255/512"}, "other"),
        ({}, "other"),
        ({"Content-Range": "bytes 256-511/512", "ETag": '"one"'}, None),
        ({"Content-Range": "bytes 256-511/*"}, None),
    ],
)
async def test_a_206_must_continue_what_we_have(
    headers: dict[str, str], reason: str | None
) -> None:
    """Another validator or length is `changed`, another range `other`; both keep nothing."""
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("If-Range", ""))
        return partial(request, **headers)

    async with odd(handler) as here:
        first = await here.fetch()
        assert isinstance(first, FetchFailed)
        assert (first.reason, first.received) == ("short", 256)
        end = await here.fetch(resume=True)
    assert asked == ["", '"one"']
    if reason is None:
        assert isinstance(end, Fetched)
        assert end.head == IMAGE.head
    else:
        assert isinstance(end, FetchFailed)
        assert (end.reason, end.received) == (reason, 0)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_416_means_the_part_is_of_no_use() -> None:
    """A server with nothing behind our part leads to a fresh start next time."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=416) if "Range" in request.headers else partial(request)

    async with odd(handler) as here:
        await here.fetch()
        end = await here.fetch(resume=True)
        assert isinstance(end, FetchFailed)
        assert (end.reason, end.received, end.http_status) == ("changed", 0, 416)
        again = await here.fetch(resume=True)
        assert isinstance(again, FetchFailed)
        assert again.reason == "short"


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_redirect_to_the_image_is_followed() -> None:
    """A relative redirect leads to the image; one without Location is a failure."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/r1/fw.bin":
            return web.Response(status=307, headers={"Location": "../cdn/fw.bin"})
        if request.path == "/nowhere":
            return web.Response(status=301)
        return web.Response(body=request.path.encode())

    async with odd(handler) as here:
        end = await here.fetch()
        assert isinstance(end, Fetched)
        assert end.head == b"/cdn/fw.bin"
        lost = await here.fetch(url=f"{here.url}/nowhere")
        assert isinstance(lost, FetchFailed)
        assert (lost.reason, lost.http_status) == ("http", 301)


@pytest.mark.sockets
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "address",
    [
        "/fw%2Fr1/fw.bin?X-Amz-Credential=AKIA%2F20250101%2Feu&X-Amz-Signature=%7e%3A%3d",
        "/a//b/fw.bin?se=2025-01-01T00%3A00%3A00Z&sig=a%2Bb%3D%3D&sp=r;x&flag",
        "/fw.bin?note=%E4%BD%A0%e5%a5%bd&broken=%zz&" + "x" * 1500,
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
async def test_a_signed_address_is_asked_for_as_it_is_written(
    address: str, *, redirected: bool
) -> None:
    """Who signed an address signed every byte of it: `%2F` in a query stays what it is."""
    targets: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        targets.append(request.raw_path)
        if redirected and len(targets) == 1:
            return web.Response(status=302, headers={"Location": address})
        return web.Response(body=IMAGE.head)

    async with odd(handler) as here:
        end = await here.fetch(url=here.url + ("/first" if redirected else address))
    assert isinstance(end, Fetched)
    assert targets[-1] == address


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_presigned_address_is_served_as_it_was_made_only() -> None:
    """Another one is forbidden, uses up no fault, and its query stands in no log."""
    async with world(DownloadFault(kind="cut", at=0.5)) as here:
        address = here.url + with_query(path_of("r1", "fw.bin", presigned=True))
        for wrong in (address.partition("?")[0], address[:255], str(URL(address))):
            refused = await here.fetch(url=wrong)
            assert isinstance(refused, FetchFailed)
            assert (refused.reason, refused.http_status) == ("http", 403)
        assert isinstance(await here.fetch(url=address), FetchFailed)
        assert is_the_image(await here.fetch(url=address, resume=True))
        log = await here.logged(5)
    assert [line["status"] for line in log] == [403, 403, 403, 200, 206]
    assert {line["path"] for line in log} == {"/presigned/r1/fw.bin"}


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_what_cannot_stand_in_a_request_is_escaped() -> None:
    """Blanks and other alphabets reach the server as what they mean."""
    async with world() as here:
        end = await here.fetch(url=f"{here.url}/für alle/fw.bin?wer=du da")
        assert is_the_image(end)
        log = await here.logged(1)
    assert log[0]["path"] == "/für alle/fw.bin"


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/x", "http://[::1/x"])
@pytest.mark.sockets
@pytest.mark.asyncio
async def test_an_address_of_no_use_is_said_to_be_one(url: str) -> None:
    """It is not taken for a line that broke: another attempt would not help."""
    async with world() as here:
        end = await here.fetch(url=url)
    assert isinstance(end, FetchFailed)
    assert end.reason == "other"
    assert "not a usable url" in end.detail


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    """A downgrade is not followed, whatever lies behind it."""
    authority = Authority(tmp_path)

    async def handler(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    tls = server_context(authority.server())
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    downloads = Downloads(tls=client_context(authority.certificate))
    here = World(f"https://127.0.0.1:{runner.addresses[0][1]}", [], downloads)
    end = await here.fetch()
    await downloads.stop()
    await runner.cleanup()
    assert isinstance(end, FetchFailed)
    assert (end.reason, "https to http" in end.detail) == ("http", True)


@given(st.lists(st.binary(max_size=700), max_size=8))
def test_a_part_does_not_care_how_it_was_chunked(chunks: list[bytes]) -> None:
    """Head, digests and count depend on the bytes alone."""
    part = Part("u")
    for chunk in chunks:
        part.take(chunk)
    data = b"".join(chunks)
    assert part.fetched() == Fetched(
        len(data),
        hashlib.sha256(data).hexdigest(),
        data[:HEADER_BYTES],
        hashlib.sha256(data[HEADER_BYTES:]).hexdigest(),
    )


def test_retry_after_reads_seconds_and_dates() -> None:
    """A number is seconds, a past date is now, anything else is nothing."""
    assert retry_after({"Retry-After": "120"}) == 120.0
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_downloads_of_one_site_share_its_uplink() -> None:
    """Three chargers behind one bandwidth are together no faster than it."""
    async with world() as here:
        rate = 5 * SIZE  # alone each would take a fifth of a second
        begun = time.monotonic()
        ends = await asyncio.gather(
            *(here.fetch(f"CP-{n}", uplink=("site", rate)) for n in range(2, 5))
        )
        took = time.monotonic() - begun
    assert all(map(is_the_image, ends))
    assert 0.4 < took < 5.0
