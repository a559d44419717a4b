"""The socket driver against real WebSocket servers, with chargers that follow a script."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from simulator import effects, sockets
from simulator.certificates import Authority, client_context, server_context
from simulator.charger import Charger
from simulator.faults import ChargerSpec, Fixed
from simulator.sockets import Fleet
from tests.simulator.socket_lab import World, csms, spec

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from pathlib import Path

    from simulator.socket_slot import Driven

    Answer = Callable[[ServerConnection], Awaitable[None]]

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(20)]


class Scripted:
    """A charger that connects at power-on, remembers its inputs and answers as it is told."""

    def __init__(
        self,
        about: ChargerSpec,
        *,
        then: Callable[[float, effects.Input], list[effects.Action]] = lambda *_: [],
        delay: float = 0.0,
    ) -> None:
        self.spec = about
        self.seen: list[effects.Input] = []
        self.times: list[float] = []
        self._then = then
        self._delay = delay

    def handle(self, now: float, incoming: effects.Input) -> list[effects.Action]:
        """Remember the input; connect at power-on, else do what the script says."""
        self.seen.append(incoming)
        self.times.append(now)
        if isinstance(incoming, effects.PoweredOn):
            return [effects.Connect(("ocpp1.6",)), *self._then(now, incoming)]
        return self._then(now, incoming)

    def inbound_delay(self, now: float) -> float:
        """Return the scripted latency."""
        del now
        return self._delay

    def texts(self) -> list[str]:
        """Return what it received."""
        return [each.text for each in self.seen if isinstance(each, effects.Received)]


@contextlib.asynccontextmanager
async def world(
    chargers: Iterable[Driven],
    answer: Answer,
    *,
    tls: ssl.SSLContext | None = None,
    trusted: ssl.SSLContext | None = None,
    path: str = "/ocpp/",
    **options: Any,
) -> AsyncIterator[World]:
    """Run a WebSocket server that answers each connection so, and start the fleet."""
    here = World()
    server_options: dict[str, Any] = {"subprotocols": ["ocpp1.6"], "compression": None}
    server_options |= options.pop("server", {})
    async with serve(answer, "127.0.0.1", 0, ssl=tls, **server_options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        scheme = "wss" if tls else "ws"
        here.fleet = Fleet(
            chargers,
            url=lambda charger: f"{scheme}://127.0.0.1:{port}{path}{charger}",
            observe=here.observe,
            ssl=trusted,
            **{"connect_rate": 5000.0} | options,
        )
        await here.fleet.start()
        try:
            yield here
        finally:
            await here.fleet.stop()


async def listen(connection: ServerConnection) -> None:
    """Read until the charger goes."""
    with contextlib.suppress(ConnectionClosed):
        async for _ in connection:
            pass


@pytest.mark.asyncio
async def test_fifty_chargers_boot_and_answer_a_fence() -> None:
    """Real chargers boot over real sockets, and each answers a Heartbeat asked of it."""
    chargers = [Charger(spec(n), seed=1, start=0.0) for n in range(50)]
    async with world(chargers, csms) as here:
        await here.until(lambda: all(charger.booted for charger in chargers))
        outcome = await here.fleet.ask([c.spec.id for c in chargers], "Heartbeat", {})
        assert outcome == {charger.spec.id: "answered" for charger in chargers}
        assert here.fleet.online == 50
        beats = [
            text for _, kind, text, _ in here.heard if kind == "send" and "Heartbeat" in str(text)
        ]
        assert len(beats) == 50
    assert len(here.kinds("close")) == 50


@pytest.mark.asyncio
async def test_the_observer_hears_in_the_order_of_the_socket() -> None:
    """Open comes with url and subprotocol, frames follow in order, the close ends it."""

    async def answer(connection: ServerConnection) -> None:
        await connection.send("one")  # in the same packets as the handshake
        await connection.send("two")
        await connection.recv()
        await connection.close(4001, "enough")

    def then(_: float, incoming: effects.Input) -> list[effects.Action]:
        return [effects.Send("back")] if incoming == effects.Received("two") else []

    charger = Scripted(spec(), then=then)
    async with world([charger], answer) as here:
        await here.until(lambda: here.kinds("close"))
    assert [(kind, text) for _, kind, text, _ in here.heard] == [
        ("note", None), ("open", None), ("recv", "one"), ("recv", "two"), ("send", "back"),
        ("close", None),
    ]  # fmt: skip
    assert here.heard[0][3] == {"note": "connecting"}
    assert here.kinds("open")[0][3]["subprotocol"] == "ocpp1.6"
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/ocpp/CP-1", here.kinds("open")[0][3]["url"])
    assert here.kinds("close")[0][3] == {"code": 4001, "reason": "enough"}
    assert charger.seen[-1] == effects.Disconnected(4001, "enough")
    assert charger.times == sorted(charger.times)


@pytest.mark.asyncio
async def test_latency_keeps_the_order_in_both_directions() -> None:
    """Frames with falling delays leave in the order in which they were sent, and arrive so."""
    got: list[str] = []

    async def answer(connection: ServerConnection) -> None:
        for number in range(5):
            await connection.send(f"down-{number}")
        with contextlib.suppress(ConnectionClosed):
            while True:
                got.append(str(await connection.recv()))

    def then(_: float, incoming: effects.Input) -> list[effects.Action]:
        if isinstance(incoming, effects.Connected):
            return [effects.Send(f"up-{n}", delay=0.02 - n * 0.005) for n in range(5)]
        return []

    charger = Scripted(spec(), then=then, delay=0.01)
    async with world([charger], answer) as here:
        await here.until(lambda: len(here.kinds("send")) == 5 and len(here.kinds("recv")) == 5)
        opened = charger.times[1]
        async with asyncio.timeout(5):
            while len(charger.texts()) < 5 or len(got) < 5:  # noqa: ASYNC110  the server's turn
                await asyncio.sleep(0.001)
    assert charger.texts() == [f"down-{n}" for n in range(5)]
    assert got == [f"up-{n}" for n in range(5)]
    assert charger.times[-1] - opened >= 0.009


@pytest.mark.asyncio
async def test_only_the_latest_wake_up_counts_and_never_early() -> None:
    """Later WakeAts replace earlier ones, both ways; Woke is never before its time."""
    asked: list[float] = []

    def then(now: float, incoming: effects.Input) -> list[effects.Action]:
        if isinstance(incoming, effects.Connected):
            asked.append(now + 0.03)
            return [effects.WakeAt(now + 0.01), effects.WakeAt(now + 60), effects.WakeAt(asked[0])]
        return [effects.Send("woke")] if isinstance(incoming, effects.Woke) else []

    charger = Scripted(spec(), then=then)
    async with world([charger], listen) as here:
        await here.until(lambda: here.kinds("send"))
    assert [type(each) for each in charger.seen].count(effects.Woke) == 1
    assert charger.times[charger.seen.index(effects.Woke())] >= asked[0]


@pytest.mark.asyncio
async def test_a_charger_reconnects_and_hears_no_echo_of_its_own_close() -> None:
    """After its own Disconnect a charger hears no Disconnected; it may connect again at once."""
    rounds = 0

    def then(_: float, incoming: effects.Input) -> list[effects.Action]:
        nonlocal rounds
        if isinstance(incoming, effects.Connected) and rounds < 2:
            rounds += 1
            return [
                effects.Disconnect(1000, abort=rounds == 2), effects.Connect(("ocpp1.6",))
            ]  # fmt: skip
        return []

    charger = Scripted(spec(), then=then)
    async with world([charger], listen) as here:
        await here.until(lambda: len(here.kinds("open")) == 3)
        assert here.fleet.online == 1
    assert not any(isinstance(each, effects.Disconnected) for each in charger.seen)
    assert [data["code"] for *_, data in here.kinds("close")] == [1000, 1006, 1000]


@pytest.mark.asyncio
async def test_close_codes_reach_the_server() -> None:
    """The server sees the code of our closing handshake; an abort is 1006."""
    seen: asyncio.Queue[int | None] = asyncio.Queue()

    async def answer(connection: ServerConnection) -> None:
        await listen(connection)
        await connection.wait_closed()
        seen.put_nowait(connection.close_code)

    def then(_: float, incoming: effects.Input) -> list[effects.Action]:
        if isinstance(incoming, effects.Marked):
            return [effects.Disconnect(1001, abort=incoming.name == "abort")]
        return []

    async with world([Scripted(spec(1), then=then)], answer) as here:
        await here.until(lambda: here.kinds("open"))
        here.fleet.mark("leave")
        assert await seen.get() == CloseCode.GOING_AWAY
    async with world([Scripted(spec(1), then=then)], answer) as here:
        await here.until(lambda: here.kinds("open"))
        here.fleet.mark("abort")
        assert await seen.get() == CloseCode.ABNORMAL_CLOSURE


@pytest.mark.asyncio
async def test_basic_authentication_and_401() -> None:
    """The password travels as HTTP Basic; a refusal is `http` with its status, noted once."""
    seen: list[str] = []

    def check(connection: ServerConnection, request: Any) -> Any:
        seen.append(request.headers.get("Authorization", ""))
        return connection.respond(401, "no\n") if "CP-2" in request.path else None

    chargers = [Scripted(spec(1)), Scripted(spec(2))]
    passwords = {"CP-1": "pass:word", "CP-2": None}
    async with world(
        chargers, listen, password=passwords.get, server={"process_request": check}
    ) as here:
        await here.until(lambda: len(chargers[0].seen) == 2 and len(chargers[1].seen) == 2)
    assert sorted(seen) == ["", "Basic " + base64.b64encode(b"CP-1:pass:word").decode()]
    failed = chargers[1].seen[1]
    assert isinstance(failed, effects.ConnectFailed)
    assert (failed.reason, failed.http_status) == ("http", 401)
    (note,) = [data for *_, data in here.kinds("note") if data["note"] == "connect_failed"]
    assert (note["http_status"], note["url"].rsplit("/", 1)[1]) == (401, "CP-2")


@pytest.mark.asyncio
async def test_no_common_subprotocol_and_an_unasked_one() -> None:
    """A server that chooses none gives ''; one that chooses what was not offered is refused."""

    def lie(connection: ServerConnection, request: Any, response: Any) -> None:
        del connection, request
        response.headers["Sec-WebSocket-Protocol"] = "ocpp9"

    charger = Scripted(spec())
    async with world([charger], listen, server={"subprotocols": None}) as here:
        await here.until(lambda: len(charger.seen) == 2)
    assert charger.seen[1] == effects.Connected("")
    charger = Scripted(spec())
    options = {"subprotocols": None, "process_response": lie}
    async with world([charger], listen, server=options) as here:
        await here.until(lambda: len(charger.seen) == 2)
    failed = charger.seen[1]
    assert isinstance(failed, effects.ConnectFailed)
    assert (failed.reason, "ocpp9" in failed.detail) == ("subprotocol", True)


@pytest.mark.asyncio
async def test_reasons_of_failed_connects() -> None:
    """A closed port is `refused`, an unknown name `dns`, a silent hang-up `other`."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    urls = {
        "CP-1": "ws://127.0.0.1:1/", "CP-2": "ws://no-such-name.invalid/",
        "CP-3": f"ws://127.0.0.1:{port}/",
    }  # fmt: skip
    chargers = [Scripted(spec(n)) for n in (1, 2, 3)]
    here = World()
    fleet = Fleet(chargers, url=urls.__getitem__, observe=here.observe)
    await fleet.start()
    await here.until(lambda: all(len(charger.seen) == 2 for charger in chargers))
    await fleet.stop()
    server.close()
    await server.wait_closed()
    failed = [charger.seen[1] for charger in chargers]
    assert all(isinstance(each, effects.ConnectFailed) for each in failed)
    assert [getattr(each, "reason", "") for each in failed] == ["refused", "dns", "other"]


