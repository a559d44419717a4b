"""The REST client and the diagnosis of failed connects, against servers that misbehave."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness.diagnosis import diagnose
from harness.errors import TargetError
from harness.targets import Address, RestApi, provision
from harness.world import Ok, Refused, Request, Unknown
from simulator.certificates import Authority, client_context, server_context
from simulator.scenario import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.sockets, pytest.mark.asyncio]
READ = Request("read", "GET", "/x")


class Answers:
    """A server that answers everything with what it was told, and remembers the requests."""

    def __init__(self) -> None:
        self.status = 200
        self.text = "{}"
        self.delay = 0.0
        self.drop = False
        self.seen: list[dict[str, Any]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as told."""
        self.seen.append({
            "method": request.method,
            "path": request.path_qs,
            "key": request.headers.get("Authorization"),
            "body": await request.text(),
        })  # fmt: skip
        if self.drop and request.transport is not None:
            request.transport.abort()
        await asyncio.sleep(self.delay)
        return web.Response(status=self.status, text=self.text, content_type="application/json")


@pytest_asyncio.fixture
async def answers() -> Answers:
    """What the server will answer."""
    return Answers()


@pytest_asyncio.fixture
async def url(answers: Answers) -> AsyncIterator[str]:
    """A running server."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.handle)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/api")).rstrip("/")
    await server.close()


@pytest_asyncio.fixture
async def api(url: str) -> AsyncIterator[RestApi]:
    """A client with a short patience."""
    client = RestApi(Address(url, "ws://x", "secret", ext=url), within=0.5)
    await client.open()
    yield client
    await client.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Ok), (201, Ok), (204, Ok), (401, Refused), (404, Refused), (409, Refused),
        (422, Refused), (429, Refused), (408, Unknown), (302, Unknown), (500, Unknown),
        (503, Unknown),
    ],
)  # fmt: skip
async def test_a_status_says_whether_it_happened(
    api: RestApi, answers: Answers, status: int, kind: type
) -> None:
    """2xx happened, 4xx did not; a time-out, a redirect and 5xx are unknown."""
    answers.status = status
    answers.text = "" if status == 204 else '{"a": 1}'
    outcome = await api.request(READ)
    assert isinstance(outcome, kind)
    assert outcome.status == status
    assert outcome.body == (None if status == 204 else {"a": 1})


async def test_the_key_goes_with_the_request_and_only_then(api: RestApi, answers: Answers) -> None:
    """Probes of R45 send none or a wrong one."""
    for key in ("right", "missing", "wrong"):
        await api.request(Request("other", "POST", "/y?a=b", {"x": 1}, key=key))
    keys = [seen["key"] for seen in answers.seen]
    assert keys[0] == "Bearer secret"
    assert keys[1] is None
    assert keys[2] not in {None, "Bearer secret"}
    assert answers.seen[0]["path"] == "/api/y?a=b"
    assert answers.seen[0]["body"] == '{"x": 1}'


async def test_a_missing_answer_is_unknown(api: RestApi, answers: Answers) -> None:
    """Neither a time-out nor a dropped connection says that nothing happened."""
    answers.delay = 5.0
    assert isinstance(await api.request(READ), Unknown)
    answers.delay, answers.drop = 0.0, True
    assert isinstance(await api.request(READ), Unknown)


async def test_a_body_that_is_no_json_is_kept_as_text(api: RestApi, answers: Answers) -> None:
    """It is evidence, whatever it is."""
    answers.text = "<html>" + "x" * 5000
    outcome = await api.request(READ)
    assert isinstance(outcome.body, str)
    assert len(outcome.body) == 2000


@pytest.mark.parametrize("text", ["[" * 900 + "]" * 900, '{"total": NaN}', "[1e400]"])
async def test_a_body_that_no_history_can_hold_is_kept_as_text(
    api: RestApi, answers: Answers, text: str
) -> None:
    """Python reads more than JSON has, and deeper than it can write."""
    answers.text = text
    assert (await api.request(READ)).body == text


async def test_a_large_body_is_read_to_its_end(api: RestApi, answers: Answers) -> None:
    """A rollout of thousands of chargers arrives in many pieces, and is one body."""
    answers.text = json.dumps({"chargers": [f"CP-{n:06}" for n in range(100_000)]})
    outcome = await api.request(READ)
    assert outcome.body == json.loads(answers.text)


async def test_the_key_is_in_no_description() -> None:
    """Reports and logs are made from these."""
    address = Address("http://x", "ws://x/ocpp", "secret", passwords={"A": "hidden"})
    assert "secret" not in repr(address) + str(address.describe())
    assert "hidden" not in repr(address) + str(address.describe())


async def test_charger_ids_are_quoted_in_urls() -> None:
    """An id is a path segment, whatever its characters."""
    assert Address("", "ws://x/ocpp/", "").charger_url("a/b ä") == "ws://x/ocpp/a%2Fb%20%C3%A4"
    assert Address("", "ws://x/{id}/ws", "").charger_url("A") == "ws://x/A/ws"


async def test_check_says_what_is_wrong_with_the_api(api: RestApi, answers: Answers) -> None:
    """A wrong key, a wrong path and a server without sense each have their hint."""
    await api.check()
    for status, said in ((401, "FIRMDRILL_API_KEY"), (404, "base url"), (500, "answered 500")):
        answers.status = status
        with pytest.raises(TargetError, match=said):
            await api.check()


async def test_check_diagnoses_a_server_that_is_not_there(unused_tcp_port: int) -> None:
    """The step that fails, the whole url and a hint."""
    client = RestApi(Address(f"http://127.0.0.1:{unused_tcp_port}/api", "", ""), within=2)
    await client.open()
    with pytest.raises(TargetError, match=r"/api/fleet/firmware: TCP failed: .*Is it running"):
        await client.check()
    await client.close()


async def test_registration_leaves_out_what_is_unknown(api: RestApi, answers: Answers) -> None:
    """No site, no field; and a refusal ends the drill with the system's own words."""
    text = "{version: 1, name: x, firmware: {version: '2'}, fleet: [{cohort: a, count: 1}]}"
    specs = load(text).chargers(1)
    await provision(api, specs)
    assert "site_id" not in answers.seen[0]["body"]
    answers.status, answers.text = 422, '{"detail": "no such site"}'
    with pytest.raises(TargetError, match="no such site"):
        await provision(api, specs)


