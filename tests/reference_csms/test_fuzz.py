"""The OCPP port under a hundred thousand hostile frames: nothing lost, nothing dead.

Over real sockets: each well-formed CALL is answered exactly once, whatever stands around it, the
connection lives on, and a neighbour is served as ever.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.reference_csms.hostile import call_id, frames
from tests.reference_csms.running import boot, call, running
from tests.reference_csms.station import BOOTS
from tests.reference_csms.test_ocpp_session import SMALL

pytestmark = [pytest.mark.sockets, pytest.mark.asyncio]
_ROUND = 200  # frames between two fences


async def campaign(version: str, seed: int, count: int) -> int:
    """Send `count` frames on one connection; return how many of them were well-formed CALLs."""
    actions = {
        **SMALL[version],
        "FirmwareStatusNotification": {"status": "Downloading"},
        "BootNotification": BOOTS[version],
    }
    sent, calls = list(frames(actions, seed, count)), 0
    async with running() as csms:
        await csms.register("CP-1", "CP-2")
        async with csms.link("CP-1", version) as link, csms.link("CP-2") as neighbour:
            await boot(link)
            await boot(neighbour)
            for start in range(0, count, _ROUND):
                part = sent[start : start + _ROUND]
                expected = Counter(found for one in part if (found := call_id(one)) is not None)
                for one in part:
                    await link.send(one)
                fence = f"fence-{start}"
                # A status is answered with its commit: after everything sent before it.
                status = {"status": "Idle"}
                await link.send(json.dumps([2, fence, "FirmwareStatusNotification", status]))
                answered: Counter[str] = Counter()
                while fence not in answered:
                    answered[json.loads(await link.recv())[1]] += 1
                wrong = {one for one in expected if answered[one] != expected[one]}
                assert not wrong, (version, seed, sorted(wrong)[:3])
                calls += expected.total()
            assert (await call(neighbour, "alive", "Heartbeat", {}))[0] == 3
    return calls


@pytest.mark.parametrize("version", sorted(SMALL))
async def test_a_short_campaign_of_hostile_frames(version: str) -> None:
    """Some thousand frames a version, enough to meet every kind of mutation."""
    assert await campaign(version, 1, 2_000) > 1_000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("version", sorted(SMALL))
async def test_a_long_campaign_of_hostile_frames(version: str, seed: int) -> None:
    """36 runs of 3 000 frames: more than a hundred thousand."""
    assert await campaign(version, seed, 3_000) > 1_500