@pytest.mark.asyncio
async def test_wss_trusts_only_its_authority(tmp_path: Path) -> None:
    """The fleet talks wss with its CA, and calls a stranger's certificate `tls`."""
    authority = Authority(tmp_path / "a")
    tls = server_context(authority.server())
    for folder, expected in (("a", effects.Connected), ("b", effects.ConnectFailed)):
        if folder == "b":
            authority = Authority(tmp_path / "b")
        charger = Scripted(spec())
        trusted = client_context(authority.certificate)
        async with world([charger], listen, tls=tls, trusted=trusted) as here:
            await here.until(lambda seen=charger.seen: len(seen) == 2)  # type: ignore[misc]
        assert isinstance(charger.seen[1], expected)
        assert getattr(charger.seen[1], "reason", "tls") == "tls"


@pytest.mark.asyncio
async def test_one_crashing_charger_leaves_the_others_alone() -> None:
    """A defect in one charger becomes a note with its traceback; its fences end, others go on."""

    def then(_: float, incoming: effects.Input) -> list[effects.Action]:
        if isinstance(incoming, effects.Asked):
            raise ZeroDivisionError("a defect")
        return []

    def answers(_: float, incoming: effects.Input) -> list[effects.Action]:
        if isinstance(incoming, effects.Asked):
            return [effects.Note("answered", {"ref": incoming.ref, "message_id": "m"})]
        return []

    chargers = [Scripted(spec(1), then=then), Scripted(spec(2), then=answers)]
    async with world(chargers, listen) as here:
        await here.until(lambda: len(here.kinds("open")) == 2)
        outcome = await here.fleet.ask(["CP-1", "CP-2"], "Heartbeat", {})
        assert outcome == {"CP-1": "closed", "CP-2": "answered"}
        assert (here.fleet.crashed, here.fleet.online) == (1, 1)
        here.fleet.mark("later")
    (note,) = [data for *_, data in here.kinds("note") if data["note"] == "crashed"]
    assert "ZeroDivisionError: a defect" in note["traceback"]
    assert isinstance(chargers[0].seen[-1], effects.Asked)
    assert effects.Marked("later", 1) in chargers[1].seen


