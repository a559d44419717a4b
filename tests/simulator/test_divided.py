"""A fleet over several processes: the same chargers, one stream, nothing lost when one dies."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import serve
from websockets.typing import Subprotocol

from simulator.certificates import Authority, server_context
from simulator.divided import DividedFleet, divide
from simulator.faults import ChargerSpec
from tests.simulator.socket_lab import World, csms, spec

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection

OCPP16 = [Subprotocol("ocpp1.6")]
pytestmark = [pytest.mark.sockets, pytest.mark.timeout(60)]


def divided(here: World, port: int, count: int, **options: Any) -> DividedFleet:
    """Return a fleet of this many chargers in two processes."""
    usual: dict[str, Any] = {
        "processes": 2, "seed": 1, "start": 0.0, "connect_rate": 2000.0,
        "url": lambda charger: f"ws://127.0.0.1:{port}/{charger}",
    }  # fmt: skip
    specs = [spec(number) for number in range(count)]
    return DividedFleet(specs, observe=here.observe, **usual | options)


@pytest.mark.asyncio
async def test_two_processes_are_one_fleet() -> None:
    """All boot, fences answer across processes, events of a charger keep their order."""
    here = World()
    passwords: list[str] = []

    def check(_: ServerConnection, request: Any) -> None:
        passwords.append(request.headers["Authorization"])

    async with serve(csms, "127.0.0.1", 0, subprotocols=OCPP16, process_request=check) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        fleet = divided(here, port, 9, password=lambda charger: f"secret-{charger}")
        await fleet.start()
        await here.until(lambda: sum("Available" in str(e[2]) for e in here.kinds("send")) == 9)
        ids = list(fleet.slots)
        assert fleet.online == 9
        fleet.mark("pause")
        outcome = await fleet.ask(ids[::-1], "Heartbeat", {})
        assert list(outcome.items()) == [(charger, "answered") for charger in ids[::-1]]
        fleet.cut(ids[0])
        await fleet.settle()
        assert (ids[0], "close") in [each[:2] for each in here.heard]
        await fleet.stop()
    assert len(set(passwords)) == 9
    for charger in ids[1:]:
        kinds = [kind for name, kind, _, _ in here.heard if name == charger and kind != "note"]
        assert (kinds[:3], kinds[-1]) == (["open", "send", "recv"], "close")


@pytest.mark.asyncio
async def test_the_division_is_the_same_every_time() -> None:
    """Who lives where depends on order and count only; more processes than chargers are unused."""
    here = World()
    assert divided(here, 1, 5).slots == {f"CP-{n}": n % 2 for n in range(5)}
    assert set(divided(here, 1, 3, processes=8).slots.values()) == {0, 1, 2}


@pytest.mark.asyncio
async def test_who_shares_an_uplink_lives_together() -> None:
    """A bandwidth is shared within one process; the others are dealt out in turn."""
    there = ("site b", 1e6)
    specs = [spec(n, uplink=there if n in {1, 2, 5} else None) for n in range(6)]
    assert divide(specs, 2) == [0, 1, 1, 1, 0, 1]


@pytest.mark.asyncio
async def test_each_charger_shows_its_own_certificate(tmp_path: Path) -> None:
    """Over two processes, the CSMS reads every charger's id from its certificate (profile 3)."""
    here, authority = World(), Authority(tmp_path)
    pairs = {f"CP-{n}": authority.client(f"CP-{n}") for n in range(3)}
    shown: dict[str, Any] = {}

    def check(connection: ServerConnection, request: Any) -> None:
        peer = connection.transport.get_extra_info("peercert")
        shown[request.path[1:]] = dict(pair for names in peer["subject"] for pair in names)

    tls = server_context(authority.server(), clients_from=authority.certificate)
    async with serve(
        csms, "127.0.0.1", 0, subprotocols=OCPP16, process_request=check, ssl=tls
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        fleet = divided(
            here, port, 3, ca=authority.certificate, certificate=pairs.get,
            url=lambda charger: f"wss://127.0.0.1:{port}/{charger}",
        )  # fmt: skip
        await fleet.start()
        await here.until(lambda: sum("Available" in str(e[2]) for e in here.kinds("send")) == 3)
        await fleet.stop()
    assert {charger: about["commonName"] for charger, about in shown.items()} == {
        charger: charger for charger in pairs
    }


@pytest.mark.asyncio
async def test_a_process_that_dies_takes_only_its_chargers() -> None:
    """Its chargers are recorded as lost, their fences end as closed, the others go on."""
    here = World()
    async with serve(csms, "127.0.0.1", 0, subprotocols=OCPP16) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        fleet = divided(here, port, 4)
        await fleet.start()
        await here.until(lambda: sum("Available" in str(e[2]) for e in here.kinds("send")) == 4)
        os.kill(fleet._workers[0]._process.pid, signal.SIGKILL)
        await here.until(lambda: len(here.kinds("close")) == 2)
        outcome = await fleet.ask(list(fleet.slots), "Heartbeat", {})
        assert outcome == {
            "CP-0": "closed", "CP-1": "answered", "CP-2": "closed", "CP-3": "answered",
        }  # fmt: skip
        assert (fleet.crashed, fleet.online) == (2, 2)
        await fleet.stop()


@pytest.mark.asyncio
async def test_the_processes_end_with_whoever_started_them() -> None:
    """A process whose standard input ends stops by itself."""
    fleet = divided(World(), 1, 2)
    await fleet.start()
    process = fleet._workers[0]._process
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 20) == 0
    await fleet.stop()


def test_specs_survive_the_pipe() -> None:
    """A spec is the same after the JSON that carries it into another process."""
    about = spec(1, latency={"kind": "lognormal", "median": 0.1, "p95": 0.4}, offline=({},))
    assert ChargerSpec.model_validate(about.model_dump(mode="json")) == about
