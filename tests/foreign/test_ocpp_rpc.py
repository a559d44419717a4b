"""npm's strict ocpp-rpc on the other side: as CSMS of our chargers, and as charger of our CSMS.

Its schemas and its reading of OCPP-J are nobody's here (2.1: the reading only). Needs node and
ocpp-rpc (see `node.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.certificates import Authority, client_context, server_context
from simulator.charger import Charger
from simulator.faults import DownloadFault, Fixed, Reconnect
from simulator.firmware_faults import ImageSpec, ServerSpec
from simulator.firmware_server import FirmwareServer
from simulator.sockets import Fleet
from tests.foreign.node import needs_ocpp_rpc, program
from tests.reference_csms.running import API, running
from tests.simulator.socket_lab import World, spec

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    needs_ocpp_rpc, pytest.mark.sockets, pytest.mark.slow, pytest.mark.timeout(60),
    pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]),
]  # fmt: skip
SIZE = 300_000


@pytest.mark.asyncio
async def test_our_charger_updates_against_a_strict_csms(version: str, tmp_path: Path) -> None:
    """Boot, cut download, resumed, installed, booted anew: no frame breaks a schema."""
    authority = Authority(tmp_path)
    log: list[dict[str, Any]] = []
    images = {"fw": ImageSpec(version="2.0", size=SIZE)}
    cut = DownloadFault(kind="cut", at=0.6)
    firmware = FirmwareServer(ServerSpec(images=images, faults={"CP-1": (cut,)}), log=log.append)
    url = await firmware.start("127.0.0.1", 0, server_context(authority.server()))
    quick = Fixed(value=0.02)
    about = spec(
        1, ocpp=version, install_time=quick, reboot_time=quick, reconnect=Reconnect(first=0.02)
    )
    async with program("rpc_csms.cjs", version, f"{url}/r1/fw") as csms:
        port = (await csms.until(lambda line: "port" in line))["port"]
        fleet = Fleet(
            [Charger(about, seed=1, start=0.0)],
            url=lambda charger_id: f"ws://127.0.0.1:{port}/{charger_id}",
            observe=World().observe,
            download_ssl=client_context(authority.certificate),
        )
        await fleet.start()
        await csms.until(lambda line: line.get("status") == "Installed")
        await fleet.stop()
    await firmware.stop()
    assert csms.all("problem") == []
    assert csms.all("boot") == ["1.0", "2.0"]
    assert csms.all("answered") == [{} if version == "ocpp1.6" else {"status": "Accepted"}]
    assert [line["outcome"] for line in log] == ["cut", "complete"]


@pytest.mark.asyncio
async def test_our_csms_updates_a_strict_charger(version: str) -> None:
    """Every frame of the reference CSMS passes; the rollout ends with the charger installed."""
    async with running() as csms:
        await csms.register("NODE-1")
        url = f"ws://127.0.0.1:{csms.ocpp_port}/ocpp"
        async with program("rpc_charger.cjs", version, url, "NODE-1") as charger:
            await charger.until(lambda line: "boot" in line)
            rollout = await csms.rollout("NODE-1")
            path = f"{API}/firmware/rollout/{rollout}"
            await csms.ask("POST", f"{path}/execute-stage")
            await charger.until(lambda line: "boot" in line)
            # The CSMS answered that boot, and with it knows that the update is over.
            _, shown = await csms.ask("GET", path)
    assert charger.all("problem") == []
    assert charger.all("boot") == ["Accepted", "Accepted"]
    assert len(charger.all("update")) == 1
    assert (shown["status"], shown["stages"][0]["chargers"][0]["status"]) == (
        "completed", "installed",
    )  # fmt: skip