@pytest.mark.asyncio
async def test_fences_of_offline_and_lost_chargers_end() -> None:
    """No connection is `offline` at once; what the charger says of an unanswered one is passed."""

    def then(_: float, incoming: effects.Input) -> list[effects.Action]:
        if isinstance(incoming, effects.Asked):
            return [effects.Note("unanswered", {"ref": incoming.ref, "why": "closed"})]
        return []

    class Away(Scripted):
        """Never connects."""

        def handle(self, now: float, incoming: effects.Input) -> list[effects.Action]:
            """Do nothing."""
            del now, incoming
            return []

    away = Away(spec(2))
    async with world([Scripted(spec(1), then=then), away], listen) as here:
        await here.until(lambda: here.kinds("open"))
        outcome = await here.fleet.ask(["CP-1", "CP-2"], "Heartbeat", {})
    assert outcome == {"CP-1": "closed", "CP-2": "offline"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x81\x02\xff\xfe", 1007),  # text that is not UTF-8
        (b"\x83\x01x", 1002),  # an unknown opcode
        (b"\x88\x04\x0f\xa1ok", 4001),  # a close frame
        (b"\x88\x00", 1005),  # a close frame without a code
        (b"", 1006),  # nothing, then the end
    ],
)
async def test_garbage_ends_the_connection_with_a_code(raw: bytes, code: int) -> None:
    """Each way to break the WebSocket protocol ends as one close with the right code."""

    async def answer(connection: ServerConnection) -> None:
        connection.transport.write(raw)
        await asyncio.sleep(0)
        connection.transport.close()

    charger = Scripted(spec())
    async with world([charger], answer) as here:
        await here.until(lambda: len(charger.seen) == 3)
    (close,) = here.kinds("close")
    assert close[3]["code"] == code
    lost = charger.seen[2]
    assert isinstance(lost, effects.Disconnected)
    assert lost.code == code


