"""Child processes: ready, silent, dying, and always gone in the end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness import processes
from harness.errors import TargetError

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.sockets
SERVER = "simulator.firmware_server"
SPEC = json.dumps({"images": {"f": {"version": "2", "size": 4096}}}).encode()


async def start(**options: Any) -> processes.Child:
    """Start a firmware server with one image."""
    return await processes.start(
        "the firmware server", SERVER, ["--spec", "-"], stdin=SPEC, **options
    )


def gone(pid: int) -> bool:
    """Whether no process has this id any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.asyncio
async def test_a_child_says_where_it_listens_and_is_gone_after_stop() -> None:
    """The first line is the ready line; stop leaves nothing behind."""
    child = await start()
    assert child.ready["url"].startswith("http://127.0.0.1:")
    assert child.alive
    pid = child.pid
    await child.stop()
    assert not child.alive
    assert not child.died
    assert gone(pid)
    await child.stop()


@pytest.mark.asyncio
async def test_a_child_that_cannot_start_is_named_with_its_last_words() -> None:
    """One line says who, the exit code and why."""
    with pytest.raises(TargetError, match=r"the firmware server did not start \(exit 3\).*spec"):
        await processes.start("the firmware server", SERVER, ["--spec", "/no/such/file"])


@pytest.mark.asyncio
async def test_a_child_that_is_never_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that says nothing must not hold the drill for ever."""
    monkeypatch.setattr(processes, "READY_WITHIN", 0.001)
    with pytest.raises(TargetError, match="was not ready after"):
        await start()


@pytest.mark.asyncio
async def test_every_further_line_reaches_the_listener(tmp_path: Path) -> None:
    """The firmware server's log is evidence: line by line, as JSON."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    child = await start(listener=heard.put_nowait, log=tmp_path / "log")
    try:
        url = f"{child.ready['url']}/x/f"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert len(await answer.read()) == 4096
        line = await asyncio.wait_for(heard.get(), 5)
    finally:
        await child.stop()
    assert (line["path"], line["outcome"], line["sent"]) == ("/x/f", "complete", 4096)


@pytest.mark.asyncio
async def test_a_child_that_dies_by_itself_is_noticed() -> None:
    """`died` tells it from one that we ended."""
    child = await start()
    os.kill(child.pid, 9)
    await child.wait()
    assert child.died
    await child.stop()


def test_only_json_objects_count_as_lines() -> None:
    """Whatever a child prints by mistake is ignored."""
    assert processes.parse(b'{"a": 1}\n') == {"a": 1}
    assert processes.parse(b"[1]") is None
    assert processes.parse(b"hello") is None
    assert processes.parse(b"\xff") is None


PARENT = """
import asyncio, sys
from harness import processes

async def main(folder):
    options = ["--database", folder + "/csms.sqlite"]
    child = await processes.start("the CSMS", "reference_csms", options)
    print(child.pid, flush=True)
    await asyncio.sleep(60.0)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(os.name != "posix", reason="only there a parent can be seen to be gone")
def test_a_child_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A load run that is killed leaves no CSMS behind that listens for ever."""
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    for _ in range(200):
        if gone(pid):
            break
        time.sleep(0.05)
    assert gone(pid)
