"""Opens recorded histories: a file, packed or not, or the report folder that holds one."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING

from harness.errors import HistoryError, UsageError
from harness.fieldlog.packed import unpacked
from harness.history import FORMAT
from harness.runner import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def place(given: Path) -> Path:
    """Return the file that is meant by a file or a report folder."""
    return given / HISTORY if given.is_dir() else given


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a history file; a packed one that breaks off ends there, as one that was cut.

    Raises UsageError and HistoryError that name the file.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    with file:
        try:
            yield unpacked(file)
        except HistoryError as error:
            raise HistoryError(0, f"{path}: {error}") from error


def is_history(path: Path) -> bool:
    """Whether a file begins as a history does; raises UsageError if it cannot be read."""
    with opened(path) as file:
        return FORMAT.encode() in file.read(200)
