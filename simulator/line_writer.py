"""Writes JSON lines to a stream from a thread of its own, so that a slow reader blocks nobody.

A shell. The firmware server tells its story on standard output; when whoever reads it is busy, the
pipe fills up, and a server that waited for it would stall every download.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import stat
import threading
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable


class LineWriter:
    """A queue of lines and the thread that writes them; `lost` is called if nobody reads.

    Lines are ASCII JSON: whatever a client sent, it cannot forge a line or move a cursor.
    """

    def __init__(self, stream: TextIO, *, lost: Callable[[], object] = lambda: None) -> None:
        self._stream = stream
        self._lost = lost
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()
        if _is_pipe(stream):
            threading.Thread(target=self._watch, name="reader", daemon=True).start()

    def write(self, line: dict[str, Any]) -> None:
        """Queue one line; returns at once."""
        self._lines.put(json.dumps(line, separators=(",", ":")) + "\n")

    def text(self, line: str) -> None:
        """Queue one line that is encoded already, with its line break."""
        self._lines.put(line)

    def close(self, *, within: float = 2.0) -> None:
        """Write what is queued, but wait no longer than `within` seconds for it."""
        self._lines.put(None)
        self._thread.join(within)

    def _watch(self) -> None:
        """Wait until the pipe has no reader, also while there is nothing to write."""
        poll = select.poll()
        poll.register(self._stream.fileno(), 0)  # errors and hang-ups are always told
        poll.poll()
        self._lost()

    def _run(self) -> None:
        try:
            while self._drain():
                self._stream.flush()
            with contextlib.suppress(ValueError):
                self._stream.flush()
        except OSError:  # the reader is gone
            self._lost()

    def _drain(self) -> bool:
        """Write everything that is queued; False once the end was reached."""
        line = self._lines.get()
        while line is not None:
            self._stream.write(line)
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return True
        return False


def _is_pipe(stream: TextIO) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode) and hasattr(select, "poll")
    except (OSError, ValueError):  # no file behind it
        return False
