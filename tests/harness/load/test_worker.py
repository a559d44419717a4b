"""A worker of a load run, without Locust: it takes commands and answers them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from harness.load import worker as workers
from harness.load.share import Command, Dashboard, Share

if TYPE_CHECKING:
    from pathlib import Path


def share(folder: Path) -> Share:
    """Return a part of nobody."""
    (folder / "token").write_text("t", encoding="ascii")
    return Share(
        worker=0, specs=[], seed=1, epoch=1.8e9, begun=0.0, urls={}, passwords={},
        connect_rate=1.0, rates={"Heartbeat": 1.0}, folder=str(folder), token="t",
        dashboard=Dashboard(api="", key=""),
    )  # fmt: skip


@pytest.mark.asyncio
async def test_a_worker_tidies_up_while_it_drives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its collector waits, so somebody has to: else a soak grows with every reconnect."""
    tidied = asyncio.Event()

    async def tidy() -> None:
        tidied.set()
        await asyncio.sleep(0)

    monkeypatch.setattr(workers, "tidy", tidy)
    commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for command in (Command(do="share", share=share(tmp_path)), Command(do="start")):
        commands.put_nowait(msgspec.to_builtins(command))
    running = asyncio.create_task(workers.Worker(lambda _: None, lambda _: None).run(commands))
    async with asyncio.timeout(5.0):
        await tidied.wait()
        commands.put_nowait(msgspec.to_builtins(Command(do="stop")))
        await running
