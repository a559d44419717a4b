"""A history file belongs to one command at a time: two that write the same one leave neither."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from harness.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def claimed(path: Path, *, emptied: bool = True) -> BinaryIO:
    """Open a file to write it anew, ours until it is closed.

    Without `emptied` what it holds stays until `empty`. UsageError while it is another's, and where
    nothing can be written.
    """
    try:
        file = path.open("ab", buffering=1 << 16)  # emptied once it is ours, and not before
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        _lock(file)
        if emptied:
            empty(file, path)
    except BlockingIOError:
        file.close()
        raise UsageError(
            f"another command is writing into {path.parent} just now: choose another folder"
        ) from None
    except OSError as error:
        file.close()
        raise _unwritable(path, error) from error
    return file


def empty(file: BinaryIO, path: Path) -> None:
    """Drop what a claimed file held; raises OSError."""
    if path.is_file():  # and no pipe or device
        file.truncate(0)


def _unwritable(path: Path, error: OSError) -> UsageError:
    why = error.strerror or error
    return UsageError(f"cannot write {path} ({why}); give another folder with --report")


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415 - not on every platform

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # a file system that knows no locks
