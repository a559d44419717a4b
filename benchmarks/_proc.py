"""Processes under measurement: start one, read its JSON lines, ask the kernel what it used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent


class Measured:
    """A running Python module that prints JSON lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.name = module
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def line(self) -> dict[str, Any]:
        """Return its next line; raises if it ended instead."""
        if self.process.stdout is None:
            raise RuntimeError("no output")
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        line: dict[str, Any] = json.loads(text)
        return line

    def cpu(self) -> float:
        """Return the CPU seconds it has used, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def measured(module: str, *arguments: str) -> Iterator[Measured]:
    """Run a module and end it afterwards."""
    running = Measured(module, *arguments)
    try:
        yield running
    finally:
        running.process.terminate()
        try:
            running.process.wait(10)
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()
        for stream in (running.process.stdin, running.process.stdout):
            if stream is not None:
                stream.close()


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