# ---------------------------------------------------------------------- diagnosis

OCPP = ("ocpp1.6",)


async def serve(head: bytes) -> tuple[asyncio.Server, str]:
    """Answer every connection with these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp/A"


@pytest.mark.parametrize(
    ("head", "step"),
    [
        (b"HTTP/1.1 101 Go\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n", "ok"),
        (b"HTTP/1.1 101 Go\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n", "subprotocol"),
        (b"HTTP/1.1 101 Go\r\n\r\n", "subprotocol"),
        (b"HTTP/1.1 401 Who\r\n\r\n", "auth"),
        (b"HTTP/1.1 404 What\r\n\r\n", "http"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "http"),
        (b"SSH-2.0-x\r\n", "http"),
        (b"\r\n\r\n", "http"),
    ],
)
async def test_the_step_that_fails_is_named(head: bytes, step: str) -> None:
    """Each has its own hint, and the sentence carries the whole url."""
    server, url = await serve(head)
    async with server:
        found = await diagnose(url, subprotocols=OCPP)
    assert found.step == step
    assert url in found.sentence(url)
    assert step == "ok" or found.hint


@pytest.mark.parametrize(
    ("url", "step"),
    [
        ("ws://host.invalid/ocpp", "dns"),
        ("ftp://x/", "dns"),
        ("nonsense", "dns"),
        ("ws://127.0.0.1:99999/", "dns"),
    ],
)
async def test_what_is_no_address_is_found_before_anything_is_sent(url: str, step: str) -> None:
    """Including a port that cannot be."""
    assert (await diagnose(url, subprotocols=OCPP)).step == step


async def test_an_untrusted_certificate_is_a_tls_failure(tmp_path: Path) -> None:
    """And one from the trusted authority is none."""
    authority = Authority(tmp_path)
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server_context(authority.server())
    )
    url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        assert (await diagnose(url, subprotocols=OCPP)).step == "tls"
        trusting = client_context(authority.certificate)
        assert (await diagnose(url, subprotocols=OCPP, tls=trusting)).step == "http"
