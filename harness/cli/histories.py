"""Opens recorded histories: a file, packed or not, or the report folder that holds one."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING

from harness.errors import HistoryError, UsageError
from harness.fieldlog.packed import unpacked
from harness.history import FORMAT
from harness.runner import HISTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader
    from pathlib import Path

OFTEN = 1024  # lines between two looks at how far it is


def place(given: Path) -> Path:
    """Return the file that is meant by a file or a report folder."""
    return given / HISTORY if given.is_dir() else given


class Lines:
    """The lines of a history under way: `watch` hears of the bytes read, `stop` ends them early."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size if path.is_file() else 0
        self.stopped = False
        self.watch: Callable[[int], None] = lambda _: None

    def stop(self) -> None:
        """Let the history end after the line that is being read."""
        self.stopped = True

    def read(self) -> Iterator[bytes]:
        """Yield the lines; raises UsageError."""
        with _raw(self.path) as file:
            for count, line in enumerate(unpacked(file)):
                if self.stopped:
                    return
                if not count % OFTEN:
                    self.watch(file.tell())
                yield line


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a history file; a packed one that breaks off ends there, as one that was cut.

    Raises UsageError and HistoryError that name the file.
    """
    with _raw(path) as file, named(path):
        yield unpacked(file)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Name the file in a HistoryError."""
    try:
        yield
    except HistoryError as error:
        raise HistoryError(0, f"{path}: {error}") from error


@contextlib.contextmanager
def _raw(path: Path) -> Iterator[BufferedReader]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    with file:
        yield file


def is_history(path: Path) -> bool:
    """Whether a file begins as a history does; raises UsageError if it cannot be read."""
    with opened(path) as file:
        return FORMAT.encode() in file.read(200)
