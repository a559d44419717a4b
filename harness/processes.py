"""Child processes of a drill: started, read until ready, watched, and ended by their own id.

A shell. A child runs in a process group of its own, so that Ctrl-C in the terminal reaches only the
harness, which ends its children itself. Its first line on standard output is JSON and says where it
listens (seam 4); every further line goes to a listener; standard error goes to a log file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Listener = Callable[[dict[str, Any]], None]
    Lost = Callable[["Child"], None]

READY_WITHIN = 30.0
STOP_WITHIN = 5.0
_LINE_LIMIT = 1 << 20
_ROOT = Path(__file__).resolve().parents[1]
# `-I -m`, but found where we were found: an isolated interpreter does not know a source checkout.
# A child ends in good order once its parent is gone, even if that was killed.
_BOOT = """
import os, runpy, signal, sys, threading, time

def outlive_nobody(parent=os.getppid()):
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=outlive_nobody, daemon=True).start()
root, name = sys.argv[1:3]
sys.path.insert(0, root)
del sys.argv[1:3]
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""


class Child:
    """One running child; `ready` is what its first line said."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.ready: dict[str, Any] = {}
        self._process = process
        self._tail: deque[str] = deque(maxlen=20)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.returncode is None

    @property
    def ended(self) -> str:
        """Say how it ended, with its last words."""
        code = self._process.returncode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
        return f"{self.name} ended unexpectedly ({how}): {self.last_words()}"

    @property
    def died(self) -> bool:
        """Whether it ended although nobody asked it to."""
        return not self.alive and not self._stopping

    def last_words(self) -> str:
        """Return the last lines of its standard error, on one line."""
        return " | ".join(line for line in self._tail if line) or "it said nothing"

    async def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL if it does not listen. Harmless if it ended already."""
        self._stopping = True
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_WITHIN)
            except TimeoutError:
                self.kill()
                await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        self._stopping = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    # ------------------------------------------------------------------ inside

    def watch(
        self, errors: asyncio.Task[None], listener: Listener | None, lost: Lost | None
    ) -> None:
        """Read on after the first line (a full pipe would stop the child) until it ends."""
        loop = asyncio.get_running_loop()
        output = loop.create_task(self._read_output(listener))
        self._tasks = [output, errors, loop.create_task(self._until_its_end(errors, lost))]

    async def _until_its_end(self, errors: asyncio.Task[None], lost: Lost | None) -> None:
        await self._process.wait()
        await asyncio.wait([errors], timeout=1.0)  # its last words
        if lost is not None and not self._stopping:
            lost(self)

    async def first_line(self) -> dict[str, Any] | None:
        """Return what the first line says; None if the child ended before it was ready."""
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        while line := await self._process.stdout.readline():
            said = parse(line)
            if said is not None and said.get("ready") is True:
                return said
        return None

    async def _read_output(self, listener: Listener | None) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        async for line in self._process.stdout:
            said = parse(line)
            if said is not None and listener is not None:
                listener(said)

    async def read_errors(self, log: Path | None) -> None:
        """Keep the last lines of standard error, and all of it in a log file.

        A log that cannot be written is none; the child must not wait for it.
        """
        assert self._process.stderr is not None  # noqa: S101 - it was started with a pipe
        with contextlib.ExitStack() as stack:
            file = None
            with contextlib.suppress(OSError):
                file = stack.enter_context(log.open("ab", buffering=0)) if log is not None else None
            async for line in self._process.stderr:
                self._tail.append(line.decode("utf-8", "replace").strip())
                if file is not None:
                    with contextlib.suppress(OSError):
                        file.write(line)


def command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs one of our modules in an isolated interpreter."""
    return [sys.executable, "-I", "-c", _BOOT, os.fspath(_ROOT), module, *arguments]


def parse(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line holds, or None."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


async def start(
    name: str,
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    listener: Listener | None = None,
    log: Path | None = None,
    stdin: bytes | None = None,
    lost: Lost | None = None,
) -> Child:
    """Start `python -I -m module arguments` and wait until it says that it is ready.

    `environment` is added to ours (secrets travel there, never in arguments); `lost` hears of a
    child that ends later without having been asked to. Raises TargetError with the child's last
    words if it ends first or is not ready in time; nothing is left running.
    """
    process = await asyncio.create_subprocess_exec(
        *command(module, arguments),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
        limit=_LINE_LIMIT,
    )
    child = Child(name, process)
    errors = asyncio.get_running_loop().create_task(child.read_errors(log))
    try:
        if stdin is not None and process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        said = await asyncio.wait_for(child.first_line(), READY_WITHIN)
    except BaseException as error:
        child.kill()
        await process.wait()
        await asyncio.gather(errors, return_exceptions=True)
        if isinstance(error, TimeoutError):
            raise TargetError(
                f"{name} was not ready after {READY_WITHIN:.0f} s: {child.last_words()}"
            ) from error
        raise
    if said is None:
        code = await process.wait()
        await asyncio.gather(errors, return_exceptions=True)
        raise TargetError(f"{name} did not start (exit {code}): {child.last_words()}")
    child.ready = said
    child.watch(errors, listener, lost)
    return child


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C here, and in every process started meanwhile."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
