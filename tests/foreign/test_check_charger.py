"""Chargers of other authors under `check charger`: on npm's ocpp-rpc, on mobilityhouse's library.

Sound ones pass the cases they are made for; one that only says that it downloads is found out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from harness.suites.charger_cases import QUICK, Equipment
from harness.suites.charger_register import chosen
from harness.suites.charger_run import Plan, on_charger
from harness.suites.charger_signing import OurSigner
from harness.suites.charger_site import ChargerSite, SiteOptions, manufacturer
from harness.verdict import Verdict
from tests.foreign.library_charger import LIBRARY, LibraryCharger
from tests.foreign.node import needs_ocpp_rpc, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from harness.suites.results import CaseReport

    Connected = Callable[[str, str, bool], AbstractAsyncContextManager[None]]

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.timeout(120)]
CASES = ("update/1", "update/2", "download/1", "download/4")


@contextlib.asynccontextmanager
async def on_ocpp_rpc(version: str, url: str, lies: bool) -> AsyncIterator[None]:
    """A charger on node."""
    async with program("rpc_charger.cjs", version, url, version, "" if lies else "fetches") as one:
        await one.until(lambda line: "boot" in line)
        yield


@contextlib.asynccontextmanager
async def on_mobilityhouse(version: str, url: str, lies: bool) -> AsyncIterator[None]:
    """A charger on that library."""
    running = asyncio.create_task(LibraryCharger(version, f"{url}/{version}", lies=lies).run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


AUTHORS = [pytest.param(on_ocpp_rpc, marks=needs_ocpp_rpc), on_mobilityhouse]


def checked(author: Connected, folder: Path, *cases: str, lies: bool = False) -> list[CaseReport]:
    """Run cases on a rack of this author's chargers, one of each version."""
    out: list[CaseReport] = []

    async def run() -> None:
        site = ChargerSite(
            SiteOptions(), signer=OurSigner(manufacturer()), ask=_nobody, refused=_ignored
        )
        await site.start()
        plan = Plan(chosen(cases), QUICK, Equipment(), folder)
        try:
            async with contextlib.AsyncExitStack() as rack:
                for version in LIBRARY:
                    await rack.enter_async_context(author(version, site.urls[0], lies))
                await asyncio.gather(*(on_charger(site, one, plan, out.append) for one in LIBRARY))
        finally:
            await site.stop()

    asyncio.run(run())
    return out


async def _nobody(_charger: str, _what: str) -> bool:
    return False


def _ignored(_why: str) -> None:
    """Nobody reads what was refused at the door."""


@pytest.mark.parametrize("author", AUTHORS)
def test_a_sound_charger_passes(author: Connected, tmp_path: Path) -> None:
    """It downloads, tries again, gives up, installs and boots the version it was given."""
    seen = checked(author, tmp_path, *CASES)
    assert {(one.who, one.id) for one in seen} == {(who, case) for who in LIBRARY for case in CASES}
    wrong = [(one.who, one.id, one.reason) for one in seen if one.verdict is not Verdict.PASS]
    assert wrong == []


@pytest.mark.parametrize("author", AUTHORS)
def test_a_charger_that_only_says_so_fails(author: Connected, tmp_path: Path) -> None:
    """Installed, although our server sent nothing."""
    seen = checked(author, tmp_path, "update/1", lies=True)
    assert {one.who for one in seen} == set(LIBRARY)
    for one in seen:
        assert one.verdict is Verdict.FAIL
        assert "Installed after 0 bytes" in one.reason
