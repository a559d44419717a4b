"""The history file of a drill on sockets: evidence even if the drill is killed, or its disk full.

A shell. A line is handed to the system as soon as its event is recorded: what was seen until a
`kill -9` can be judged.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

from harness.claims import claimed
from harness.history import encode
from harness.whole_files import forget, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.history import Event, Header, History


class HistoryFile:
    """Writes a history as it grows; a context manager.

    It owns the file from the beginning (UsageError if it cannot), and removes the report of an
    earlier run beside it: until ours is written there is none. `lost` is told once, in a sentence,
    if the file cannot be written any more; nothing is ever raised into who records an event.
    """

    def __init__(self, path: Path, lost: Callable[[str], None]) -> None:
        self.path = path
        self._file = claimed(path)
        self._lost = lost
        self._history: History | None = None
        self._whole = True  # until something could not be written
        forget(path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # of the line that could not be written
            self._file.close()
        if self._whole and self._history is not None and not self._there:
            with contextlib.suppress(OSError):  # then no report can be written there, either
                self.path.parent.mkdir(parents=True, exist_ok=True)
                put(self.path, b"".join(self._history.lines()))

    @property
    def _there(self) -> bool:
        """Whether the path still leads to a file: somebody may tidy up while the drill runs."""
        return os.path.lexists(self.path)

    def follow(self, history: History) -> None:
        """Write the header now, and every event as it is recorded."""
        self._history = history
        self._put(history.header)
        history.subscribe(self._put)

    def _put(self, item: Header | Event) -> None:
        if not self._whole:
            return
        try:
            self._file.write(encode(item))
            self._file.flush()
        except OSError as error:
            self._whole = False
            self._lost(f"cannot write {self.path}: {error.strerror or error}")
