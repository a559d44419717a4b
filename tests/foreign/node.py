"""Foreign programs of node: started, read line by line, ended."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HERE = Path(__file__).parent
MODULES = os.environ.get("FIRMDRILL_NODE_MODULES", "")  # a folder that holds ocpp-rpc
NODE = shutil.which("node")
needs_ocpp_rpc = pytest.mark.skipif(
    NODE is None or not (Path(MODULES) / "ocpp-rpc").is_dir(),
    reason="node, or ocpp-rpc (npm) in FIRMDRILL_NODE_MODULES, is not there",
)


class Program:
    """One running program and what it told so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[dict[str, Any]] = []

    async def until(self, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the first line from now on of which this holds."""
        async with asyncio.timeout(30):
            while True:
                assert self._process.stdout is not None
                line = await self._process.stdout.readline()
                assert line, f"the program ended; it told {self.told}"
                self.told.append(json.loads(line))
                if holds(self.told[-1]):
                    return self.told[-1]

    def all(self, name: str) -> list[Any]:
        """Return everything told under this name, in order."""
        return [line[name] for line in self.told if name in line]


@asynccontextmanager
async def program(script: str, *arguments: str) -> AsyncIterator[Program]:
    """Run a script of this folder and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        NODE or "node", str(HERE / script), *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": MODULES},
    )  # fmt: skip
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