@pytest.mark.asyncio
async def test_binary_is_odd_and_fragments_are_one_frame() -> None:
    """A binary frame is noted and ignored; a fragmented text arrives as one."""

    async def answer(connection: ServerConnection) -> None:
        await connection.send(b"\x00\x01")
        await connection.send(["[2,", '"1",', '"A",{}]'])
        await listen(connection)

    charger = Scripted(spec())
    async with world([charger], answer) as here:
        await here.until(charger.texts)
    assert charger.texts() == ['[2,"1","A",{}]']
    assert any(data["note"] == "odd_frame" for *_, data in here.kinds("note"))


@pytest.mark.asyncio
async def test_a_cut_from_outside_is_a_lost_connection() -> None:
    """A network fault injected by the harness is 1006 to the charger and to the history."""
    charger = Scripted(spec())
    async with world([charger], listen) as here:
        await here.until(lambda: here.kinds("open"))
        here.fleet.cut("CP-1")
        here.fleet.cut("CP-1")
        assert isinstance(charger.seen[-1], effects.Disconnected)
        assert len(here.kinds("close")) == 1


@pytest.mark.asyncio
async def test_power_on_is_paced() -> None:
    """Thirty chargers at 300 a second take about a tenth of a second, in their order."""
    chargers = [Scripted(spec(n)) for n in range(30)]
    async with world(chargers, listen, connect_rate=300.0):
        starts = [charger.times[0] for charger in chargers]
    assert starts == sorted(starts)
    assert 0.08 < starts[-1] - starts[0] < 2


