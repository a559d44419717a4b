"""The OCPP port over real sockets: upgrades, hostile frames, a whole rollout."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reference_csms.ocpp_server import LARGEST_FRAME, station_of
from tests.reference_csms.running import API, Running, boot, call, install, receive, running

pytestmark = [pytest.mark.sockets, pytest.mark.asyncio]


async def refused(csms: Running, charger_id: str, **options: Any) -> InvalidStatus:
    """Return the refusal of an upgrade."""
    with pytest.raises(InvalidStatus) as caught:
        async with csms.link(charger_id, **options):
            pass
    return caught.value


def basic(name: str, password: str) -> dict[str, str]:
    """Return a Basic header."""
    text = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


async def test_two_versions_install_and_the_rollout_ends_by_itself() -> None:
    """Register, connect, create, execute, report: the API shows completed without another call."""
    async with running() as csms:
        await csms.register("CP 1/ä", "CP-2")
        async with csms.link("CP%201%2F%C3%A4") as one, csms.link("CP-2", "ocpp2.0.1") as two:
            await boot(one)
            await boot(two)
            rollout = await csms.rollout("CP 1/ä", "CP-2")
            path = f"{API}/firmware/rollout/{rollout}"
            status, body = await csms.ask("POST", f"{path}/execute-stage")
            assert (status, body["chargers_triggered"]) == (200, ["CP 1/ä", "CP-2"])
            await install(one)
            await install(two)
            status, body = await csms.ask("GET", path)
            assert body["status"] == "completed"


async def test_upgrades_are_refused_for_the_right_reason() -> None:
    """Unknown station 404, no common subprotocol 400, wrong password 401, then 429."""
    async with running() as csms:
        await csms.register("CP-1")
        await csms.register("CP-2", password="long-enough-password")
        assert (await refused(csms, "CP-9")).response.status_code == 404
        assert (await refused(csms, "a/CP-1")).response.status_code == 404
        assert (await refused(csms, "CP-1", version="ocpp1.5")).response.status_code == 400
        assert (await refused(csms, "CP-1", subprotocols=None)).response.status_code == 400
        wrong = await refused(csms, "CP-2")
        assert wrong.response.status_code == 401
        assert wrong.response.headers["WWW-Authenticate"].startswith("Basic")
        good = basic("CP-2", "long-enough-password")
        async with csms.link("CP-2", additional_headers=good) as link:
            await boot(link)
        for _ in range(10):
            await refused(csms, "CP-2", additional_headers=basic("CP-2", "guess"))
        assert (await refused(csms, "CP-2", additional_headers=good)).response.status_code == 429
        async with csms.link("CP-1", subprotocols=["x", "ocpp2.0.1", "ocpp1.6"]) as link:
            assert link.subprotocol == "ocpp2.0.1"


async def test_hostile_frames_close_only_what_the_standard_closes() -> None:
    """Garbage and binary frames are survived; oversize is 1009, text that is not UTF-8 is 1007."""
    async with running() as csms:
        await csms.register("CP-1", "CP-2")
        async with csms.link("CP-2") as other:
            await boot(other)
            async with csms.link("CP-1", "ocpp2.0.1") as link:
                for data in (b"\xff\x00", "garbage", "[2]"):
                    await link.send(data)
                    assert (await receive(link))[:3] == [4, "-1", "RpcFrameworkError"]
                await boot(link)
                await link.send("x" * (LARGEST_FRAME + 1))
                with pytest.raises(ConnectionClosed) as closed:
                    await link.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1009
            async with csms.link("CP-1", "ocpp2.0.1") as link:
                await link.send(b"\xff\xfe", text=True)
                with pytest.raises(ConnectionClosed) as closed:
                    await link.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1007
            assert (await call(other, "still", "Heartbeat", {}))[0] == 3


async def test_a_second_connection_replaces_the_first() -> None:
    """The older socket is closed with a reason."""
    async with running() as csms:
        await csms.register("CP-1")
        async with csms.link("CP-1") as one, csms.link("CP-1") as two:
            with pytest.raises(ConnectionClosed, match="replaced"):
                await one.recv()
            await boot(two)


async def test_compression_is_negotiated_only_when_asked_for() -> None:
    """permessage-deflate costs memory; a server started with it speaks it."""
    for deflate in (False, True):
        async with running(deflate=deflate) as csms:
            await csms.register("CP-1")
            async with csms.link("CP-1") as link:
                assert bool(link.protocol.extensions) is deflate
                await boot(link)


async def test_a_pause_is_silent_once_answered() -> None:
    """R18 with the fence: after the pause's answer and one heartbeat, no update ever came."""
    async with running() as csms:
        await csms.register("CP-1", "CP-2")
        rollout = await csms.rollout("CP-1", "CP-2", max_in_flight=1)
        path = f"{API}/firmware/rollout/{rollout}"
        async with csms.link("CP-1") as one, csms.link("CP-2") as two:
            await boot(one)
            await boot(two)
            _, body = await csms.ask("POST", f"{path}/execute-stage")
            assert body["chargers_triggered"] == ["CP-1"]
            status, body = await csms.ask("POST", f"{path}/pause", {"reason": "stop"})
            assert (status, body["reason"]) == (200, "stop")
            await install(one)
            assert (await call(two, "fence", "Heartbeat", {}))[1] == "fence"
            _, body = await csms.ask("POST", f"{path}/execute-stage")
            assert body["chargers_triggered"] == ["CP-2"]
            await install(two)


async def test_an_aborted_connection_is_noticed() -> None:
    """A station that vanishes without a closing handshake is shown as not connected."""
    async with running() as csms:
        await csms.register("CP-1")
        link = await csms.link("CP-1")
        await boot(link)
        link.transport.abort()
        connected = True
        async with asyncio.timeout(5):
            while connected:
                _, body = await csms.ask("GET", "/ext/v1/chargers")
                connected = body["chargers"][0]["connected"]


async def test_paths_name_stations() -> None:
    """The id is the one segment after /ocpp/, percent-decoded."""
    assert station_of("/ocpp/CP%201") == "CP 1"
    assert station_of("/ocpp/CP-1?x=1") == "CP-1"
    assert station_of("/ocpp/") == station_of("/CP-1") == station_of("/ocpp/a/b") == ""
    assert station_of("*") == station_of("//ocpp/x") == ""


async def test_a_defect_in_a_turn_does_not_stop_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    """A turn that raises is logged and the next one comes; other requests are answered."""
    async with running() as csms:
        hub, real = csms.turns.hub, csms.turns.hub.turn

        def broken(now: float) -> None:
            hub.turn = real  # type: ignore[method-assign]
            raise ValueError(now)

        hub.turn = broken  # type: ignore[method-assign]
        await csms.register("CP-1")
        assert "a turn failed" in caplog.text
