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
CASES = ("update/1", "update/2", "update/3", "download/1", "download/3", "download/4")
VERSIONS = list(LIBRARY)


@contextlib.asynccontextmanager
async def on_ocpp_rpc(version: str, url: str, lies: bool) -> AsyncIterator[None]:
    """A charger on node."""
    async with program("rpc_charger.cjs", version, url, "CP-1", "" if lies else "fetches") as one:
        await one.until(lambda line: "boot" in line)
        yield


@contextlib.asynccontextmanager
async def on_mobilityhouse(version: str, url: str, lies: bool) -> AsyncIterator[None]:
    """A charger on that library."""
    running = asyncio.create_task(LibraryCharger(version, f"{url}/CP-1", lies=lies).run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


AUTHORS = [pytest.param(on_ocpp_rpc, marks=needs_ocpp_rpc), on_mobilityhouse]


def checked(
    author: Connected, version: str, folder: Path, *cases: str, lies: bool = False
) -> dict[str, CaseReport]:
    """Run cases on a charger of this author; case -> what came out."""
    out: list[CaseReport] = []

    async def run() -> None:
        site = ChargerSite(
            SiteOptions(), signer=OurSigner(manufacturer()), ask=_nobody, refused=_ignored
        )
        await site.start()
        try:
            async with author(version, site.urls[0], lies):
                plan = Plan(chosen(cases), QUICK, Equipment(), folder)
                await on_charger(site, "CP-1", plan, out.append)
        finally:
            await site.stop()

    asyncio.run(run())
    return {one.id: one for one in out}


async def _nobody(_charger: str, _what: str) -> bool:
    return False


def _ignored(_why: str) -> None:
    """Nobody reads what was refused at the door."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("author", AUTHORS)
def test_a_sound_charger_passes(author: Connected, version: str, tmp_path: Path) -> None:
    """It downloads, tries again, gives up, installs and boots the version it was given."""
    seen = checked(author, version, tmp_path, *CASES)
    assert {name: one.reason for name, one in seen.items() if one.verdict is not Verdict.PASS} == {}
    assert set(seen) == set(CASES)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("author", AUTHORS)
def test_a_charger_that_only_says_so_fails(author: Connected, version: str, tmp_path: Path) -> None:
    """Downloaded, although our server sent nothing."""
    seen = checked(author, version, tmp_path, "update/1", lies=True)
    assert seen["update/1"].verdict is Verdict.FAIL
    assert "Installed after 0 bytes" in seen["update/1"].reason