@pytest.mark.asyncio
async def test_stop_is_bounded_when_the_server_never_closes() -> None:
    """A server that ignores our closing handshake cannot hold the fleet."""
    held: list[asyncio.StreamWriter] = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        held.append(writer)

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fleet = Fleet([Scripted(spec())], url=lambda _: f"ws://127.0.0.1:{port}/", observe=print)
    await fleet.start()
    async with asyncio.timeout(4):
        while not held:  # noqa: ASYNC110  the server's turn
            await asyncio.sleep(0.001)
        await fleet.stop()
        await fleet.stop()
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()


@pytest.mark.asyncio
async def test_a_handshake_that_comes_too_late_is_not_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the time-out the TCP connection is closed; the server's late answer goes nowhere."""
    monkeypatch.setattr(sockets, "HANDSHAKE_TIMEOUT", 0.05)
    asked = asyncio.Event()
    closed = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        assert await reader.read() == b""
        closed.set()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    here, charger = World(), Scripted(spec())
    fleet = Fleet([charger], url=lambda _: f"ws://127.0.0.1:{port}/", observe=here.observe)
    await fleet.start()
    await here.until(lambda: len(charger.seen) == 2)
    await asyncio.wait_for(closed.wait(), 5)
    await fleet.stop()
    server.close()
    await server.wait_closed()
    failed = charger.seen[1]
    assert asked.is_set()
    assert isinstance(failed, effects.ConnectFailed)
    assert failed.reason == "timeout"
    assert len(charger.seen) == 2


@pytest.mark.asyncio
async def test_stop_ends_handshakes_that_are_under_way() -> None:
    """The server sees the end of a connection whose handshake it never answered."""
    asked, closed = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fleet = Fleet(
        [Scripted(spec())], url=lambda _: f"ws://localhost:{port}/", observe=World().observe
    )
    await fleet.start()
    await asyncio.wait_for(asked.wait(), 5)
    await fleet.stop()
    await asyncio.wait_for(closed.wait(), 5)
    server.close()
    await server.wait_closed()


@pytest.mark.asyncio
async def test_a_charger_with_latency_boots() -> None:
    """Latency from the spec travels through the driver's queues."""
    charger = Charger(spec(latency=Fixed(value=0.01)), seed=1, start=0.0)
    async with world([charger], csms) as here:
        await here.until(lambda: charger.booted)
        assert await here.fleet.ask(["CP-1"], "Heartbeat", {}) == {"CP-1": "answered"}
