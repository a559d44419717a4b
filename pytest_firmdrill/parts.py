"""The parts that run beside a test: a reference CSMS, firmware servers, virtual chargers."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

READY_WITHIN = 60.0  # seconds until a part that was started must have said where it listens
STOP_WITHIN = 15.0


def command(words: Sequence[str]) -> list[str]:
    """Return the command line of a module, isolated: no user's folder can stand in for ours."""
    return [sys.executable, "-I", "-m", *words]


@dataclass(frozen=True)
class ReferenceCsms:
    """Our CSMS: `api` is the base URL of the rollout API (bearer `key`), `ocpp` of stations."""

    api: str
    ocpp: str
    ext: str  # the base URL of our own extension, which registers chargers
    key: str = field(repr=False)


class Part:
    """A process of ours that says in JSON lines where it listens and what happens."""

    def __init__(
        self, name: str, words: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._words, self._environment = words, environment
        self.said: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._mumbled: list[str] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        """Start it, give what it said first, and end it afterwards."""
        with subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command(self._words), env=self._environment, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            reader = threading.Thread(target=self._read, args=(process,), daemon=True)
            reader.start()
            try:
                yield self._next(READY_WITHIN)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_WITHIN)
                except subprocess.TimeoutExpired:
                    process.kill()
                reader.join(STOP_WITHIN)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        for line in process.stdout:
            try:
                self._lines.put(json.loads(line))
            except ValueError:
                self._mumbled.append(line.rstrip())
        self._lines.put(None)

    def _next(self, within: float) -> dict[str, Any]:
        """Return the next JSON line; fails the test if there is none."""
        __tracebackhide__ = True
        with contextlib.suppress(queue.Empty):  # pytest would tell of that error first
            return self._take(within)
        pytest.fail(f"{self.name} said nothing for {within:.0f} s", pytrace=False)

    def _take(self, within: float) -> dict[str, Any]:
        """Return the next JSON line; raises queue.Empty, and fails the test if the part ended."""
        __tracebackhide__ = True
        said = self._lines.get(timeout=within)
        if said is None:
            self._lines.put(None)  # whoever asks again hears it again
            words = "\n".join(self._mumbled[-20:]) or "it said nothing"
            pytest.fail(f"{self.name} ended: {words}", pytrace=False)
        self.said.append(said)
        return said

    def until(self, met: Callable[[dict[str, Any]], bool], within: float, what: str) -> Any:
        """Return the first line, said already or to come, for which `met` holds."""
        __tracebackhide__ = True
        deadline = time.monotonic() + within
        for said in self.said:
            if met(said):
                return said
        while time.monotonic() < deadline:
            try:
                said = self._take(max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                break
            if met(said):
                return said
        last = json.dumps(self.said[-1]) if self.said else "nothing"
        pytest.fail(f"{self.name}: {what} did not come true in {within:g} s; last: {last}")


class FirmwareServer:
    """A firmware server; `url` with any tag and an image's name is where to download it."""

    def __init__(self, url: str, part: Part) -> None:
        self.url = url
        self._part = part

    def image(self, name: str = "firmware.bin", tag: str = "test") -> str:
        """Return the address of an image; the tag only makes addresses distinct."""
        return f"{self.url}/{tag}/{name}"

    def wait_for(self, requests: int, within: float = 30.0) -> list[dict[str, Any]]:
        """Return the log of the finished requests once there are that many of them.

        Each has `client`, `path`, `outcome` (complete, cut, status …), bytes sent and times.
        """
        __tracebackhide__ = True
        log = self._part.said
        if requests:
            self._part.until(
                lambda _: len(log) - 1 >= requests, within, f"{requests} finished requests"
            )
        return log[1:]


class VirtualFleet:
    """Chargers that are connected to a CSMS until the test ends."""

    def __init__(self, part: Part) -> None:
        self._part = part

    @property
    def state(self) -> dict[str, Any]:
        """What it said last: `chargers`, `online`, `booted`, `states`, `trouble`."""
        return self._part.said[-1]

    def wait_for(self, within: float = 60.0, **counts: int) -> dict[str, Any]:
        """Return its state once so many are `online` or `booted`, or report a firmware status.

        `fleet.wait_for(booted=10, Installed=9)`; without counts: everybody has booted.
        """
        __tracebackhide__ = True

        def met(said: dict[str, Any]) -> bool:
            wanted = counts or {"booted": said["chargers"]}
            return all(said["states"].get(n, said.get(n, 0)) >= wanted[n] for n in wanted)

        what = ", ".join(f"{name}={number}" for name, number in counts.items())
        state: dict[str, Any] = self._part.until(met, within, what or "everybody has booted")
        return state
